"""Which node gets the next session.  Pure.

Two candidates at random, and of them the one with less to start for each processor: several fronts that see
the same beats do not all choose the same node, and what this front just placed counts before the next beat
says so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Candidate:
    """A node that could take a session.

    Attributes:
        starting: Sessions that are being started there, as it said last, and those on their way to it.
        headroom_bytes: Memory that its sessions may still take; None when it cannot tell.
        room: Sessions that it may still take.
    """

    node: str
    starting: int
    processors: int
    headroom_bytes: int | None
    room: int

    @property
    def load(self) -> float:
        """What waits for each of its processors."""
        return self.starting / max(1, self.processors)


def ordered(candidates: Sequence[Candidate], chance: Callable[[], float]) -> list[str]:
    """The nodes in the order in which to ask them; those without room are left out.

    Args:
        chance: A number from 0 to 1, such as `random.random`.
    """
    left = [one for one in candidates if one.room > 0]
    found = []
    while left:
        first = left[min(int(chance() * len(left)), len(left) - 1)]
        others = [one for one in left if one is not first]
        if others:
            second = others[min(int(chance() * len(others)), len(others) - 1)]
            first = min(first, second, key=_rank)
        found.append(first.node)
        left.remove(first)
    return found


def _rank(one: Candidate) -> tuple[float, float]:
    return one.load, -(one.headroom_bytes if one.headroom_bytes is not None else 0)
