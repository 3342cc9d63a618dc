"""What the front holds in memory for participants, of all rooms together: who holds most gives way.  Pure.

Bytes on their way (unfinished messages, unread answers, requests in progress) belong to a connection.  When
all connections together hold too much, the participant that holds most loses its largest one; so somebody who
hoards harms nobody else, whatever room it is in.  Contents (queues, documents, what is registered) belong to
a room.  They are not taken away: what does not fit any more is refused.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Final

from runtime.errors import RoomFull

ROOM_SHARE: Final = 4
"""One room has at most a so-manieth part of what all may hold."""


class Holdings:
    """Bytes on their way, of all connections.

    Args:
        max_bytes: What all may hold together.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._connections: dict[Held, None] = {}
        self._owners: Counter[str] = Counter()
        self.size_bytes = 0

    def connection(self, owner: str, cut_off: Callable[[], None]) -> Held:
        """Account for a connection.

        Args:
            owner: Whose it is; several of one owner count together.
            cut_off: Ends it, because all hold too much and it is the largest; may not raise.
        """
        held = Held(self, owner, cut_off)
        self._connections[held] = None
        return held

    def _grow(self, held: Held, count_bytes: int) -> None:
        self.size_bytes += count_bytes
        self._owners[held.owner] += count_bytes
        while count_bytes > 0 and self.size_bytes > self._max_bytes:
            owner = max(self._owners, key=self._owners.__getitem__)
            largest = max(
                (one for one in self._connections if one.owner == owner), key=lambda one: one.size_bytes
            )
            largest.close()
            largest.cut_off()

    def _forget(self, held: Held) -> None:
        self._grow(held, -held.size_bytes)
        del self._connections[held]
        if not self._owners[held.owner]:
            del self._owners[held.owner]


class Held:
    """What one connection holds; `close` gives all of it back."""

    def __init__(self, holdings: Holdings, owner: str, cut_off: Callable[[], None]) -> None:
        self._holdings = holdings
        self.owner, self.cut_off = owner, cut_off
        self.size_bytes = 0
        self._is_closed = False

    def grow(self, count_bytes: int) -> None:
        """It holds so many bytes more, or fewer; after `close` nothing is counted any more."""
        if not self._is_closed and count_bytes:
            self.size_bytes += count_bytes
            self._holdings._grow(self, count_bytes)

    def close(self) -> None:
        """It holds nothing more; closing twice is harmless."""
        if not self._is_closed:
            self._is_closed = True
            self._holdings._forget(self)
            self.size_bytes = 0


class Contents:
    """Bytes that rooms keep in memory, of all rooms or of one of them.

    Args:
        max_bytes: What may be kept.
        all_rooms: What this room's bytes count against as well.
    """

    def __init__(self, max_bytes: int, all_rooms: Contents | None = None) -> None:
        self.max_bytes, self._all = max_bytes, all_rooms
        self.size_bytes = 0
        self._is_closed = False

    def of_room(self) -> Contents:
        """Those of one room."""
        return Contents(self.max_bytes // ROOM_SHARE, self)

    def check(self, count_bytes: int) -> None:
        """See that so many bytes more would fit.

        Raises:
            RoomFull: They would not.
        """
        if self.size_bytes + count_bytes > self.max_bytes:
            whose = "the room holds" if self._all is not None else "the rooms of this server hold"
            raise RoomFull(
                f"{whose} {self.size_bytes} bytes of queues, documents and registrations in memory, and may "
                f"hold {self.max_bytes}",
                cure="Close documents, empty queues, or raise rooms.max_contents_bytes.",
            )
        if self._all is not None:
            self._all.check(count_bytes)

    def add(self, count_bytes: int) -> None:
        """So many bytes more are kept, or fewer; after `close` nothing is counted any more."""
        if self._is_closed:
            return
        self.size_bytes += count_bytes
        if self._all is not None:
            self._all.add(count_bytes)

    def close(self) -> None:
        """The room keeps nothing any more."""
        self.add(-self.size_bytes)
        self._is_closed = True
