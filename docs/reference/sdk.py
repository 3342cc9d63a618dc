"""The pages of what agents are written with: names alone, mkdocstrings writes what they are."""

from __future__ import annotations

from typing import Any

from docs.reference.table import table

_FAMILIES = ("messaging", "storage", "queues", "database", "agents", "sync", "developer")
_GROUPS = {
    "Serving": ("ServiceHost", "Limits", "Confine", "otel_config"),
    "Agents": ("Agent", "SingleRoomAgent", "ChatBot", "TaskRunner", "TaskContext"),
    "Tools": ("tool", "FunctionTool", "Tool", "ToolContext", "Toolkit", "RemoteToolkit"),
    "Models": ("LLMAdapter", "OpenAIResponsesAdapter", "AgentChatContext"),
    "What a tool may return": (
        "JsonResponse", "TextResponse", "FileResponse", "LinkResponse", "EmptyResponse", "ErrorResponse",
    ),
    "What an agent needs": ("RequiredToolkit", "RequiredSchema", "RequiredTable"),
    "Columns of a table": (
        "TextDataType", "IntDataType", "FloatDataType", "BoolDataType", "DateDataType", "TimestampDataType",
        "BinaryDataType", "VectorDataType", "ListDataType", "StructDataType", "DataType",
    ),
}  # fmt: skip
_OF_THE_ROOM = (
    "RoomClient",
    "WebSocketClientProtocol",
    "Participant",
    "LocalParticipant",
    "RemoteParticipant",
    "RoomMessage",
    "RoomException",
)


def authors_page() -> str:
    """Every name of `runtime.sdk` but those of the room."""
    import runtime.sdk

    grouped = {name for names in _GROUPS.values() for name in names}
    more = [name for name in runtime.sdk.__all__ if name not in grouped and name not in _OF_THE_ROOM]
    groups = _GROUPS | ({"More": tuple(more)} if more else {})
    parts = []
    for title, names in groups.items():
        parts.append(f"## {title}\n")
        parts += [_entry(name, getattr(runtime.sdk, name)) for name in names]
    return "\n".join(parts)


def room_page() -> str:
    """The room's client, its families, and who is in it."""
    import runtime.sdk

    families = [(family, _family(family)) for family in _FAMILIES]
    rows = [(f"`room.{name}`", f"[`{kind.__name__}`](#{full(kind)})") for name, kind in families]
    parts = [table(("", ""), rows)]
    parts += [_entry(name, getattr(runtime.sdk, name)) for name in _OF_THE_ROOM]
    parts += [_entry(kind.__name__, kind) for _, kind in families]
    return "\n".join(parts)


def full(value: Any) -> str:
    """Where a class or function is defined, as mkdocstrings names it."""
    return f"{value.__module__}.{value.__qualname__}"


def _family(name: str) -> type[Any]:
    from typing import get_type_hints

    from runtime.sdk.room import client, developer, messaging, queues, room_agents, storage, sync
    from runtime.sdk.room.tables import database

    known = {
        name: kind
        for module in (database, developer, messaging, queues, room_agents, storage, sync)
        for name, kind in vars(module).items()
    }
    kind = get_type_hints(getattr(client.RoomClient, name).fget, {**vars(client), **known})["return"]
    assert isinstance(kind, type)
    return kind


def _entry(name: str, value: Any) -> str:
    heading = f"    options: {{heading_level: 3, heading: {name!r}, toc_label: {name!r}}}"
    return f"::: {full(value)}\n{heading}\n"
