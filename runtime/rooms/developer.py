"""The room's developer log: written by anybody, seen by those who watch, kept by nobody."""

from __future__ import annotations

import json
from typing import Any

from runtime.errors import PermissionDenied
from runtime.rooms.connection import Peer
from runtime.rooms.request import Handlers, Outcome, Request
from runtime.rooms.streams import ServerStream
from runtime.wire.content import EmptyContent


class DeveloperLog:
    """Requests ``developer.*`` and the built-in toolkit ``developer``."""

    def __init__(self) -> None:
        self._watchers: dict[str, Peer] = {}
        self._streams: set[ServerStream] = set()

    def requests(self) -> Handlers:
        """The older dialect's names."""
        return {**self.tools(), "developer.watch": self._watch, "developer.unwatch": self._unwatch}

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

    def _log(self, request: Request) -> Outcome:
        data = request.arguments.get("data")
        self._tell(request.text("type"), data if isinstance(data, dict) else {"value": data})
        return EmptyContent()

    def _level(self, request: Request) -> Outcome:
        entry = {"message": request.arguments.get("message"), "extra": request.arguments.get("extra")}
        self._tell(request.name, entry)
        return EmptyContent()

    def _tell(self, kind: str, data: dict[str, Any]) -> None:
        for peer in self._watchers.values():
            peer.push("developer.log", {"type": kind, "data": data})
        if self._streams:
            raw = json.dumps(data).encode()
            for stream in self._streams:
                stream.send({"type": kind}, raw)

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
