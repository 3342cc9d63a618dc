"""The schemas of documents that every room knows: threads, because each chat relies on them, and those that
agents of all releases ask for by name.

Value types are single words: older clients cannot read lists of types.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

import msgspec


class _Table(msgspec.Struct, frozen=True):
    """A schema as a table of its elements.

    Attributes:
        values: By tag: its values, each a name and, where it is no text, its type.
        children: By tag: the property that holds its children, and which they may be.
        parts: What the root has, each exactly once and in this order.
    """

    values: Mapping[str, str]
    children: Mapping[str, tuple[str, tuple[str, ...]]] = msgspec.field(default_factory=dict)
    parts: tuple[str, ...] = ()

    def schema(self) -> dict[str, Any]:
        root = next(iter(self.values))
        definitions = {tag: self._definition(tag, self.parts if tag == root else ()) for tag in self.values}
        return {"$root_tag_ref": f"#/$defs/{root}", **definitions[root], "$defs": definitions}

    def _definition(self, tag: str, parts: tuple[str, ...]) -> dict[str, Any]:
        properties: dict[str, Any] = {}
        for value in self.values[tag].split():
            name, _, kind = value.partition(":")
            properties[name] = {"type": kind or "string"}
        if parts:
            properties["properties"] = {"type": "array", "items": False, "prefixItems": _references(parts)}
        elif tag in self.children:
            name, children = self.children[tag]
            properties[name] = {"type": "array", "items": {"anyOf": _references(children)}}
        return {
            "type": "object",
            "additionalProperties": False,
            "required": [tag],
            "properties": {
                tag: {
                    "type": "object",
                    "additionalProperties": False,
                    "required": list(properties),
                    "properties": properties,
                }
            },
        }


def _references(tags: tuple[str, ...]) -> list[dict[str, str]]:
    return [{"$ref": f"#/$defs/{tag}"} for tag in tags]


_THREAD: Final = _Table(
    {
        "thread": "name",
        "members": "",
        "member": "name",
        "messages": "external_thread_id",
        "message": "id turn_id text created_at author_name role author_ref",
        "file": "path",
        "image": "id mime_type status width:number height:number created_at created_by",
        "reaction": "user_name value target attachment_ref created_at",
        "reasoning": "turn_id summary created_at",
        "exec": "turn_id command result outcome stderr stdout exit_code:number pwd created_at",
        "ui": "turn_id data renderer widget width:number height:number created_at",
        "event": (
            "turn_id id source name kind state method item_id item_type path summary headline details "
            "preview data created_at updated_at"
        ),
        "log": "source text created_at",
    },
    {
        "members": ("items", ("member",)),
        "messages": ("items", ("message", "exec", "ui", "reasoning", "event")),
        "message": ("attachments", ("file", "image", "reaction")),
        "event": ("logs", ("log",)),
    },
    parts=("members", "messages"),
)
_DOCUMENT: Final = _Table(
    {"document": "", "heading": "text", "body": "text", "file": "name"},
    {"document": ("content", ("heading", "body", "file"))},
)
_PRESENTATION: Final = _Table(
    {"presentation": "", "slide": "title background", "line": "line"},
    {"presentation": ("slides", ("slide",)), "slide": ("lines", ("line",))},
)
_GALLERY: Final = _Table(
    {"gallery": "", "file": "path description"},
    {"gallery": ("content", ("file",))},
)
_TRANSCRIPT: Final = _Table(
    {"transcript": "", "segment": "participant_id participant_name time text"},
    {"transcript": ("segments", ("segment",))},
)

THREAD_SCHEMA: Final = _THREAD.schema()

BUILT_IN_SCHEMAS: Final[Mapping[str, dict[str, Any]]] = {
    "thread": THREAD_SCHEMA,
    "document": _DOCUMENT.schema(),
    "presentation": _PRESENTATION.schema(),
    "gallery": _GALLERY.schema(),
    "transcript": _TRANSCRIPT.schema(),
}
"""By file extension."""

BUILT_IN_FILES: Final[Mapping[str, bytes]] = {
    f".schemas/{name}.json": json.dumps(schema).encode() for name, schema in BUILT_IN_SCHEMAS.items()
}
"""The same as files of a room, by path: so agents look whether a schema is there."""
