"""The front and the room of a rehearsal: just enough of both for a session to be started, joined and stopped.

Both are one event loop with the session that rehearses, and reach it as the real ones do: over the worker's
control pipe, and over a websocket of this machine.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, Final, cast

from runtime.errors import ChannelClosed, ProtocolError
from runtime.process.channel import Channel
from runtime.process.plumbing import Box, WorkerEnds
from runtime.wire import by_pipe, control
from runtime.wire.room import Message, encode

LONGEST_S: Final = 2.0
"""Of one rehearsal.  A part of it that is refused or hangs makes later sessions slower, not worse."""

_ACCEPT: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, section 1.3
_KEY: Final = re.compile(rb"sec-websocket-key: *([^\r]+)", re.IGNORECASE)
_BINARY, _CLOSE = 0x82, 0x88
_MAX_FRAME_BYTES: Final = 1 << 20

RunWorker = Callable[[WorkerEnds], Coroutine[Any, Any, int]]


class _Room(asyncio.Protocol):
    """A websocket that lets everybody in, says nothing more, and goes when it is told to."""

    def __init__(self) -> None:
        self._request = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if self._request.endswith(b"\r\n\r\n"):
            if data[0] == _CLOSE:
                self._transport.write(bytes((_CLOSE, 2)) + (1000).to_bytes(2, "big"))
                self._transport.close()
            return
        self._request += data
        key = _KEY.search(self._request)
        if not self._request.endswith(b"\r\n\r\n") or key is None:
            return
        accept = base64.b64encode(hashlib.sha1(key[1].strip() + _ACCEPT).digest())
        self._transport.write(
            b"HTTP/1.1 101 \r\nupgrade: WebSocket\r\nconnection: Upgrade\r\nsec-websocket-accept: %s\r\n\r\n"
            % accept
        )
        for packet in _greeting():
            self._transport.write(bytes((_BINARY, 126)) + len(packet).to_bytes(2, "big") + packet)


def _greeting() -> list[bytes]:
    ready = Message(0, "room_ready", {"room_name": "", "room_url": "", "session_id": ""})
    header = {"type": "init", "participantId": "", "attributes": {"name": ""}}
    return [packet for message in (ready, Message(1, "connected", header)) for packet in encode(message)]


@asynccontextmanager
async def room() -> AsyncIterator[str]:
    """The address of a room of this machine.  Raises OSError where there is no loopback."""
    server = await asyncio.get_running_loop().create_server(_Room, "127.0.0.1", 0)
    try:
        port = server.sockets[0].getsockname()[1]
        yield f"ws://127.0.0.1:{port}/rooms/-"
    finally:
        server.close()


class Front:
    """Calls a session into a room and, once it is there, asks it to stop."""

    def __init__(self, start: control.Start) -> None:
        self._start = start
        self._channel: Channel[control.FromWorker] | None = None

    async def call(self, run: RunWorker) -> None:
        """Have one worker live its whole life; returns when it has ended."""
        ours, theirs = socket.socketpair()
        box = Box.create()
        # The worker closes its end of the pipe by its number, as it does in its own process.
        worker = asyncio.create_task(run(WorkerEnds(theirs.detach(), -1, -1, box.fd)))
        try:
            self._channel = await Channel.open(
                ours, control.from_worker, self._heard, self._ended, max_frame_bytes=_MAX_FRAME_BYTES
            )
            await worker
        finally:
            worker.cancel()
            if self._channel is not None:
                self._channel.abort()
            await asyncio.sleep(0)
            ours.close()
            box.close()

    def _heard(self, message: control.FromWorker) -> None:
        assert self._channel is not None
        try:
            match message:
                case control.Hello():
                    self._channel.send(self._start)
                case by_pipe.Dial():
                    for packet in _greeting():
                        self._channel.send(control.Packet(packet))
                case control.ReadyNow():
                    self._channel.send(control.Ping(0))
                case control.Pong():
                    self._channel.send(control.Stop("", 1.0))
        except ChannelClosed:
            pass

    def _ended(self, error: ProtocolError | None) -> None:
        pass
