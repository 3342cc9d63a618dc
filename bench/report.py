"""What a benchmark found: rows to compare, targets with whether they were reached, JSON to keep."""

from __future__ import annotations

import json
import os
import platform
import statistics
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path

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
    """

    name: str
    found: str
    wanted: str
    reached: bool | None


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
        self.rows.append(Row(name, p50, found[max(0, int(len(found) * 0.99) - 1)], note or f"n={len(found)}"))
        return p50

    def value(self, name: str, value: float, note: str = "") -> float:
        """Add a row of one number."""
        self.rows.append(Row(name, value, None, note))
        return value

    def at_least(self, name: str, found: float | None, wanted: float, unit: str = "x") -> None:
        """A target that is better the larger it is."""
        self._target(name, found, wanted, unit, "≥", None if found is None else found >= wanted)

    def at_most(self, name: str, found: float | None, wanted: float, unit: str = "x") -> None:
        """A target that is better the smaller it is."""
        self._target(name, found, wanted, unit, "≤", None if found is None else found <= wanted)

    def _target(
        self, name: str, found: float | None, wanted: float, unit: str, sign: str, reached: bool | None
    ) -> None:
        gap = "" if unit in ("x", "%") else " "
        number = "" if found is None else f"{found:.3g}" if abs(found) < 1000 else f"{found:,.0f}"
        shown = f"{number}{gap}{unit}" if number else "not measured"
        self.targets.append(Target(name, shown, f"{sign} {wanted:g}{gap}{unit}", reached))

    def show(self) -> None:
        """Print it."""
        print(f"\n{self.title}")
        print(f"  {'':<44}{'p50 ' + self.unit:>14}{'p99':>12}")
        for row in self.rows:
            p99 = "" if row.p99 is None else f"{row.p99:>12.2f}"
            print(f"  {row.name:<44}{row.p50:>14.2f}{p99:<12}  {row.note}".rstrip())
        for target in self.targets:
            print(f"  {mark(target)} {target.name:<54}{target.found:>14}   wanted {target.wanted}")
        for note in self.notes:
            print(f"  {note}")

    def keep(self) -> None:
        """Write it to the results folder."""
        RESULTS.mkdir(exist_ok=True)
        about = {
            "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "python": platform.python_version(),
            "cores": os.cpu_count(),
            "load": os.getloadavg()[0],
        }
        (RESULTS / f"{self.name}.json").write_text(json.dumps(about | asdict(self), indent=2) + "\n")


def mark(target: Target) -> str:
    """One word for whether it was reached."""
    return {True: "reached", False: "MISSED ", None: "-      "}[target.reached]


def ratio(over: float | None, under: float | None) -> float | None:
    """``over / under``; None when one of them was not measured."""
    return None if not over or not under else over / under
