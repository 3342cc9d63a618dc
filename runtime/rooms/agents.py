"""Task runners of the older kind (``agent.ask``), and calling somebody into the room."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

import msgspec

from runtime.errors import NotFound, NotSupported, PermissionDenied, RoomFull
from runtime.rooms.connection import Peer
from runtime.rooms.developer.log import DeveloperLog
from runtime.rooms.developer.runs import Runs
from runtime.rooms.live import LiveRoom
from runtime.rooms.request import Handlers, Outcome, Request, error_content
from runtime.rooms.room import ParticipantId
from runtime.rooms.signing.scope import narrowed
from runtime.rooms.token import Scope
from runtime.wire.content import CODE_FAILED, EmptyContent, ErrorContent, JsonContent
from runtime.wire.room import Message

BUILT_IN_HOST: Final = "localhost:8080"
"""Older agents "call" this host to have a built-in schema installed; it is a name, not an address."""


class Mint(Protocol):
    """Makes participant tokens of this room."""

    def __call__(self, name: str, scope: Scope, *, role: str = "agent", service: str = "") -> str: ...


class Caller(Protocol):
    """Who posts the webhook that brings an agent into the room."""

    async def call(
        self,
        *,
        url: str,
        room: str,
        name: str,
        arguments: dict[str, Any],
        token: str,
        only_here: bool = False,
    ) -> None:
        """Post ``room.call`` to ``url``.

        Args:
            only_here: Nobody but an endpoint of this server may be called.

        Raises:
            RuntimeServiceError: The service refused or did not answer; the text reaches the asker.
        """
        ...


class _Ask(msgspec.Struct):
    request: Request
    agent: Peer
    agent_name: str
    run: str
    is_cancellable: bool = False  # its host asked to be told when nobody waits any more


class Agents:
    """Requests ``agent.…`` that are not about toolkits, and ``room.call``.

    Args:
        has_schema: Whether a schema of that name is there without further ado.
        built_in_toolkits: Names of the toolkits that the room itself offers.
    """

    def __init__(
        self,
        live: LiveRoom,
        runs: Runs,
        log: DeveloperLog,
        *,
        mint: Mint,
        has_schema: Callable[[str], bool],
        built_in_toolkits: Collection[str],
        caller: Caller | None,
    ) -> None:
        self._live = live
        self._runs = runs
        self._log = log
        self._mint = mint
        self._has_schema = has_schema
        self._built_in_toolkits = built_in_toolkits
        self._caller = caller
        self._asks: dict[str, _Ask] = {}

    def requests(self) -> Handlers:
        """Handlers by request name."""
        return {
            "agent.register_agent": self._register,
            "agent.unregister_agent": self._unregister,
            "agent.list_agents": self._list,
            "agent.ask": self._ask,
            "agent.call": self._call,
            "room.call": self._call,
        }

    def ask_response(self, agent: Peer, message: Message) -> None:
        """Take an agent's answer.  One-way."""
        ask = self._asks.get(str(message.header.get("task_id")))
        if ask is None or ask.agent is not agent:
            return  # the asker has gone, or the agent answered twice
        del self._asks[str(message.header.get("task_id"))]
        error, code = message.header.get("error"), message.header.get("error_code")
        if error is not None:
            self._runs.end(ask.run, ask.request.peer, error=str(error))
            ask.request.answer(ErrorContent(str(error), code if type(code) is int else CODE_FAILED))
        else:
            answer = {"type": "json", "json": message.header.get("answer")}
            self._runs.end(ask.run, ask.request.peer, result=answer)
            ask.request.answer(JsonContent({"answer": message.header.get("answer")}))

    def leave(self, peer: Peer) -> None:
        """Fail what was asked of a participant that has gone, forget what it asked."""
        for task_id, ask in list(self._asks.items()):
            if ask.agent is peer:
                del self._asks[task_id]
                gone = NotFound(f"agent {ask.agent_name!r} has left the room")
                self._runs.end(ask.run, ask.request.peer, error=str(gone))
                ask.request.answer(error_content(gone))
            elif ask.request.peer is peer:
                self._cancel(task_id, "whoever asked has left the room")

    def cancel(self, asker: Peer, request_id: object) -> None:
        """The asker does not wait for the answer any more."""
        for task_id, ask in list(self._asks.items()):
            if ask.request.peer is asker and ask.request.id == request_id:
                self._cancel(task_id, "whoever asked does not wait any more")

    def _cancel(self, task_id: str, why: str) -> None:
        ask = self._asks.pop(task_id)
        self._runs.end(ask.run, ask.request.peer, error=why)
        if ask.is_cancellable:
            ask.agent.push("agent.cancel_task", {"task_id": task_id, "reason": why})

    def _register(self, request: Request) -> Outcome:
        if not request.peer.participant.claims.allows_agents("register_agent"):
            raise PermissionDenied("the token does not allow registering agents")
        name = request.optional_text("name") or request.peer.participant.name
        agent = self._live.registry.add_agent(request.peer.id, name, request.arguments)
        return JsonContent({"id": agent.id})

    def _unregister(self, request: Request) -> Outcome:
        self._live.registry.remove(request.peer.id, request.text("id"))
        return EmptyContent()

    def _list(self, request: Request) -> Outcome:
        if not request.peer.participant.claims.allows_agents("use_agents"):
            raise PermissionDenied("the token does not allow using agents")
        return JsonContent({"agents": self._live.registry.agents()})

    def _ask(self, request: Request) -> Outcome:
        asker = request.peer
        if not asker.participant.claims.allows_agents("use_agents"):
            raise PermissionDenied("the token does not allow using agents")
        agent = self._live.registry.agent(request.text("agent"))
        if sum(1 for ask in self._asks.values() if ask.request.peer is asker) >= (
            self._live.limits.max_pending_requests
        ):
            raise RoomFull(f"more than {self._live.limits.max_pending_requests} questions in progress")
        host, task_id = self._live.peers[agent.owner], str(uuid.uuid4())
        header: dict[str, Any] = {
            "task_id": task_id,
            "arguments": request.arguments.get("arguments") or {},
            "caller_id": asker.id,
            "toolkits": self._toolkits(request, asker.id) if agent.description.get("supports_tools") else [],
        }
        on_behalf_of = request.optional_text("on_behalf_of_id")
        if on_behalf_of is not None:
            header["on_behalf_of_id"] = on_behalf_of
        is_cancellable = agent.description.get("cancellable") is True
        run = self._runs.begin("task", asker, host, name=agent.name, input=header["arguments"])
        self._asks[task_id] = _Ask(request, host, agent.name, run, is_cancellable)
        host.push("agent.ask", header, request.data)
        request.remembered()
        return None

    def _toolkits(self, request: Request, asker: ParticipantId) -> list[dict[str, Any]]:
        requires = request.arguments.get("requires")
        wanted = {
            requirement if isinstance(requirement, str) else requirement.get("name")
            for requirement in (requires if isinstance(requires, list) else [])
            if isinstance(requirement, str | dict)
        }
        keys = ("title", "description", "input_schema", "defs")
        return [
            {
                "name": name,
                "title": toolkit["title"],
                "description": toolkit["description"],
                "thumbnail_url": toolkit["thumbnail_url"],
                "tools": [
                    {"name": tool, **{key: described[key] for key in keys}}
                    for tool, described in toolkit["tools"].items()
                ],
            }
            for name, toolkit in self._live.registry.listing(participant_id=asker).items()
            if name in wanted
        ]

    async def _call(self, request: Request) -> Outcome:
        claims = request.peer.participant.claims
        if not claims.allows_agents("call"):
            raise PermissionDenied("the token does not allow calling agents in")
        url, name = request.text("url"), request.text("name")
        parts = urlsplit(url)
        if parts.netloc == BUILT_IN_HOST:
            kind, _, wanted = parts.path.strip("/").partition("/")
            if (kind == "schemas" and self._has_schema(wanted)) or (
                kind == "toolkits" and wanted in self._built_in_toolkits
            ):
                return EmptyContent()
            if kind == "schemas":
                raise NotFound(f"no built-in schema {wanted!r}")
            if kind == "toolkits":
                # It may come yet, as newer agents wait for it; without, each turn that needs it says so.
                self._log.tell(request.peer, "developer.warning", _missing(claims.name, wanted))
                return EmptyContent()
        if self._caller is None:
            raise NotSupported(f"not supported by this server: {request.name}")
        self._live.need_free_name(name, request.peer)
        # Whom a service calls in is there for the service.
        scope = narrowed(claims, request.optional_object("api"), name=name)
        token = self._mint(name, scope, service=claims.service)
        arguments = request.optional_object("arguments") or {}
        await self._caller.call(
            url=url,
            room=self._live.name,
            name=name,
            arguments=arguments,
            token=token,
            only_here=claims.is_inward,
        )
        return EmptyContent()


def _missing(name: str, toolkit: str) -> dict[str, Any]:
    return {
        "message": f"{name} requires the toolkit {toolkit[:200]!r}, which nobody offers here yet",
        "extra": {"toolkit": toolkit[:200]},
    }
