"""A message channel on a connected socket: frames of msgpack, the same class at both ends.

Writing never blocks: messages are buffered and `drain` waits while the other side does not read, with
`max_buffer_bytes` as the bound for callers who do not wait.  Reading can be paused by the owner, which
stops the other side in turn.

What comes is handed over a few messages at a time, and whoever sends more, or what takes long to read, waits
as long as that took: one that floods has half of the loop at most.

What the other side wrote before its end lies in our socket and is not lost with it: `read_rest` takes it, and
so does a write that fails because nobody reads any more.
"""

from __future__ import annotations

import asyncio
import fcntl
import socket
import struct
import termios
from collections import deque
from collections.abc import Callable
from typing import Final, Generic, TypeVar, cast

import msgspec

from runtime.errors import ChannelClosed, ProtocolError
from runtime.wire import control
from runtime.wire.frames import FrameDecoder, encode_frame

M = TypeVar("M")
_READ_BYTES = 256 << 10
_REST_S = 2.0
_COUNT = struct.Struct("i")
_LONG_S: Final = 0.005
MESSAGES_PER_TURN: Final = 100


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
        self._sock: socket.socket | None = None
        self._error: ProtocolError | None = None
        self._ended = False
        self._unheard: deque[bytes] = deque()
        self._hearing: asyncio.TimerHandle | None = None
        self._is_paused = False
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
        channel._sock = sock
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
        self._is_paused = True
        self._flow()

    def resume_reading(self) -> None:
        self._is_paused = False
        self._flow()

    async def read_rest(self) -> None:
        """Hand over what the other side has written so far, also while reading is paused.

        Once its process has exited that is everything, its last word included.  A descendant that holds the
        pipe open and writes on does not prolong it: what lies there now is counted first, and others of the
        event loop come in between.
        """
        loop = asyncio.get_running_loop()
        left, until = self._unread_bytes(), loop.time() + _REST_S
        while count := self._read_once(left):
            left -= count
            await asyncio.sleep(0)
            if loop.time() > until:
                break
        while self._unheard and loop.time() < until:
            self._hand_over(MESSAGES_PER_TURN)
            await asyncio.sleep(0)
        if self._error is not None:
            await asyncio.sleep(0)  # for `on_end` to be told why

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

    def _unread_bytes(self) -> int:
        if self._sock is None or self._ended or self._error is not None or self._sock.fileno() < 0:
            return 0
        count = _COUNT.unpack(fcntl.ioctl(self._sock.fileno(), termios.FIONREAD, bytes(_COUNT.size)))[0]
        return int(count)

    def _read_once(self, most_bytes: int) -> int:
        # Behind the transport's back, which reads in the same loop and holds nothing back: the order stays.
        if self._sock is None or most_bytes <= 0 or self._error is not None or self._sock.fileno() < 0:
            return 0
        try:
            data = self._sock.recv(min(most_bytes, _READ_BYTES))
        except OSError:
            return 0
        if data:
            self.data_received(data)
        return len(data)

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Not asked by its class: other event loops have transports of their own.
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        try:
            self._frames.feed(data, self._unheard)
        except ProtocolError as error:
            self._hand_over(len(self._unheard))  # it was said before
            if self._error is None:
                self._fail(error)
        if self._hearing is None:
            self._hear()

    def _hear(self) -> None:
        """Hand over some of what came; the rest when as much time has passed again."""
        self._hearing = None
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            self._hand_over(MESSAGES_PER_TURN)
        finally:
            spent_s = loop.time() - began
            if self._unheard or spent_s > _LONG_S:
                self._hearing = loop.call_later(spent_s, self._hear)
            self._flow()

    def _hand_over(self, most: int) -> None:
        try:
            while self._unheard and most:
                most -= 1
                self._on_message(control.decode(self._decoder, self._unheard.popleft()))
        except ProtocolError as error:
            self._fail(error)

    def _fail(self, error: ProtocolError) -> None:
        self._error = error
        self._unheard.clear()
        self.abort()

    def _flow(self) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        if self._is_paused or self._hearing is not None:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._ended:
            return
        if exc is not None:  # a write failed: what came before that is still to be read
            left = self._unread_bytes()
            while count := self._read_once(left):
                left -= count
        try:
            self._hand_over(len(self._unheard))
        finally:
            if self._hearing is not None:
                self._hearing.cancel()
            self._ended = True
            self._writable.set()
            self._on_end(self._error)
