"""What a minute was like, or an hour: figures that two of them can be added up from.  Pure.

A gauge is kept as its sum over the looks and as its highest, a counter as what it rose by, a histogram as
what each of its buckets rose by.  So an hour is the sum of its minutes, and a minute that a restart cut in
two is the sum of both parts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

import msgspec

MAX_LABELS: Final = 24
"""Of one figure; what comes beyond them is added up as `OTHER`."""
OTHER: Final = "other"
COUNTED: Final[Mapping[str, tuple[str, str]]] = {
    "bulkhead_webhooks_total": ("webhooks", "outcome"),
    "bulkhead_webhook_answer_seconds_bucket": ("answer", "le"),
    "bulkhead_session_start_seconds_bucket": ("start", "le"),
    "bulkhead_sessions_started_total": ("starts", ""),
    "bulkhead_sessions_ended_total": ("ends", "reason"),
    "bulkhead_crashes_total": ("crashes", "reason"),
    "bulkhead_session_restarts_total": ("restarts", ""),
    "bulkhead_session_turns_total": ("turns", ""),
    "bulkhead_session_input_tokens_total": ("tokens_in", ""),
    "bulkhead_session_output_tokens_total": ("tokens_out", ""),
}
"""Series of the registry → the figure that they are added up to, and the label that tells its parts apart."""
By = dict[str, float]
"""A figure: its parts by their label; one without parts has the label ``""``."""


class Figures(msgspec.Struct, array_like=True):
    """Of some length of time.

    Attributes:
        looks: How often gauges were read.
        sums: Gauges, added up over the looks.
        most: Gauges, the highest look.
        counts: What counters rose by.
    """

    looks: int = 0
    sums: dict[str, By] = {}
    most: dict[str, float] = {}
    counts: dict[str, By] = {}

    def look(self, gauges: Mapping[str, float | Mapping[str, float]]) -> None:
        """Gauges were read: numbers, or numbers by label."""
        self.looks += 1
        for name, value in gauges.items():
            by = value if isinstance(value, Mapping) else {"": value}
            _add(self.sums, name, by)
            self.most[name] = max(self.most.get(name, 0.0), sum(by.values()))

    def rose(self, counts: Mapping[str, By]) -> None:
        """Counters rose by so much."""
        for name, by in counts.items():
            _add(self.counts, name, by)

    def add(self, other: Figures) -> None:
        """Another time belongs to this one."""
        self.looks += other.looks
        for name, by in other.sums.items():
            _add(self.sums, name, by)
        for name, value in other.most.items():
            self.most[name] = max(self.most.get(name, 0.0), value)
        self.rose(other.counts)

    def mean(self, name: str) -> By:
        """A gauge, by label."""
        return {label: value / max(1, self.looks) for label, value in self.sums.get(name, {}).items()}


def _add(into: dict[str, By], name: str, by: Mapping[str, float]) -> None:
    if not any(by.values()):
        return  # nothing happened
    known = into.setdefault(name, {})
    for label, value in by.items():  # also an empty bucket, which is where the next one begins
        place = label if label in known or len(known) < MAX_LABELS else OTHER
        known[place] = known.get(place, 0) + value


def totals(families: Iterable[Any]) -> dict[str, By]:
    """The counters of a registry as they stand; of histograms each bucket by itself, by its upper bound."""
    found: dict[str, By] = {}
    below: dict[tuple[str, tuple[tuple[str, str], ...]], float] = {}
    for family in families:
        for sample in family.samples:
            figure, label = COUNTED.get(sample.name, ("", ""))
            if not figure:
                continue
            value = sample.value
            if label == "le":  # each bucket of a series counts what the ones before it count, too
                series = tuple((key, one) for key, one in sample.labels.items() if key != "le")
                value -= below.get((figure, series), 0.0)
                below[figure, series] = sample.value
            by = found.setdefault(figure, {})
            part = sample.labels[label] if label else ""
            by[part] = by.get(part, 0) + value
    return found


def risen(before: Mapping[str, By], now: Mapping[str, By]) -> dict[str, By]:
    """What counters rose by."""
    return {
        name: {part: value - before.get(name, {}).get(part, 0) for part, value in by.items()}
        for name, by in now.items()
    }


def quantile(buckets: Mapping[str, float], share: float) -> float | None:
    """The time below which that share stayed, as Prometheus estimates it; None where nothing was counted.

    Args:
        buckets: What fell into each, by its upper bound in seconds.
    """
    bounds = sorted((float(bound), count) for bound, count in buckets.items())
    whole = sum(count for _, count in bounds)
    if whole <= 0:
        return None
    wanted, counted = share * whole, 0.0
    for (lower, _), (upper, count) in pairwise([(0.0, 0.0), *bounds]):
        if counted + count >= wanted and count > 0:
            if upper == float("inf"):
                return lower
            return lower + (upper - lower) * (wanted - counted) / count
        counted += count
    return bounds[-1][0]


def gathered(
    points: Iterable[tuple[int, Figures]], *, begin: int, end: int, step_s: int
) -> list[Figures | None]:
    """One for each step of a time, from what is known of its parts; None for a step of which nothing is."""
    steps: list[Figures | None] = [None] * max(0, (end - begin + step_s - 1) // step_s)
    for at, figures in points:
        if begin <= at < end:
            step = (at - begin) // step_s
            known = steps[step]
            if known is None:
                known = steps[step] = Figures()
            known.add(figures)
    return steps


def lines(steps: Sequence[Figures | None], name: str, *, counted: bool) -> dict[str, list[float | None]]:
    """A figure as a line for each of its labels: the mean of a gauge, what a counter rose by."""
    found: dict[str, list[float | None]] = {}
    for place, figures in enumerate(steps):
        if figures is None:
            continue
        for label, value in (figures.counts.get(name, {}) if counted else figures.mean(name)).items():
            if value:
                line = found.setdefault(label, [None if one is None else 0.0 for one in steps])
                line[place] = round(value, 6)
    return dict(sorted(found.items()))
