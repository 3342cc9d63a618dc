"""The developer log of a room."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

from runtime.errors import RoomError
from runtime.sdk.emitter import Emitter, Listener
from runtime.sdk.room.exchange import RoomExchange
from runtime.wire.room import Message

MAX_SENDING_COUNT = 256

_log = logging.getLogger("room.developer")


class DeveloperClient:
    """What ``room.developer`` is.  Event for ``on`` after ``enable``: ``log`` (type, data)."""

    def __init__(self, room: RoomExchange) -> None:
        self._room = room
        self._events = Emitter()
        self._sending: set[asyncio.Task[None]] = set()
        self.dropped_count = 0
        room.on_push("developer.log", self._logged)

    def on(self, event_name: str, func: Listener) -> None:
        """Listen to log entries."""
        self._events.on(event_name, func)

    def off(self, event_name: str, func: Listener) -> None:
        """Stop listening."""
        self._events.off(event_name, func)

    async def log(self, *, type: str, data: Mapping[str, Any]) -> None:
        """Write an entry."""
        await self._room.request("developer.log", {"type": type, "data": dict(data)})

    def log_nowait(self, *, type: str, data: Mapping[str, Any]) -> None:
        """Write an entry without waiting; dropped and counted when many are on their way already."""
        if len(self._sending) >= MAX_SENDING_COUNT:
            self.dropped_count += 1
            return
        task = asyncio.create_task(self.log(type=type, data=data), name="room:log")
        self._sending.add(task)
        task.add_done_callback(self._sent)

    async def info(self, message: str, *, extra: Mapping[str, Any] | None = None) -> None:
        """Write an entry of level info."""
        await self._entry("info", message, extra)

    async def warning(self, message: str, *, extra: Mapping[str, Any] | None = None) -> None:
        """Write an entry of level warning."""
        await self._entry("warning", message, extra)

    async def error(self, message: str, *, extra: Mapping[str, Any] | None = None) -> None:
        """Write an entry of level error."""
        await self._entry("error", message, extra)

    async def enable(self) -> None:
        """Begin to receive everybody's entries."""
        await self._room.request("developer.watch", {})

    async def disable(self) -> None:
        """Stop receiving them."""
        await self._room.request("developer.unwatch", {})

    async def cancel_listeners(self) -> None:
        """Called by the client when it leaves the room."""
        for task in list(self._sending):
            task.cancel()
        await self._events.cancel_all()

    async def _entry(self, level: str, message: str, extra: Mapping[str, Any] | None) -> None:
        await self._room.request(f"developer.{level}", {"message": message, "extra": dict(extra or {})})

    def _logged(self, push: Message) -> None:
        self._events.emit("log", type=push.header.get("type"), data=push.header.get("data"))

    def _sent(self, task: asyncio.Task[None]) -> None:
        self._sending.discard(task)
        if not task.cancelled() and isinstance(task.exception(), RoomError):
            _log.debug("a developer log entry was lost: %s", task.exception())
