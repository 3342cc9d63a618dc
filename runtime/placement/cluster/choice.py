"""Which node gets the next session.  Pure.

Two candidates at random, and of them the one with less to start for each processor: several fronts that see
the same beats do not all choose the same node, and what this front just placed counts before the next beat
says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

import msgspec

T = TypeVar("T")


class Candidate(msgspec.Struct, frozen=True):
    """A node that could take a session.

    Attributes:
        starting: Sessions that are being started there, as it said last, and those on their way to it.
        headroom_bytes: Memory that its sessions may still take; None when it cannot tell.
        room: Sessions that it may still take.
        is_doubted: It did not start others that it took, or not tell of them: it comes after each that did.
    """

    node: str
    starting: int
    processors: int
    headroom_bytes: int | None
    room: int
    is_doubted: bool = False

    @property
    def load(self) -> float:
        """What waits for each of its processors."""
        return self.starting / max(1, self.processors)


def ordered(
    nodes: Iterable[T], look: Callable[[T], Candidate | None], chance: Callable[[], float], most: int
) -> list[str]:
    """The nodes to ask, in their order; those without room are left out.

    No more of them are looked at than have to be: what a session costs does not grow with the nodes.

    Args:
        look: What there is to know of one; None for one that cannot take it.
        chance: A number from 0 to 1, such as `random.random`.
        most: So many of them.
    """
    drawn = _drawn(list(nodes), look, chance)
    found: list[str] = []
    better = next(drawn, None)
    while better is not None and len(found) < most:
        other = next(drawn, None)
        if other is not None and _rank(other) < _rank(better):
            better, other = other, better
        found.append(better.node)
        better = other
    return found


def _drawn(
    left: list[T], look: Callable[[T], Candidate | None], chance: Callable[[], float]
) -> Iterator[Candidate]:
    while left:
        drawn = min(int(chance() * len(left)), len(left) - 1)
        left[drawn], left[-1] = left[-1], left[drawn]
        one = look(left.pop())
        if one is not None and one.room > 0:
            yield one


def _rank(one: Candidate) -> tuple[bool, float, float]:
    return one.is_doubted, one.load, -(one.headroom_bytes if one.headroom_bytes is not None else 0)
