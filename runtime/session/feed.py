"""The last events, numbered, for readers who come, go and come back.  Pure.

Readers keep a cursor and no queue, so a reader costs nothing here however slow it is: one that falls
behind the oldest kept event has missed some, is told so, and starts again from what is there.
"""

from __future__ import annotations

from collections import deque
from itertools import islice
from typing import Any

import msgspec


class FeedEvent(msgspec.Struct, frozen=True):
    """One thing that happened.

    Attributes:
        seq: 1, 2, 3 … within one run of the server.
        id: What a reader hands back to go on after this event.
        kind: Such as ``session.ready``.
        data: A JSON object.
    """

    seq: int
    id: str
    kind: str
    data: dict[str, Any] = msgspec.field(default_factory=dict)


class Feed:
    """The last `keep_count` events.

    Args:
        epoch: Tells this run of the server from the ones before, whose numbers mean nothing here.
    """

    def __init__(self, *, keep_count: int, epoch: str) -> None:
        self._events: deque[FeedEvent] = deque(maxlen=keep_count)
        self.epoch = epoch
        self._last = 0

    @property
    def last(self) -> int:
        """Number of the newest event; 0 before the first."""
        return self._last

    @property
    def first(self) -> int:
        """Number of the oldest kept event; one above `last` when nothing is kept."""
        return self._last - len(self._events) + 1

    def id_of(self, seq: int) -> str:
        """The id of the event of a number; of 0, what stands before the first."""
        return f"{self.epoch}-{seq}"

    def publish(self, kind: str, data: dict[str, Any]) -> FeedEvent:
        """Number and keep an event."""
        self._last += 1
        event = FeedEvent(self._last, self.id_of(self._last), kind, data)
        self._events.append(event)
        return event

    def cursor(self, event_id: str) -> int | None:
        """The number to go on after; None when the id is not one of this run, or too old to miss nothing."""
        epoch, _, number = event_id.rpartition("-")
        if epoch != self.epoch or not number.isascii() or not number.isdigit() or len(number) > 18:
            return None
        seq = int(number)
        return seq if self.first - 1 <= seq <= self._last else None

    def after(self, cursor: int, *, limit: int = 100) -> list[FeedEvent]:
        """Up to `limit` events numbered above `cursor`; the first is not the next one if some were missed."""
        skip = max(0, cursor - self.first + 1)
        return list(islice(self._events, skip, skip + limit))
