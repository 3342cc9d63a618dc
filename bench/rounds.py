"""A ratio of two contenders that had their turns by turns, and how much it differed within the run."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

PARTS: Final = 5
NOISE: Final = 1.15
"""The largest ratio over the smallest: above it, a run says little of a bound that lies between them."""


@dataclass(frozen=True, slots=True)
class Ratio:
    """How many times the one is the other.

    Attributes:
        value: Of the medians of all turns.
        low: The smallest that a part of the turns gave.
        high: The largest.
    """

    value: float
    low: float
    high: float

    def is_noise_at(self, bound: float) -> bool:
        """Whether it was on both sides of a bound, as the machine was in the mood."""
        return self.low < bound < self.high and self.high / self.low > NOISE


def by_rounds(over: Sequence[float] | None, under: Sequence[float] | None) -> Ratio | None:
    """``over / under`` of figures that were taken in turn; None when one of them was not measured.

    Each part has the same share of the turns of both, so that a mood of the machine meets both.
    """
    if not over or not under or not statistics.median(under):
        return None
    value = statistics.median(over) / statistics.median(under)
    count = min(PARTS, len(over), len(under))
    parts = [_part(over, number, count) / _part(under, number, count) for number in range(count)]
    return Ratio(value, min(*parts, value), max(*parts, value))


def _part(values: Sequence[float], number: int, count: int) -> float:
    return statistics.median(values[len(values) * number // count : len(values) * (number + 1) // count])
