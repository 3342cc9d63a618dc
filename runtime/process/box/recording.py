"""What others sent to a session last, with all that was in it: for `bulkhead replay`, where that is wanted.

Kept in the worker's box, so that it is there after a kill.  Two halves: the newer one is filled while the
older one is still whole, so that the last messages are there at any moment.  Only messages that a replay can
send again are kept: those of participants, and calls of tools.
"""

from __future__ import annotations

import os
import struct
from typing import Final

from runtime.errors import RemoteProtocolError
from runtime.wire.room import Assembler, Message

_HALF_BYTES: Final = 128 << 10
MAX_MESSAGE_BYTES: Final = 64 << 10
_HEAD: Final = struct.Struct("<BxxxII")  # which half is filled, bytes used of each
_LENGTH: Final = struct.Struct("<I")
RECORDING_BYTES: Final = _HEAD.size + 2 * _HALF_BYTES
_HEADER_PACKET: Final = b"\0\0\0\0"


class Recording:
    """The same class at both ends.

    Args:
        fd: The box.
        at: Where in it the recording lies; `RECORDING_BYTES` are its own.
    """

    def __init__(self, fd: int, at: int) -> None:
        self._fd, self._at = fd, at
        self._half = 0
        self._used = [0, 0]
        self._parts: list[bytes] = []
        self._size = 0
        self._missing = 0

    def add(self, packet: bytes | bytearray) -> None:
        """Worker: a packet came; whole messages are kept, before anybody handles them."""
        if packet[8:12] == _HEADER_PACKET:
            kind = bytes(packet[16:])
            is_wanted = kind == b"messaging.send" or b".tool_call." in kind
            self._missing = int.from_bytes(packet[12:16], "big") if is_wanted else 0
            self._parts, self._size = [], 0
        elif self._missing:
            self._missing -= 1
        else:
            return
        self._size += len(packet) + _LENGTH.size
        if self._size > MAX_MESSAGE_BYTES:
            self._missing = 0
            return
        self._parts.append(_LENGTH.pack(len(packet)) + packet)
        if len(self._parts) > 1 and not self._missing:
            self._keep(b"".join(self._parts))

    def messages(self) -> list[Message]:
        """Front: what was kept, oldest first; whatever makes no sense is left out."""
        half, *used = _HEAD.unpack(os.pread(self._fd, _HEAD.size, self._at))
        found: list[Message] = []
        for number in (1 - half, half) if half in (0, 1) else ():
            raw = os.pread(self._fd, min(used[number], _HALF_BYTES), self._place(number))
            assembler, at = Assembler(max_message_bytes=MAX_MESSAGE_BYTES), 0
            while at + _LENGTH.size <= len(raw):
                (length,) = _LENGTH.unpack_from(raw, at)
                at += _LENGTH.size + length
                try:
                    message = assembler.receive(raw[at - length : at])
                except RemoteProtocolError:
                    break
                if message is not None:
                    found.append(message)
        return found

    def _keep(self, message: bytes) -> None:
        if self._used[self._half] + len(message) > _HALF_BYTES:
            self._half = 1 - self._half
            self._used[self._half] = 0
        os.pwrite(self._fd, message, self._place(self._half) + self._used[self._half])
        self._used[self._half] += len(message)
        os.pwrite(self._fd, _HEAD.pack(self._half, *self._used), self._at)

    def _place(self, half: int) -> int:
        return self._at + _HEAD.size + half * _HALF_BYTES
