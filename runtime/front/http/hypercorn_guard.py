"""Hypercorn's side of a connection, made to bear whatever a peer does before we see it.

A connection that its peer has closed is closed; Hypercorn's own is held until its keep-alive is over.  A
handshake that cannot be read is answered with 400; Hypercorn's own fails, with a traceback and no answer.
And a message whose frames never end lies in memory before any of our bounds knows of it: all of those have
one together.  What a proxy and we could read differently is refused: behind one, it would be somebody else's
request, or one that the proxy never saw.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Iterable
from typing import Any, ClassVar, Final

import h11 as parsing
from hypercorn import protocol
from hypercorn.asyncio import run
from hypercorn.asyncio.tcp_server import TCPServer
from hypercorn.asyncio.worker_context import AsyncioSingleTask
from hypercorn.events import Closed, RawData, Updated
from hypercorn.events import Event as ConnectionEvent
from hypercorn.protocol import h11, ws_stream
from hypercorn.protocol.events import Event, StreamClosed
from wsproto.events import Message
from wsproto.extensions import PerMessageDeflate
from wsproto.handshake import server_extensions_handshake

MAX_UNFINISHED_BYTES: Final = 64 << 20
"""Of all messages whose last frame has not come; above it, none may have more than its share."""
NEAR: Final = b"bulkhead-near"
_FORWARDED: Final = frozenset((b"forwarded", b"x-forwarded-for", b"x-real-ip"))
_READ: Final = frozenset(
    {b"connection", b"upgrade"}
    | {b"sec-websocket-" + part for part in (b"extensions", b"key", b"protocol", b"version")}
)


class Connections:
    """The connections of one listener."""

    def __init__(self) -> None:
        self.open: set[Connection] = set()
        self.is_ending = False

    def end(self) -> None:
        """Close those on which nothing is asked, each of the others when it is answered."""
        self.is_ending = True
        for one in tuple(self.open):
            one.end_if_idle()


class Connection(TCPServer):
    """One that does not wait for another request of a peer that is gone.

    Hypercorn's own begins and cancels a task at every request for the pause that follows, a tenth of what a
    short request costs; this one has a timer, which is left alone while requests come and go.
    """

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.idle_task = _NoTask()
        config: Any = self.config
        self._all: Connections = config.connections
        self._idle_until: float | None = None
        self._timer: asyncio.TimerHandle | None = None

    async def run(self) -> None:
        """See `TCPServer`."""
        self._all.open.add(self)
        self._pause()
        try:
            await super().run()
        finally:
            self._all.open.discard(self)

    async def protocol_send(self, event: ConnectionEvent) -> None:
        """See `TCPServer`."""
        if not isinstance(event, Updated):
            await super().protocol_send(event)
        elif not event.idle:
            self._idle_until = None
        elif not self.reader.at_eof():
            self._pause()

    def end_if_idle(self) -> None:
        """Close it when nothing is asked just now."""
        if self._idle_until is not None:
            self._task_group.spawn(self._initiate_server_close)

    async def _close(self) -> None:
        self._idle_until = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        await super()._close()

    def _pause(self) -> None:
        self._idle_until = self.loop.time() + self.config.keep_alive_timeout
        if self._all.is_ending:
            self.loop.call_soon(self.end_if_idle)
        elif self._timer is None:
            self._timer = self.loop.call_at(self._idle_until, self._look)

    def _look(self) -> None:
        self._timer = None
        if self._idle_until is None:
            return
        if self._idle_until > self.loop.time():
            self._timer = self.loop.call_at(self._idle_until, self._look)
        else:
            self.end_if_idle()


class _NoTask(AsyncioSingleTask):
    """Stands where `TCPServer` keeps the task that it has for a pause."""

    async def restart(self, task_group: Any, action: Any) -> None:
        return None

    async def stop(self) -> None:
        return None


class Requests(h11.H11Protocol):
    """A connection of HTTP/1.1 that stays one, and on which it is sure where a request ends.

    Who is upgraded to HTTP/2 by way of a proxy that passes upgrades on, for websockets, sends what that does
    not see from then on: to any path, as if from here.  And of one connection of it, that begins thousands of
    requests and takes them back, the loop hears nothing else for seconds.  Browsers speak it by TLS alone,
    which is a proxy's business, and proxies speak HTTP/1.1 to us.

    The head of an answer waits for what follows it in the same turn of the loop: a short one is one packet.
    """

    _head = b""

    async def _check_protocol(self, event: parsing.Request) -> None:
        pass

    async def _send_h11_event(self, event: Any) -> None:
        try:
            data = self.connection.send(event) or b""
        except parsing.LocalProtocolError:
            if self.connection.their_state != parsing.ERROR:
                raise
            return
        if isinstance(event, parsing.Response):
            self._head += data
            asyncio.get_running_loop().call_soon(self._send_late)
        else:
            await self._send_head(data)

    async def _send_head(self, data: bytes = b"") -> None:
        data, self._head = self._head + data, b""
        if data:
            await self.send(RawData(data))

    def _send_late(self) -> None:
        if self._head:
            self.task_group.spawn(self._send_head)

    async def stream_send(self, event: Event) -> None:
        """See `h11.H11Protocol`."""
        if isinstance(event, StreamClosed):
            await self._send_head()
        await super().stream_send(event)

    async def _create_stream(self, request: parsing.Request) -> None:
        names = {name for name, _ in request.headers}
        # With a length as well, or in HTTP/1.0, which has no chunks, others read another end.
        is_ambiguous = b"transfer-encoding" in names and (
            b"content-length" in names or request.http_version == b"1.0"
        )
        if is_ambiguous or request.http_version == b"2.0":
            await self._send_error_response(400 if is_ambiguous else 505)
            await self.send(Closed())
        else:
            await super()._create_stream(request)


class Handshake(ws_stream.Handshake):
    """One that is not valid where it cannot be read."""

    def __init__(self, headers: Iterable[tuple[bytes, bytes]], http_version: str) -> None:
        given = [(name, value) for name, value in headers if name.lower() in _READ]
        self._is_readable = all(value.isascii() for _, value in given)
        super().__init__(given if self._is_readable else [], http_version)

    def is_valid(self) -> bool:
        return self._is_readable and super().is_valid() and self._fits()

    def _fits(self) -> bool:
        try:
            server_extensions_handshake(self.extensions or [], [PerMessageDeflate()])
        except Exception:  # noqa: BLE001 - what it trips over was written by the peer
            return False
        return True


class UnfinishedMessage(ws_stream.WebsocketBuffer):
    """The frames of one message so far, counted among those of all connections."""

    all_bytes: ClassVar[int] = 0
    all_count: ClassVar[int] = 0
    _counted_bytes = 0

    def extend(self, event: Message[Any]) -> None:
        """Take a frame.

        Raises:
            FrameTooLargeError: The message is too large, or larger than its share when there are too many.
        """
        try:
            super().extend(event)
        finally:
            self._count(self.length)
        everybody = UnfinishedMessage
        share_bytes = MAX_UNFINISHED_BYTES / max(1, everybody.all_count)
        if everybody.all_bytes > MAX_UNFINISHED_BYTES and self.length > share_bytes:
            self.clear()
            raise ws_stream.FrameTooLargeError

    def clear(self) -> None:
        """It is whole, or of no use."""
        super().clear()
        self._count(0)

    def __del__(self) -> None:
        self._count(0)  # its connection is gone, and told nobody

    def _count(self, held_bytes: int) -> None:
        everybody = UnfinishedMessage
        everybody.all_bytes += held_bytes - self._counted_bytes
        everybody.all_count += bool(held_bytes) - bool(self._counted_bytes)
        self._counted_bytes = held_bytes


class Stream(ws_stream.WSStream):
    """One that keeps nothing once its connection is gone: its pings keep it alive for a while.

    A peer that says so and is on this machine gets none: its end is told by the kernel, and thousands of idle
    sessions would be woken for nothing.
    """

    async def _send_pings(self) -> None:
        if not self._is_near():
            await super()._send_pings()

    def _is_near(self) -> bool:
        names = {name for name, _ in self.scope["headers"]}
        if self.client is None or NEAR not in names or not names.isdisjoint(_FORWARDED):
            return False
        try:
            return ipaddress.ip_address(self.client[0]).is_loopback
        except ValueError:
            return False

    async def handle(self, event: Event) -> None:
        await super().handle(event)
        if isinstance(event, StreamClosed):
            self.buffer.clear()


def install() -> None:
    """Have Hypercorn use these for every connection of this process."""
    for module, name, guarded in (
        (run, "TCPServer", Connection),
        (protocol, "H11Protocol", Requests),
        (ws_stream, "Handshake", Handshake),
        (ws_stream, "WebsocketBuffer", UnfinishedMessage),
        (h11, "WSStream", Stream),
    ):
        setattr(module, name, guarded)
