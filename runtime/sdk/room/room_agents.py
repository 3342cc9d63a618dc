"""The agents and toolkits of a room: find them, call them, register one's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol
from uuid import uuid4

import msgspec

from runtime.sdk.room.exchange import RoomExchange
from runtime.sdk.room.participant import Participant
from runtime.sdk.room.room_exception import RoomException
from runtime.wire.content import Content, EmptyContent, JsonContent


class Needed(Protocol):
    """Something that must be in the room for a task, such as a `Requirement`."""

    def to_json(self) -> dict[str, Any]:
        """The form in which it travels."""
        ...


class AgentDescription(msgspec.Struct, frozen=True, kw_only=True):
    """An agent that takes tasks, as it registered itself."""

    name: str
    title: str = ""
    description: str = ""
    input_schema: dict[str, Any] | None = None
    output_schema: dict[str, Any] | None = None
    requires: list[Any] = msgspec.field(default_factory=list)
    supports_tools: bool = False
    labels: list[str] = msgspec.field(default_factory=list)


class ToolDescription(msgspec.Struct, frozen=True, kw_only=True):
    """A tool as its host registered it."""

    name: str
    title: str = ""
    description: str = ""
    input_schema: dict[str, Any] | None = None
    defs: dict[str, Any] | None = None
    thumbnail_url: str | None = None


class ToolkitDescription(msgspec.Struct, frozen=True, kw_only=True):
    """A toolkit in the room, and the participant that hosts it."""

    name: str
    title: str = ""
    description: str = ""
    tools: list[ToolDescription] = msgspec.field(default_factory=list)
    thumbnail_url: str | None = None
    participant_id: str | None = None

    def get_tool(self, name: str) -> ToolDescription | None:
        """The tool of that name, or None."""
        return next((tool for tool in self.tools if tool.name == name), None)


class AgentsClient:
    """What ``room.agents`` is."""

    def __init__(self, room: RoomExchange) -> None:
        self._room = room

    async def make_call(
        self,
        *,
        name: str,
        url: str,
        arguments: Mapping[str, Any] | None = None,
        api: Mapping[str, Any] | None = None,
    ) -> None:
        """Have the room call the webhook at ``url`` so that an agent joins as ``name``.

        Args:
            api: What the agent may do in the room; None for the default of agents.

        Raises:
            RoomException: The webhook could not be reached or refused the call.
        """
        header = {"name": name, "url": url, "arguments": dict(arguments or {}), "api": api}
        await self._room.request("agent.call", header)

    async def ask(
        self,
        *,
        agent: str,
        arguments: Mapping[str, Any],
        on_behalf_of: Participant | None = None,
        requires: Sequence[Needed] | None = None,
        attachment: bytes | None = None,
    ) -> JsonContent:
        """Give a task to the agent of that name and wait for its answer, in ``.json``.

        Raises:
            RoomException: There is no such agent, or it answered with an error.
        """
        header: dict[str, Any] = {"agent": agent, "arguments": dict(arguments)}
        if on_behalf_of is not None:
            header["on_behalf_of_id"] = on_behalf_of.id
        if requires:
            header["requires"] = [requirement.to_json() for requirement in requires]
        content = await self._room.request("agent.ask", header, attachment or b"")
        answer = _object(content, "agent.ask")
        if "answer" not in answer:
            raise RoomException("the room's reply to agent.ask has no answer in it")
        return JsonContent(answer["answer"])

    async def invoke_tool(
        self,
        *,
        toolkit: str,
        tool: str,
        arguments: Mapping[str, Any] | None = None,
        participant_id: str | None = None,
        on_behalf_of_id: str | None = None,
        caller_context: Mapping[str, Any] | None = None,
        attachment: bytes | None = None,
        argument: Content | None = None,
    ) -> Content:
        """Call a tool in the room and return what it answers.

        Args:
            arguments: The tool's arguments; checked against its schema by its host.
            participant_id: Prefer the toolkit of this participant; needed for a private one.
            argument: A content to send instead of ``arguments`` (a text, a file).
            attachment: Raw bytes that go with ``arguments``.

        Raises:
            RoomException: No such toolkit or tool, or the tool failed.
        """
        content: Content = JsonContent(dict(arguments or {})) if argument is None else argument
        header: dict[str, Any] = {
            "toolkit": toolkit,
            "tool": tool,
            "participant_id": participant_id,
            "on_behalf_of_id": on_behalf_of_id,
            "caller_context": None if caller_context is None else dict(caller_context),
            "arguments": content.to_header(),
            # Its presence tells the room that `arguments` is a content and not the bare object.
            "tool_call_id": uuid4().hex,
        }
        return await self._room.request("agent.invoke_tool", header, attachment or content.data)

    async def list_agents(self) -> list[AgentDescription]:
        """The agents that take tasks."""
        listing = _object(await self._room.request("agent.list_agents", {}), "agent.list_agents")
        return [_agent(entry) for entry in listing.get("agents") or [] if isinstance(entry, dict)]

    async def list_toolkits(
        self, *, participant_id: str | None = None, participant_name: str | None = None
    ) -> list[ToolkitDescription]:
        """Public toolkits; with ``participant_id`` its private ones too; with a name only those it hosts."""
        header: dict[str, Any] = {}
        if participant_id is not None:
            header["participant_id"] = participant_id
        if participant_name is not None:
            header["participant_name"] = participant_name
        listing = _object(await self._room.request("agent.list_toolkits", header), "agent.list_toolkits")
        toolkits = listing.get("tools")
        if not isinstance(toolkits, dict):
            return []
        return [_toolkit(name, entry) for name, entry in toolkits.items() if isinstance(entry, dict)]

    async def register_agent(self, description: Mapping[str, Any]) -> str:
        """Register ourselves as an agent that takes tasks; returns the id for ``unregister_agent``."""
        content = await self._room.request("agent.register_agent", dict(description))
        return str(_object(content, "agent.register_agent").get("id", ""))

    async def unregister_agent(self, id: str) -> None:
        """Take the registration back."""
        await self._room.request("agent.unregister_agent", {"id": id})

    async def register_toolkit(self, description: Mapping[str, Any]) -> str:
        """Register a toolkit that we host; returns the id for ``unregister_toolkit``."""
        content = await self._room.request("agent.register_toolkit", dict(description))
        return str(_object(content, "agent.register_toolkit").get("id", ""))

    async def unregister_toolkit(self, id: str) -> None:
        """Take the registration back."""
        await self._room.request("agent.unregister_toolkit", {"id": id})


def _object(content: Content, request: str) -> dict[str, Any]:
    match content:
        case JsonContent(json=dict() as value):
            return value
        case EmptyContent():
            return {}
        case _:
            raise RoomException(f"the room's reply to {request} is not a JSON object")


def _agent(entry: dict[str, Any]) -> AgentDescription:
    return AgentDescription(
        name=str(entry.get("name") or ""),
        title=str(entry.get("title") or ""),
        description=str(entry.get("description") or ""),
        input_schema=entry.get("input_schema"),
        output_schema=entry.get("output_schema"),
        requires=list(entry.get("requires") or []),
        supports_tools=bool(entry.get("supports_tools")),
        labels=list(entry.get("labels") or []),
    )


def _toolkit(name: str, entry: dict[str, Any]) -> ToolkitDescription:
    tools = entry.get("tools")
    return ToolkitDescription(
        name=name,
        title=str(entry.get("title") or ""),
        description=str(entry.get("description") or ""),
        thumbnail_url=entry.get("thumbnail_url"),
        participant_id=entry.get("participant_id"),
        tools=[
            _tool(tool_name, tool)
            for tool_name, tool in (tools.items() if isinstance(tools, dict) else ())
            if isinstance(tool, dict)
        ],
    )


def _tool(name: str, entry: dict[str, Any]) -> ToolDescription:
    spec = entry.get("input_spec")
    schema = entry.get("input_schema")
    if schema is None and isinstance(spec, dict):
        schema = spec.get("schema")
    return ToolDescription(
        name=name,
        title=str(entry.get("title") or ""),
        description=str(entry.get("description") or ""),
        input_schema=schema,
        defs=entry.get("defs"),
        thumbnail_url=entry.get("thumbnail_url"),
    )
