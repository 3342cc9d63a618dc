"""A room connection that is somebody else's websocket: its packets come and go over the worker's pipe."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

from runtime.errors import ChannelClosed, RoomLost
from runtime.wire import control

_MAX_WAITING_BYTES = 64 << 20


class RelayTransport:
    """The worker's end of a relayed connection; a `runtime.sdk.room.client.Transport`."""

    def __init__(self, send: Callable[[Any], None], drain: Callable[[], Awaitable[None]]) -> None:
        self._send = send
        self._drain = drain
        self._waiting: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._news = asyncio.Event()
        self._over = False

    def arrived(self, packet: bytes) -> None:
        """Called for each packet of the caller."""
        if self._over:
            return
        self._waiting.append(packet)
        self._waiting_bytes += len(packet)
        if self._waiting_bytes > _MAX_WAITING_BYTES:
            self.ended()  # an agent that takes no packets cannot stay in the room
        self._news.set()

    def ended(self) -> None:
        """Called when the caller's socket is closed."""
        self._over = True
        self._news.set()

    async def receive(self) -> bytes | None:
        while not self._waiting:
            if self._over:
                return None
            self._news.clear()
            await self._news.wait()
        packet = self._waiting.popleft()
        self._waiting_bytes -= len(packet)
        return packet

    async def send(self, packet: bytes) -> None:
        if self._over:
            raise RoomLost("the caller's socket is closed")
        try:
            self._send(control.Packet(packet))
            await self._drain()
        except ChannelClosed as error:
            raise RoomLost("the front is gone") from error

    async def close(self) -> None:
        if not self._over:
            self._over = True
            self._news.set()
            try:
                self._send(control.RelayClosed())
            except ChannelClosed:
                pass  # then the socket is closed, too
