"""What a benchmark found: rows to compare, targets with whether they were reached, JSON to keep."""

from __future__ import annotations

import json
import math
import os
import platform
import statistics
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from bench.rounds import Ratio

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True, slots=True)
class Effort:
    """How much time to spend.

    Attributes:
        given: A number that was named: how often, or how many minutes; 0 when none was.
    """

    quick: bool = False
    given: int = 0

    def count(self, full: int, quick: int) -> int:
        """Rounds of something."""
        return quick if self.quick else full


@dataclass(slots=True)
class Row:
    """One contender."""

    name: str
    p50: float
    p99: float | None = None
    note: str = ""


@dataclass(slots=True)
class Target:
    """What was to be reached, and what was.

    Attributes:
        reached: None when it could not be measured.
        is_noisy: What was found says nothing: the machine was too busy for this bound.
        is_at_most: Less is better; else more.
        number: What was found; None when it could not be measured.
        low: The least of what parts of the run gave, `high` the most; both are `number` where there are none.
    """

    name: str
    found: str
    wanted: str
    reached: bool | None
    bound: float = 0.0
    is_noisy: bool = False
    is_at_most: bool = True
    number: float | None = None
    low: float = 0.0
    high: float = 0.0


@dataclass(slots=True)
class Report:
    """One benchmark."""

    name: str
    title: str
    unit: str
    rows: list[Row] = field(default_factory=list)
    targets: list[Target] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def times(self, name: str, values: Iterable[float], note: str = "") -> float:
        """Add a row of the median and the 99th percentile; return the median."""
        found = sorted(values)
        p50 = statistics.median(found)
        self.rows.append(Row(name, p50, found[math.ceil(len(found) * 0.99) - 1], note or f"n={len(found)}"))
        return p50

    def value(self, name: str, value: float, note: str = "") -> float:
        """Add a row of one number."""
        self.rows.append(Row(name, value, None, note))
        return value

    def at_least(
        self, name: str, found: float | Ratio | None, wanted: float, unit: str = "x", *, quiet: bool = True
    ) -> None:
        """A target that is better the larger it is; see `at_most`."""
        self._target(name, found, wanted, unit, is_at_most=False, quiet=quiet)

    def at_most(
        self, name: str, found: float | Ratio | None, wanted: float, unit: str = "x", *, quiet: bool = True
    ) -> None:
        """A target that is better the smaller it is.

        Args:
            quiet: False where the machine was not quiet enough: what was measured with nothing to disturb it
                is beyond the bound already.
        """
        self._target(name, found, wanted, unit, is_at_most=True, quiet=quiet)

    def _target(
        self,
        name: str,
        found: float | Ratio | None,
        bound: float,
        unit: str,
        *,
        is_at_most: bool,
        quiet: bool,
    ) -> None:
        gap = "" if unit in ("x", "%") else " "
        wanted = f"{'≤' if is_at_most else '≥'} {bound:g}{gap}{unit}"
        if found is None:
            self.targets.append(Target(name, "not measured", wanted, None, bound, is_at_most=is_at_most))
            return
        one = found if isinstance(found, Ratio) else Ratio(found, found, found)
        reached = one.value <= bound if is_at_most else one.value >= bound
        noisy = one.is_noise_at(bound) or not (quiet or reached)
        told = f"{_shown(one.value)}{gap}{unit}"
        if one.high > one.low:
            told += f" ({_shown(one.low)}-{_shown(one.high)})"
        self.targets.append(
            Target(
                name,
                told,
                wanted,
                reached,
                bound,
                noisy,
                is_at_most,
                number=one.value,
                low=one.low,
                high=one.high,
            )
        )

    def show(self) -> None:
        """Print it."""
        print(f"\n{self.title}")
        print(f"  {'':<44}{'p50 ' + self.unit:>14}{'p99':>12}")
        for row in self.rows:
            p99 = "" if row.p99 is None else f"{row.p99:>12.2f}"
            print(f"  {row.name:<44}{row.p50:>14.2f}{p99:<12}  {row.note}".rstrip())
        for target in self.targets:
            print(f"  {mark(target)} {target.name:<54}{target.found:>24}   wanted {target.wanted}")
        for note in self.notes:
            print(f"  {note}")

    def keep(self, *, quick: bool = False) -> None:
        """Write it to the results folder."""
        RESULTS.mkdir(exist_ok=True)
        whole = self.about(quick=quick) | asdict(self)
        (RESULTS / f"{self.name}.json").write_text(json.dumps(whole, indent=2) + "\n")

    def about(self, *, quick: bool) -> dict[str, Any]:
        """When and where it was measured."""
        return {
            "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "python": platform.python_version(),
            "cores": os.cpu_count(),
            "load": os.getloadavg()[0],
            "quick": quick,
        }


def mark(target: Target) -> str:
    """One word for whether it was reached."""
    if target.is_noisy:
        return "noisy  "
    return {True: "reached", False: "MISSED ", None: "-      "}[target.reached]


def ratio(over: float | None, under: float | None) -> float | None:
    """``over / under``; None when one of them was not measured."""
    return None if not over or not under else over / under


def _shown(number: float) -> str:
    return f"{number:.3g}" if abs(number) < 1000 else f"{number:,.0f}"
