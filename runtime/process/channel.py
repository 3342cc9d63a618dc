"""A message channel on a connected socket: frames of msgpack, the same class at both ends.

Writing never blocks: messages are buffered and `drain` waits while the other side does not read, with
`max_buffer_bytes` as the bound for callers who do not wait.  Reading can be paused by the owner, which
stops the other side in turn.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Generic, TypeVar, cast

import msgspec

from runtime.errors import ChannelClosed, ProtocolError
from runtime.wire import control
from runtime.wire.frames import FrameDecoder, encode_frame

M = TypeVar("M")


class Channel(asyncio.Protocol, Generic[M]):
    """One end of a control pipe.  Runs in: the event loop that opened it.

    Args:
        decoder: Reads the messages of the other side.
        on_message: Called for each, in order.
        on_end: Called once: with None when the other side closed, or with the protocol error that made
            us close.  Nothing is called after it.
    """

    def __init__(
        self,
        decoder: msgspec.msgpack.Decoder[M],
        on_message: Callable[[M], None],
        on_end: Callable[[ProtocolError | None], None],
        *,
        max_frame_bytes: int,
        max_buffer_bytes: int = 32 << 20,
    ) -> None:
        self._decoder = decoder
        self._on_message = on_message
        self._on_end = on_end
        self._frames = FrameDecoder(max_frame_bytes=max_frame_bytes)
        self._max_frame_bytes = max_frame_bytes
        self._max_buffer_bytes = max_buffer_bytes
        self._transport: asyncio.Transport | None = None
        self._error: ProtocolError | None = None
        self._ended = False
        self._writable = asyncio.Event()
        self._writable.set()

    @classmethod
    async def open(
        cls,
        sock: socket.socket,
        decoder: msgspec.msgpack.Decoder[M],
        on_message: Callable[[M], None],
        on_end: Callable[[ProtocolError | None], None],
        *,
        max_frame_bytes: int,
    ) -> Channel[M]:
        """Take over a connected stream socket."""
        sock.setblocking(False)
        channel = cls(decoder, on_message, on_end, max_frame_bytes=max_frame_bytes)
        await asyncio.get_running_loop().create_unix_connection(lambda: channel, sock=sock)
        return channel

    def send(self, message: msgspec.Struct) -> None:
        """Queue a message.

        Raises:
            ChannelClosed: The channel has ended, or the other side has not read for so long that the
                buffer is full; then it is closed.
            LocalProtocolError: The message is larger than a frame may be.
        """
        if self._transport is None or self._ended:
            raise ChannelClosed("the pipe is closed")
        frame = encode_frame(control.encode(message), max_frame_bytes=self._max_frame_bytes)
        if self._transport.get_write_buffer_size() + len(frame) > self._max_buffer_bytes:
            self._transport.abort()
            raise ChannelClosed("the pipe is full: the other side does not read")
        self._transport.write(frame)

    async def drain(self) -> None:
        """Wait until the other side has read enough for more to be sent."""
        await self._writable.wait()
        if self._ended:
            raise ChannelClosed("the pipe is closed")

    def pause_reading(self) -> None:
        """Take nothing more until `resume_reading`."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def close(self) -> None:
        """Send what is queued, then close."""
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Close at once."""
        if self._transport is not None:
            self._transport.abort()

    @property
    def ended(self) -> bool:
        return self._ended

    @property
    def waiting_bytes(self) -> int:
        """Bytes that were sent here and that the other side has not taken yet."""
        return 0 if self._transport is None else self._transport.get_write_buffer_size()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Not asked by its class: other event loops have transports of their own.
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        try:
            for payload in self._frames.feed(data):
                self._on_message(control.decode(self._decoder, payload))
        except ProtocolError as error:
            self._error = error
            self.abort()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._ended:
            return
        self._ended = True
        self._writable.set()
        self._on_end(self._error)
