"""Both ends of a room connection inside this process: the room's, and that of a session's pipe.

Each way holds a bounded number of bytes; whoever sends more waits.  So a session that does not read is cut
off by its room as on a socket, and a room that does not read stops the session's pipe.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final

MAX_HELD_BYTES: Final = 256 << 10
"""Of each way; one packet more, if that is larger."""

_KEEPING_BYTES: Final = 64
"""What a packet takes besides what is in it."""

NORMAL: Final = 1000


class Pair:
    """A connection without a socket.

    Attributes:
        room: What the room is given; a `runtime.rooms.connection.Connection`.
        code: What the room closed it with; None while it did not.
    """

    def __init__(self) -> None:
        self._up, self._down = _Way(), _Way()
        self.room = _RoomEnd(self)
        self.code: int | None = None

    async def receive(self) -> bytes | None:
        """The next packet for the session; None once nothing more comes."""
        return await self._down.get()

    async def send(self, packet: bytes) -> None:
        """Hand a packet of the session to the room; waits while the room does not read."""
        await self._up.put(packet)

    def close(self) -> None:
        """The session left: what it said is still read."""
        self._up.close()
        self._down.close()

    def closed_by_room(self, code: int) -> None:
        """The room closed it: what it said is still read."""
        if self.code is None:
            self.code = code
        self.close()


class _RoomEnd:
    def __init__(self, pair: Pair) -> None:
        self._pair = pair

    async def receive(self) -> bytes | None:
        return await self._pair._up.get()

    async def send(self, packet: bytes) -> None:
        await self._pair._down.put(packet)

    async def close(self, code: int = NORMAL) -> None:
        self._pair.closed_by_room(code)


class _Way:
    """Packets in one direction, for one who puts and one who takes."""

    def __init__(self) -> None:
        self._packets: deque[bytes] = deque()
        self._held_bytes = 0
        self._changed = asyncio.Event()
        self._is_closed = False

    async def put(self, packet: bytes) -> None:
        while self._held_bytes >= MAX_HELD_BYTES and not self._is_closed:
            await self._change()
        if not self._is_closed:
            self._packets.append(packet)
            self._held_bytes += len(packet) + _KEEPING_BYTES
            self._changed.set()

    async def get(self) -> bytes | None:
        while not self._packets:
            if self._is_closed:
                return None
            await self._change()
        packet = self._packets.popleft()
        self._held_bytes -= len(packet) + _KEEPING_BYTES
        self._changed.set()
        return packet

    def close(self) -> None:
        self._is_closed = True
        self._changed.set()

    async def _change(self) -> None:
        # One waits for a packet or the other for room, never both at once.
        self._changed.clear()
        await self._changed.wait()
