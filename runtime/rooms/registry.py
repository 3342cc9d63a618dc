"""The toolkits and agents that participants offer, and which of them a caller reaches.

Pure.  A toolkit is private to its owner unless registered as public; among several public ones of the same
name the newest wins, because a host that reconnects is there twice until its old socket is noticed.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Collection, Iterable
from typing import Any, Final, Literal

import msgspec

from runtime.errors import InvalidRequest, NotFound, RoomFull, ToolNotFound
from runtime.rooms.holdings import Contents
from runtime.rooms.room import ParticipantId

MAX_NAME_CHARS: Final = 100
MAX_LISTED_CHARS: Final = 300

Spelling = Literal["agent", "room"]
"""First word of the tool-call messages a host understands: older clients say ``agent``, newer ``room``."""


class Toolkit(msgspec.Struct, frozen=True):
    """One registered toolkit.

    Attributes:
        spelling: How its host spells tool-call messages.
        takes_content: Arguments travel as contents rather than as bare objects.
        is_cancellable: Its host is to be told of calls for whose answer nobody waits any more.
    """

    id: str
    owner: ParticipantId
    name: str
    title: str
    description: str
    public: bool
    thumbnail_url: str | None
    annotations: dict[str, Any]
    tools: dict[str, dict[str, Any]]
    spelling: Spelling
    takes_content: bool
    size_bytes: int = 0
    is_cancellable: bool = False

    def listing(self) -> dict[str, Any]:
        """The toolkit as a listing shows it, readable by clients of every generation."""
        return {
            "title": self.title,
            "description": self.description,
            "thumbnail_url": self.thumbnail_url,
            "annotations": self.annotations,
            "participant_id": self.owner,
            "tools": {name: _tool_listing(name, tool) for name, tool in self.tools.items()},
        }


class Agent(msgspec.Struct, frozen=True):
    """One registered task runner (of the older kind, called with ``agent.ask``)."""

    id: str
    owner: ParticipantId
    name: str
    description: dict[str, Any] = msgspec.field(default_factory=dict)
    size_bytes: int = 0


class Registry:
    """All toolkits and agents of a room, oldest first.

    Args:
        max_registrations: Toolkits and agents of one participant together.
        max_registration_bytes: Their JSON.
        max_registry_bytes: JSON of everybody's.
        contents: What the room keeps in memory, to which they belong.
    """

    def __init__(
        self,
        *,
        max_registrations: int,
        max_registration_bytes: int,
        max_registry_bytes: int,
        contents: Contents,
    ) -> None:
        self._contents = contents
        self._max_registrations = max_registrations
        self._max_registration_bytes = max_registration_bytes
        self._max_registry_bytes = max_registry_bytes
        self._toolkits: dict[str, Toolkit] = {}
        self._agents: dict[str, Agent] = {}

    def add_toolkit(self, owner: ParticipantId, wanted: dict[str, Any], *, spelling: Spelling) -> Toolkit:
        """Register a toolkit as its host describes it.

        Raises:
            InvalidRequest: No name, or tools that are not an object of objects.
            RoomFull: Too many registrations, or too large a one.
        """
        size_bytes = self._check(owner, wanted)
        name, tools = wanted.get("name"), wanted.get("tools") or {}
        if not isinstance(name, str) or not 0 < len(name) <= MAX_NAME_CHARS or not name.isprintable():
            # It becomes part of message types, which are short and valid text.
            raise InvalidRequest(f"a toolkit needs a printable name of at most {MAX_NAME_CHARS} characters")
        if not isinstance(tools, dict) or not all(isinstance(tool, dict) for tool in tools.values()):
            raise InvalidRequest(f"tools of toolkit {name!r} must be an object keyed by tool name")
        annotations = wanted.get("annotations")
        toolkit = Toolkit(
            id=str(uuid.uuid4()),
            owner=owner,
            name=name,
            title=str(wanted.get("title") or name),
            description=str(wanted.get("description") or ""),
            public=wanted.get("public") is True,
            thumbnail_url=wanted.get("thumbnail_url"),
            annotations=annotations if isinstance(annotations, dict) else {},
            tools=tools,
            spelling=spelling,
            # Only the newer clients describe their arguments by an input_spec, and only they send contents.
            takes_content=any("input_spec" in tool for tool in tools.values()),
            size_bytes=size_bytes,
            is_cancellable=wanted.get("cancellable") is True,
        )
        self._toolkits[toolkit.id] = toolkit
        self._contents.add(size_bytes)
        return toolkit

    def add_agent(self, owner: ParticipantId, name: str, wanted: dict[str, Any]) -> Agent:
        """Register a task runner.

        Raises:
            RoomFull: Too many registrations, or too large a one.
        """
        size_bytes = self._check(owner, wanted)
        defaults: dict[str, Any] = {
            "requires": [],
            "supports_tools": False,
            "labels": [],
            "annotations": None,
        }
        agent = Agent(str(uuid.uuid4()), owner, name, {**defaults, **wanted, "name": name}, size_bytes)
        self._agents[agent.id] = agent
        self._contents.add(size_bytes)
        return agent

    def remove(self, owner: ParticipantId, registration_id: str) -> Toolkit | Agent:
        """Forget one registration of its owner.

        Raises:
            NotFound: No such registration, or somebody else's.
        """
        for registered in (self._toolkits, self._agents):
            found = registered.get(registration_id)
            if found is not None and found.owner == owner:
                registered.pop(registration_id)
                self._contents.add(-found.size_bytes)
                return found
        raise NotFound("no such registration")

    def drop(self, owner: ParticipantId) -> None:
        """Forget everything of a participant that left."""
        every: list[Toolkit | Agent] = [*self._toolkits.values(), *self._agents.values()]
        self._contents.add(-sum(one.size_bytes for one in every if one.owner == owner))
        self._toolkits = {key: kit for key, kit in self._toolkits.items() if kit.owner != owner}
        self._agents = {key: agent for key, agent in self._agents.items() if agent.owner != owner}

    def of(self, owner: ParticipantId) -> tuple[list[str], list[str]]:
        """Names of a participant's toolkits and agents."""
        toolkits = [kit.name for kit in self._toolkits.values() if kit.owner == owner]
        return toolkits, [agent.name for agent in self._agents.values() if agent.owner == owner]

    def agents(self) -> list[dict[str, Any]]:
        """Every agent as it was registered."""
        return [agent.description for agent in self._agents.values()]

    def agent(self, name: str) -> Agent:
        """The newest agent of that name.

        Raises:
            NotFound: None, named in the error.
        """
        for agent in reversed(self._agents.values()):
            if agent.name == name:
                return agent
        raise NotFound(f"no agent {name!r} is in the room", cure="Call it in, or list the agents.")

    def listing(
        self, *, participant_id: str | None = None, only: Collection[ParticipantId] | None = None
    ) -> dict[str, dict[str, Any]]:
        """Toolkits by name: all public ones, with ``participant_id`` also that participant's private ones.

        Args:
            only: Hosts to show, all others hidden; None shows every host.
        """
        shown: dict[str, Toolkit] = {}
        for toolkit in self._toolkits.values():
            if only is not None and toolkit.owner not in only:
                continue
            own = toolkit.owner == participant_id
            if not (toolkit.public or own):
                continue
            current = shown.get(toolkit.name)
            if current is None or own or current.owner != participant_id:
                shown[toolkit.name] = toolkit
        return {name: toolkit.listing() for name, toolkit in shown.items()}

    def host(self, toolkit: str, tool: str, *, participant_id: str | None = None) -> Toolkit:
        """The toolkit that a call reaches: ``participant_id``'s own first, then the newest public one.

        Raises:
            ToolNotFound: No toolkit of that name, or none with that tool.
        """
        named = [kit for kit in reversed(self._toolkits.values()) if kit.name == toolkit]
        reachable = [kit for kit in named if kit.owner == participant_id]
        reachable += [kit for kit in named if kit.public and kit.owner != participant_id]
        if not reachable:
            raise ToolNotFound(
                f"no toolkit {toolkit!r} is in the room", cure="Call in who offers it, or list the toolkits."
            )
        for kit in reachable:
            if tool in kit.tools:
                return kit
        raise no_tool(toolkit, tool, reachable[0].tools)

    def offers(self, toolkit: str) -> bool:
        """Whether anybody registered a toolkit of that name."""
        return any(kit.name == toolkit for kit in self._toolkits.values())

    def _check(self, owner: ParticipantId, wanted: dict[str, Any]) -> int:
        size_bytes = len(json.dumps(wanted))
        everything: list[Toolkit | Agent] = [*self._toolkits.values(), *self._agents.values()]
        mine = [registered.size_bytes for registered in everything if registered.owner == owner]
        if len(mine) >= self._max_registrations:
            raise RoomFull(f"a participant may register {self._max_registrations} toolkits and agents")
        if sum(mine) + size_bytes > self._max_registration_bytes:
            raise RoomFull(f"a participant's registrations may have {self._max_registration_bytes} bytes")
        if sum(each.size_bytes for each in everything) + size_bytes > self._max_registry_bytes:
            raise RoomFull(f"the room's registrations may have {self._max_registry_bytes} bytes")
        self._contents.check(size_bytes)
        return size_bytes


def no_tool(toolkit: str, tool: str, known: Iterable[str]) -> ToolNotFound:
    """What is said of a toolkit that is there, and does not have this tool."""
    listed = ", ".join(known)
    return ToolNotFound(
        f"toolkit {toolkit!r} has no tool {tool!r}", cure=f"It has {listed[:MAX_LISTED_CHARS]}."
    )


def _tool_listing(name: str, tool: dict[str, Any]) -> dict[str, Any]:
    input_spec, input_schema = tool.get("input_spec"), tool.get("input_schema")
    if input_schema is None and isinstance(input_spec, dict):
        input_schema = input_spec.get("schema")
    if "input_spec" not in tool and input_schema is not None:
        input_spec = {"types": ["json"], "stream": False, "schema": input_schema}
    return {
        "title": tool.get("title") or name,
        "description": tool.get("description") or "",
        "thumbnail_url": tool.get("thumbnail_url"),
        "input_schema": input_schema,
        "input_spec": input_spec,
        "output_spec": tool.get("output_spec"),
        "defs": tool.get("defs"),
        "strict": tool.get("strict", True),
    }
