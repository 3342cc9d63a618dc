"""One upgraded websocket: what the room server needs of it, and the one writer that each has.

The writer keeps the packets of a message together and holds what the peer has not read yet up to a bound.
A peer that reads slower than that is cut off: nobody else ever waits for it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any, Protocol

from runtime.rooms.holdings import Held, Holdings
from runtime.rooms.limits import RoomLimits
from runtime.rooms.room import Participant, ParticipantId
from runtime.wire.content import Content, JsonContent
from runtime.wire.room import Message, encode


class Connection(Protocol):
    """An upgraded websocket that carries binary messages."""

    async def receive(self) -> bytes | None:
        """The next binary message, or None once the socket is closed."""
        ...

    async def send(self, packet: bytes) -> None:
        """Send one binary message; may wait for the peer to read."""
        ...

    async def close(self, code: int = 1000) -> None:
        """Close the socket; closing twice is harmless."""
        ...


class Outbox:
    """What waits to be sent on one connection.

    `put` never waits.  Once more than ``max_bytes`` wait, the outbox is broken: it takes nothing more, and
    `wait_closed` returns so that the connection is ended.

    Args:
        held: Counts what waits among what all connections hold.
    """

    def __init__(self, *, max_bytes: int, held: Held | None = None) -> None:
        self._max_bytes = max_bytes
        self._held = held
        self._packets: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._wake = asyncio.Event()
        self._sent = asyncio.Event()
        self._end = asyncio.Event()
        self._ids = 0
        self.closed = False
        self.overflowed = False

    @property
    def waiting_bytes(self) -> int:
        """Bytes taken and not yet sent."""
        return self._waiting_bytes

    def next_id(self) -> int:
        """A fresh message id of this connection."""
        self._ids += 1
        return self._ids

    def put(self, message: Message) -> None:
        """Queue a message behind the others; after the end it is dropped."""
        if self.closed:
            return
        packets = encode(message)
        self._wait(sum(map(len, packets)))
        if self._waiting_bytes > self._max_bytes:
            self.overflowed = True
            self.close()
        if self.closed:  # perhaps because all connections together held too much, and this one most
            return
        self._packets.extend(packets)
        self._wake.set()

    def close(self) -> None:
        """Take nothing more."""
        self.closed = True
        self._end.set()
        self._packets.clear()
        self._wake.set()
        self._sent.set()

    async def settled(self, most_bytes: int) -> None:
        """Return once no more than that waits, or it is closed: who streams asks before it adds."""
        while self._waiting_bytes > most_bytes and not self.closed:
            self._sent.clear()
            await self._sent.wait()

    async def wait_closed(self) -> None:
        """Return once it is closed, even while `run` waits for a peer that does not read."""
        await self._end.wait()

    async def run(self, connection: Connection) -> None:
        """Write until closed; cancel it when `wait_closed` has returned."""
        while not self.closed:
            if not self._packets:
                self._wake.clear()
                await self._wake.wait()
                continue
            packet = self._packets.popleft()
            await connection.send(packet)
            self._wait(-len(packet))
            self._sent.set()

    def _wait(self, count_bytes: int) -> None:
        self._waiting_bytes += count_bytes
        if self._held is not None:
            self._held.grow(count_bytes)


class Peer:
    """A participant together with its connection: what the room's services talk to.

    Attributes:
        tasks: Slow requests in progress; cancelled when the participant leaves.
        held: What is held in memory for it.
        is_cut_off: All connections together held too much, and this one most.
        arriving_bytes: The size of the message that is being handled.
    """

    def __init__(
        self, participant: Participant, limits: RoomLimits, *, room_url: str, holdings: Holdings
    ) -> None:
        self.participant = participant
        self.room_url = room_url
        self.held = holdings.connection(participant.claims.mark or participant.id, self._cut_off)
        self.is_cut_off = False
        self.arriving_bytes = 0
        self.outbox = Outbox(max_bytes=limits.max_outbound_bytes, held=self.held)
        self.tasks: set[asyncio.Task[None]] = set()

    @property
    def id(self) -> ParticipantId:
        """The participant's id."""
        return self.participant.id

    @property
    def is_gone(self) -> bool:
        """Nothing reaches it any more."""
        return self.outbox.closed

    def _cut_off(self) -> None:
        self.is_cut_off = True
        self.outbox.close()

    def push(self, kind: str, header: dict[str, Any], data: bytes = b"") -> int:
        """Send a message that answers nothing; return its id."""
        message_id = self.outbox.next_id()
        self.outbox.put(Message(message_id, kind, header, data))
        return message_id

    def respond(self, request_id: int, content: Content) -> None:
        """Answer a request of this participant."""
        written = content.written if isinstance(content, JsonContent) else b""
        self.outbox.put(Message(request_id, "__response__", content.to_header(), content.data, written))

    def respond_raw(self, request_id: int, header: dict[str, Any], data: bytes) -> None:
        """Answer a request with a content that somebody else wrote, unchanged."""
        self.outbox.put(Message(request_id, "__response__", header, data))
