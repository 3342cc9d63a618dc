"""A room connection over the worker's pipe: a caller's websocket, or the front's own way into the room."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Final

from runtime.errors import ChannelClosed, RoomError, RoomLost, RoomRefused, RoomUnreachable
from runtime.wire import by_pipe, control

_MAX_WAITING_BYTES: Final = 64 << 20
_ERRORS: Final[dict[str, type[RoomError]]] = {
    error.code: error for error in (RoomLost, RoomRefused, RoomUnreachable)
}


class RelayTransport:
    """The worker's end of such a connection; a `runtime.sdk.room.client.Transport`.

    Attributes:
        error: Why it ended; None while it lives, and where it was closed properly.
    """

    def __init__(self, send: Callable[[Any], None], drain: Callable[[], Awaitable[None]]) -> None:
        self._send = send
        self._drain = drain
        self._waiting: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._news = asyncio.Event()
        self._over = False
        self.error: RoomError | None = None

    def arrived(self, packet: bytes) -> None:
        """Called for each packet of the room."""
        if self._over:
            return
        self._waiting.append(packet)
        self._waiting_bytes += len(packet)
        if self._waiting_bytes > _MAX_WAITING_BYTES:
            self.ended()  # an agent that takes no packets cannot stay in the room
        self._news.set()

    def ended(self, said: control.RelayClosed | None = None) -> None:
        """Called when the connection is closed at its other end."""
        if said is not None and said.code and not self._over:
            self.error = _ERRORS.get(said.code, RoomLost)(said.message, cure=said.cure)
        self._over = True
        self._news.set()

    async def dial(self) -> None:
        """Have the front enter the room, and return when the room says something.

        Raises:
            RoomError: It refuses, is not there, or the front is gone.
        """
        try:
            self._send(by_pipe.Dial())
        except ChannelClosed as error:
            raise RoomLost("the front is gone") from error
        while not self._waiting and not self._over:
            self._news.clear()
            await self._news.wait()
        if not self._waiting and self.error is not None:
            raise self.error

    async def receive(self) -> bytes | None:
        while not self._waiting:
            if self._over:
                if self.error is not None:
                    raise self.error
                return None
            self._news.clear()
            await self._news.wait()
        packet = self._waiting.popleft()
        self._waiting_bytes -= len(packet)
        return packet

    async def send(self, packet: bytes) -> None:
        if self._over:
            raise self.error or RoomLost("the room's connection is closed")
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
                pass  # then the connection is closed, too


class RelayProtocol:
    """A room that the front enters for us; a `runtime.sdk.room.client.ClientProtocol`.

    Args:
        url: Where the room is, to be told; nothing is dialled there.
        token: What the front enters with, to be told as well.
    """

    def __init__(self, relay: RelayTransport, *, url: str, token: str) -> None:
        self._relay = relay
        self.url, self.token = url, token

    async def open(self, *, timeout_s: float) -> RelayTransport:
        """Enter.  Raises RoomUnreachable or RoomRefused, also when there is no answer in time."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._relay.dial()
        except TimeoutError as error:
            raise RoomUnreachable(
                f"the room at {self.url} did not answer within {timeout_s:g} s",
                cure="check that its server is running and that this machine may reach it",
            ) from error
        return self._relay
