"""Users of a server that runs as root: one for each bundle, some for sessions of each generation.  Pure.

What a bundle's user is follows from where the bundle lies, so that files it was given once stay its own.  The
first quarter of the range is for bundles; the rest is dealt out in blocks, each to one generation at a time.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from typing import Final

BLOCK: Final = 1024


class Block:
    """Users of the sessions of one generation.

    Args:
        release: Called once it is closed and nobody has one of them any more.

    Attributes:
        first: Nobody's: who tries what a session could do is this one.
        last: The last of them.
    """

    def __init__(self, first: int, release: Callable[[Block], None]) -> None:
        self.first, self.last = first, first + BLOCK - 1
        self._release = release
        self._at = first
        self._taken: set[int] = set()
        self._is_closed = False

    def take(self) -> int | None:
        """One that no session has, the one that was free for longest; None when all are taken."""
        for _ in range(BLOCK - 1):
            self._at = self._at + 1 if self._at < self.last else self.first + 1
            if self._at not in self._taken:
                self._taken.add(self._at)
                return self._at
        return None

    def give_back(self, user: int) -> None:
        """Nobody is this user any more, and nothing is left of it."""
        self._taken.discard(user)
        self._end()

    def close(self) -> None:
        """No more are taken; idempotent."""
        if not self._is_closed:
            self._is_closed = True
            self._end()

    def _end(self) -> None:
        if self._is_closed and not self._taken:
            self._release(self)


class Uids:
    """The users that are taken.

    Args:
        first: Of the range, whose `last` is its last.
    """

    def __init__(self, first: int, last: int) -> None:
        self._first = first
        self._count = (last - first + 1) // 4
        self._of: dict[str, int] = {}
        start = first + self._count
        self._free = list(range(start, last - BLOCK + 2, BLOCK))

    def of_bundle(self, source: str) -> int:
        """The user of a bundle, the same each time.

        Args:
            source: Its file or folder.
        """
        if source not in self._of:
            at = int.from_bytes(sha256(source.encode(errors="surrogateescape")).digest()[:8])
            taken = set(self._of.values())
            # Of two bundles with one number the later one has the next; when all are taken, they share.
            tries = [self._first + (at + step) % self._count for step in range(self._count)]
            self._of[source] = next((uid for uid in tries if uid not in taken), tries[0])
        return self._of[source]

    def block(self) -> Block | None:
        """Users that nobody has; None when all blocks are taken.  Close it."""
        return Block(self._free.pop(0), lambda block: self._free.append(block.first)) if self._free else None
