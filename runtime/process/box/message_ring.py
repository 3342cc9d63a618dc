"""The last messages between a session and its room: kinds, sizes and times, kept in the worker's box.

They lie in shared memory because they must be there when the process was killed in the middle of one, and
because writing them must cost next to nothing: about a microsecond a packet, no message, no wake-up of the
front.  What is in a message is not kept.  The worker writes, the front reads; what it reads may be anything,
for a worker can write into its box what it likes.
"""

from __future__ import annotations

import mmap
import re
import struct
import time
from typing import Final

from runtime.session.info import MessageSeen

RING_BYTES: Final = 3584
KEPT: Final = 28
"""For each direction, so that a long answer does not push out the question."""

IN: Final = 0
OUT: Final = 1
_DIRECTIONS: Final = ("in", "out")

# Nanoseconds since the epoch of the last of them, bytes of all, how many, length of the kind, the kind.
_ENTRY: Final = struct.Struct("<QQIB43s")
_KIND_BYTES: Final = 43
_HEADER_PACKET: Final = b"\0\0\0\0"
_TYPE_AT: Final = 16
_JSON_AT: Final = 20
_SCANNED_BYTES: Final = 600
_MAX_WALL_NS: Final = 32_503_680_000 * 10**9  # the year 3000: what a text of a time can still say

# A word of the message's header that says what kind it is, where only plain values stand before it.
_PLAIN: Final = rb'\{\s*(?:"[a-z_]{1,40}"\s*:\s*(?:"[^"\\]{0,200}"|null|true|false|[0-9.]{1,30})\s*,\s*){0,6}'
_WORDS: Final = {
    word: re.compile(_PLAIN + rb'"' + word.encode() + rb'"\s*:\s*"([A-Za-z0-9_.:-]{1,40})"')
    for word in ("type", "tool")
}
_WORD_OF: Final = {
    b"messaging.send": _WORDS["type"],
    b"messaging.broadcast": _WORDS["type"],
    b"agent.invoke_tool": _WORDS["tool"],
    b"room.invoke_tool": _WORDS["tool"],
}


class MessageRing:
    """Several messages of a kind in a row count as one entry.  The same class at both ends.

    Args:
        memory: The box.
        at: Where in it the ring lies; `RING_BYTES` are its own.
    """

    def __init__(self, memory: mmap.mmap, at: int) -> None:
        self._memory, self._at = memory, at
        self._written = [0, 0]
        self._count = [0, 0]
        self._size = [0, 0]
        self._kind = [b"", b""]
        self._opening = [b"", b""]  # the type of a message whose first data packet is still to come
        self._opened = [0, 0]  # bytes of its header packet
        self._newest = -1

    def note(self, direction: int, packet: bytes | bytearray) -> None:
        """Worker: a packet of the room protocol came (`IN`) or went (`OUT`)."""
        if packet[8:12] != _HEADER_PACKET:
            opening = self._opening[direction]
            if opening:
                self._opening[direction] = b""
                found = _WORD_OF.get(opening)
                if found is not None and (word := found.match(packet, _JSON_AT, _SCANNED_BYTES)):
                    opening += b" " + word[1]
                self._message(direction, opening, self._opened[direction] + len(packet))
            else:
                self._more(direction, len(packet))
            return
        kind = bytes(packet[_TYPE_AT : _TYPE_AT + _KIND_BYTES]) or b"?"
        if packet[12:16] == _HEADER_PACKET:  # no data follows
            self._message(direction, kind, len(packet))
        else:
            self._opening[direction], self._opened[direction] = kind, len(packet)

    def last(self) -> list[MessageSeen]:
        """Front: what is remembered of both directions, oldest first."""
        found = []
        for direction, name in enumerate(_DIRECTIONS):
            for number in range(KEPT):
                at_ns, size, count, length, kind = _ENTRY.unpack_from(
                    self._memory, self._at + (direction * KEPT + number) * _ENTRY.size
                )
                if count and at_ns < _MAX_WALL_NS:
                    text = kind[:length].decode("utf-8", "replace")
                    shown = "".join(char if char.isprintable() else "?" for char in text)
                    found.append((at_ns, MessageSeen(at_ns / 1e9, name, shown, size, count)))
        return [seen for _, seen in sorted(found, key=lambda one: one[0])]

    def _message(self, direction: int, kind: bytes, size: int) -> None:
        kind = kind[:_KIND_BYTES]
        if self._newest == direction and self._kind[direction] == kind:
            self._count[direction] += 1
            self._size[direction] += size
        else:
            self._newest = direction
            self._kind[direction] = kind
            self._count[direction], self._size[direction] = 1, size
            self._written[direction] += 1
        self._write(direction)

    def _more(self, direction: int, size: int) -> None:
        if self._count[direction]:
            self._size[direction] += size
            self._write(direction)

    def _write(self, direction: int) -> None:
        slot = direction * KEPT + (self._written[direction] - 1) % KEPT
        kind = self._kind[direction]
        _ENTRY.pack_into(
            self._memory,
            self._at + slot * _ENTRY.size,
            time.time_ns(),
            self._size[direction],
            self._count[direction] & 0xFFFFFFFF,
            len(kind),
            kind,
        )
