"""The room's developer log: written by anybody, seen by those who watch, kept in the room's journal."""

from __future__ import annotations

import json
from typing import Any, Final

from runtime.errors import InvalidRequest, PermissionDenied
from runtime.rooms.connection import Peer
from runtime.rooms.developer.journal import MAX_GIVEN, Journal, Query, brief
from runtime.rooms.request import Handlers, Outcome, Request
from runtime.rooms.streams import ServerStream
from runtime.wire.content import EmptyContent, JsonContent

MAX_TOLD_BYTES = 32_000
OF_THE_ROOM: Final = "run."
"""How kinds of entries begin that are the room's own."""
SAID: Final = "said."


class DeveloperLog:
    """Requests ``developer.*`` and the built-in toolkit ``developer``."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._watchers: dict[str, Peer] = {}
        self._streams: set[ServerStream] = set()

    def requests(self) -> Handlers:
        """The older dialect's names."""
        return {
            **self.tools(),
            "developer.watch": self._watch,
            "developer.unwatch": self._unwatch,
            "developer.history": self._history,
            "developer.forget": self._forget,
        }

    def tools(self) -> Handlers:
        """The newer dialect's plain tools."""
        return {
            "developer.log": self._log,
            "developer.info": self._level,
            "developer.warning": self._level,
            "developer.error": self._level,
        }

    def leave(self, peer: Peer) -> None:
        """Stop telling a participant."""
        self._watchers.pop(peer.id, None)

    async def logs(self, stream: ServerStream) -> None:
        """Streamed tool: every entry as a chunk, until the watcher closes."""
        _check(stream.peer)
        stream.accept()
        self._streams.add(stream)
        try:
            while await stream.receive() is not None:
                pass
        finally:
            self._streams.discard(stream)

    def note(self, peer: Peer, kind: str, data: dict[str, Any]) -> None:
        """Write an entry of the room's own about what a participant did; watchers get no long values."""
        self._journal.add(kind, data, by=peer.participant.name, peer=peer.id)
        if self._watchers:
            told = brief(data, MAX_TOLD_BYTES)
            for watcher in self._watchers.values():
                watcher.push("developer.log", {"type": kind, "data": told})

    def announce(self, kind: str, data: dict[str, Any]) -> None:
        """Write an entry of the server's."""
        self._told(kind, data, by="", peer="")

    def _log(self, request: Request) -> Outcome:
        data = request.arguments.get("data")
        kind = request.text("type")
        if kind.startswith(OF_THE_ROOM):  # what the room itself notes is said by nobody else
            kind = f"{SAID}{kind}"
        self.tell(request.peer, kind, data if isinstance(data, dict) else {"value": data})
        return EmptyContent()

    def _level(self, request: Request) -> Outcome:
        entry = {"message": request.arguments.get("message"), "extra": request.arguments.get("extra")}
        self.tell(request.peer, request.name, entry)
        return EmptyContent()

    def tell(self, by: Peer, kind: str, data: dict[str, Any]) -> None:
        """Write an entry about, or by, a participant."""
        self._told(kind, data, by=by.participant.name, peer=by.id)

    def _told(self, kind: str, data: dict[str, Any], *, by: str, peer: str) -> None:
        self._journal.add(kind, data, by=by, peer=peer)
        for watcher in self._watchers.values():
            watcher.push("developer.log", {"type": kind, "data": data})
        if self._streams:
            raw = json.dumps(data).encode()
            for stream in self._streams:
                stream.send({"type": kind}, raw)

    async def _history(self, request: Request) -> Outcome:
        _check(request.peer)
        kinds, ids = request.arguments.get("types"), request.arguments.get("ids")
        limit, before = request.arguments.get("limit", MAX_GIVEN), request.arguments.get("before", 0)
        if type(limit) is not int or type(before) is not int or limit < 1:
            raise InvalidRequest(f"'limit' and 'before' of {request.name} must be numbers")
        query = Query(
            path=request.optional_text("path") or "",
            kinds=tuple(one for one in kinds if isinstance(one, str)) if isinstance(kinds, list) else (),
            ids=frozenset(one for one in ids if type(one) is int) if isinstance(ids, list) else frozenset(),
            before=before,
            limit=min(limit, MAX_GIVEN),
        )
        return JsonContent({"entries": await self._journal.read(query)})

    async def _forget(self, request: Request) -> Outcome:
        _check(request.peer)
        await self._journal.forget(request.text("path"))
        return EmptyContent()

    def _watch(self, request: Request) -> Outcome:
        _check(request.peer)
        self._watchers[request.peer.id] = request.peer
        return EmptyContent()

    def _unwatch(self, request: Request) -> Outcome:
        self._watchers.pop(request.peer.id, None)
        return EmptyContent()


def _check(peer: Peer) -> None:
    if not peer.participant.claims.allows_developer_logs():
        raise PermissionDenied("the token does not allow watching the developer log")
