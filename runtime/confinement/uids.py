"""Users of a server that runs as root: one for each bundle, some for sessions of each generation.  Pure.

What a bundle's user is follows from where the bundle lies, so that files it was given once stay its own.  The
first quarter of the range is for bundles; the rest is dealt out in blocks, each to one generation at a time.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import Final

BLOCK: Final = 1024


@dataclass(frozen=True, slots=True)
class Block:
    """Users of the sessions of one generation, from `first` to `last`."""

    first: int
    last: int


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
        self._free = [Block(at, at + BLOCK - 1) for at in range(start, last - BLOCK + 2, BLOCK)]

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

    def take(self) -> Block | None:
        """Users that no session has; None when all blocks are taken.  Give them back with `release`."""
        return self._free.pop(0) if self._free else None

    def release(self, block: Block) -> None:
        """Nobody has these users any more; they come last to be taken again."""
        self._free.append(block)
