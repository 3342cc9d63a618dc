"""How much a node says, and how much of one a front takes, within a second.  Pure."""

from __future__ import annotations

from typing import Final

import msgspec


class Most(msgspec.Struct, frozen=True):
    """What may come on one subject of one node within a second.

    Attributes:
        size: Bytes.
    """

    count: int
    size: int


BEATS: Final = Most(50, 2 << 20)
SAMPLES: Final = Most(20, 16 << 20)
EVENTS: Final = Most(4000, 48 << 20)
FETCHES: Final = Most(500, 1 << 20)
JOINS: Final = Most(50, 1 << 20)


class Spent:
    """What came, or went, in this second."""

    __slots__ = ("count", "size")

    def __init__(self) -> None:
        self.count = self.size = 0

    def exceeds(self, most: Most, size: int, *, times: int = 1) -> bool:
        """Take one more message into account, or so many; whether that is too much."""
        self.count += times
        self.size += size
        return self.count > most.count or self.size > most.size


class Pace:
    """Who keeps to half of what is taken is never too much: nobody's seconds begin together."""

    def __init__(self, most: Most) -> None:
        self._most = Most(most.count // 2, most.size // 2)
        self._spent, self._until = Spent(), 0.0

    def allows(self, size: int, now: float) -> bool:
        """Whether a message of so many bytes may be sent; what may not, is asked for."""
        if now >= self._until:
            self._spent, self._until = Spent(), now + 1.0
        return not self._spent.exceeds(self._most, size)
