"""What waits to be written to a room: ordered, bounded, one writer."""

from __future__ import annotations

import asyncio
from collections import deque

from runtime.errors import RoomFull, RoomLost
from runtime.sdk.room.room_exception import RoomException
from runtime.sdk.room.transport import Transport
from runtime.wire.room import MAX_SENT_BYTES, Message, encode

MAX_WAITING_COUNT = 4096
MAX_WAITING_BYTES = 64 * 1024 * 1024


class Outbox:
    """Messages on their way out.

    Packets of two messages must not mix on a connection, so everybody puts whole messages here and
    one task, ``run``, writes them.  The bounds count what has not been handed to the transport yet; one
    message larger than the byte bound still passes when it is alone.

    Args:
        max_message_bytes: Payload of one message.  A room ends the connection of who sends a larger one.
    """

    def __init__(
        self,
        *,
        max_count: int = MAX_WAITING_COUNT,
        max_bytes: int = MAX_WAITING_BYTES,
        max_message_bytes: int = MAX_SENT_BYTES,
    ) -> None:
        self._waiting: deque[tuple[list[bytes], int]] = deque()
        self._waiting_bytes = 0
        self._max_count = max_count
        self._max_bytes = max_bytes
        self._max_message_bytes = max_message_bytes
        self._changed = asyncio.Event()
        self._space = asyncio.Event()
        self._closed = False

    def put_nowait(self, message: Message) -> None:
        """Queue a message.

        Raises:
            RoomFull: The room takes messages more slowly than we make them, and a bound is reached.
            RoomLost: The connection is closed.
            RoomException: The message is too large for a room.
            LocalProtocolError: The header is not JSON.
        """
        packets, size_bytes = self._encoded(message)
        if self._closed:
            raise RoomLost(f"{message.type!r} was not sent: the connection to the room is closed")
        if not self._fits(size_bytes):
            raise RoomFull(
                f"{message.type!r} was not sent: {len(self._waiting)} messages "
                f"({self._waiting_bytes} bytes) already wait for the room",
                cure="send less often, or await requests, which wait for their turn",
            )
        self._append(packets, size_bytes)

    async def put(self, message: Message) -> None:
        """Queue a message, waiting for space if there is none.

        Raises:
            RoomLost: The connection ended.
            RoomException: The message is too large for a room.
            LocalProtocolError: The header is not JSON.
        """
        packets, size_bytes = self._encoded(message)
        while not self._closed and not self._fits(size_bytes):
            self._space.clear()
            await self._space.wait()
        if self._closed:
            raise RoomLost(f"{message.type!r} was not sent: the connection to the room is closed")
        self._append(packets, size_bytes)

    async def run(self, transport: Transport) -> None:
        """Write until closed and empty, or until the transport fails (RoomLost)."""
        while True:
            while self._waiting:
                packets, size_bytes = self._waiting.popleft()
                self._waiting_bytes -= size_bytes
                for packet in packets:
                    await transport.send(packet)
                self._space.set()
            if self._closed:
                return
            self._changed.clear()
            await self._changed.wait()

    def close(self) -> None:
        """Take no more messages; ``run`` returns once what waits is written."""
        self._closed = True
        self._changed.set()
        self._space.set()

    def _encoded(self, message: Message) -> tuple[list[bytes], int]:
        packets = encode(message)
        size_bytes = sum(map(len, packets))
        # Close to the bound the packets' own heads count; who comes that close is better refused too.
        if size_bytes > self._max_message_bytes:
            raise RoomException(
                f"{message.type!r} is too large: {size_bytes / 2**20:.1f} MiB, and a room takes "
                f"{self._max_message_bytes / 2**20:g} MiB in one message",
                cure="write it to room.storage and send its path",
            )
        return packets, size_bytes

    def _fits(self, size_bytes: int) -> bool:
        if not self._waiting:
            return True
        return len(self._waiting) < self._max_count and self._waiting_bytes + size_bytes <= self._max_bytes

    def _append(self, packets: list[bytes], size_bytes: int) -> None:
        self._waiting.append((packets, size_bytes))
        self._waiting_bytes += size_bytes
        self._changed.set()
