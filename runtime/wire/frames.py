"""Length-prefixed frames on a byte stream: four bytes of length, big-endian, then that many bytes."""

from __future__ import annotations

import struct
from collections.abc import MutableSequence
from typing import ClassVar, Final

from runtime.errors import LocalProtocolError, RemoteProtocolError

_HEADER = struct.Struct(">I")
HEADER_BYTES = _HEADER.size
MAX_UNFINISHED_BYTES: Final = 256 << 20
_SMALL_BYTES: Final = 64 << 10  # so much of an incomplete frame is not worth counting


def encode_frame(payload: bytes, *, max_frame_bytes: int) -> bytes:
    """Put a payload into a frame.

    Raises:
        LocalProtocolError: The payload is larger than the receiver will take.
    """
    if len(payload) > max_frame_bytes:
        raise LocalProtocolError(
            f"a frame of {len(payload)} bytes is over the limit of {max_frame_bytes}",
            cure="Send it in smaller pieces, or raise supervisor.max_frame_bytes.",
        )
    return _HEADER.pack(len(payload)) + payload


class FrameDecoder:
    """Cut a byte stream back into payloads, however the stream was split on its way.

    Holds at most one incomplete frame, so at most ``max_frame_bytes`` and one read; and all decoders of a
    process together `MAX_UNFINISHED_BYTES`, above which none may have more than its share.  After an error
    the stream has no frame boundaries any more: the decoder stays broken and raises again.
    """

    all_bytes: ClassVar[int] = 0
    all_count: ClassVar[int] = 0
    _counted_bytes = 0

    def __init__(self, *, max_frame_bytes: int) -> None:
        self._max_frame_bytes = max_frame_bytes
        self._buffer = bytearray()
        self._broken: str | None = None

    def feed(self, data: bytes, payloads: MutableSequence[bytes]) -> None:
        """Take what was read, and add the payloads that it completes to `payloads`, in order.

        Raises:
            RemoteProtocolError: The peer announces a frame over the limit, or holds too much of what all may;
                what it completed before that was added.
        """
        if self._broken:
            raise RemoteProtocolError(self._broken)
        buffer = self._buffer
        buffer += data
        start = 0
        while len(buffer) - start >= HEADER_BYTES:
            (length,) = _HEADER.unpack_from(buffer, start)
            if length > self._max_frame_bytes:
                self._broken = (
                    f"a frame of {length} bytes was announced; the limit is {self._max_frame_bytes}"
                )
                buffer.clear()
                self._count(0)
                raise RemoteProtocolError(self._broken)
            end = start + HEADER_BYTES + length
            if len(buffer) < end:
                break
            payloads.append(bytes(buffer[start + HEADER_BYTES : end]))
            start = end
        if start:
            del buffer[:start]
        if self._counted_bytes or len(buffer) > _SMALL_BYTES:
            self._count(len(buffer))
            everybody = FrameDecoder
            share_bytes = MAX_UNFINISHED_BYTES / max(1, everybody.all_count)
            if everybody.all_bytes > MAX_UNFINISHED_BYTES and len(buffer) > share_bytes:
                self._broken = "its frame is not finished, and all of those together have grown too large"
                buffer.clear()
                self._count(0)
                raise RemoteProtocolError(self._broken)

    def _count(self, held_bytes: int) -> None:
        held_bytes = held_bytes if held_bytes > _SMALL_BYTES else 0
        everybody = FrameDecoder
        everybody.all_bytes += held_bytes - self._counted_bytes
        everybody.all_count += bool(held_bytes) - bool(self._counted_bytes)
        self._counted_bytes = held_bytes

    def __del__(self) -> None:
        self._count(0)  # its stream is gone

    @property
    def pending_bytes(self) -> int:
        """Bytes of an incomplete frame; not zero at the end of a stream means that it was cut."""
        return len(self._buffer)
