"""``python -m bench [quick] [NAME …]``: run benchmarks, print tables, keep the numbers as JSON.

``make bench ARGS=quick`` takes two minutes instead of fifteen; ``make bench ARGS=relay`` runs one.  Some run
by name alone, and take a number: ``ARGS="kills 20"`` kills twenty times, ``ARGS="soak 2"`` takes two minutes.
"""

from __future__ import annotations

import importlib
import os
import sys
import time

from bench import newest, page, since
from bench.report import RESULTS, Effort, Report, mark

NAMES = (
    "start",
    "cost",
    "ready",
    "services",
    "storm",
    "relay",
    "webhooks",
    "memory",
    "siblings",
    "saves",
    "tables",
    "containment",
    "leak",
    "faults",
    "upstream",
)
BY_NAME = ("kills", "soak", "cluster", "many_nodes")
"""That are a trial more than a measurement, take long, or need what is not everywhere (nats-server)."""


def main() -> None:
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # who starts an interpreter compiles its packages once
    words = sys.argv[1:]
    numbers = [int(word) for word in words if word.isdecimal()]
    effort = Effort(quick="quick" in words, given=numbers[0] if numbers else 0)
    chosen = [word for word in words if word != "quick" and not word.isdecimal()] or list(NAMES)
    known = (*NAMES, *BY_NAME)
    unknown = [name for name in chosen if name not in known]
    if unknown:
        raise SystemExit(f"bench: there is no benchmark {unknown[0]!r}; there are {', '.join(known)}")
    reports: list[Report] = []
    worse: list[str] = []
    print(newest.told(), flush=True)
    started = time.monotonic()
    for name in chosen:
        began = time.monotonic()
        found = importlib.import_module(f"bench.{name}").run(effort)
        for report in found:
            report.show()
            worse += since.worse(report, RESULTS, quick=effort.quick)
            report.keep(quick=effort.quick)
        reports += found
        if name in NAMES:
            page.write(reports, time.monotonic() - started)
        print(f"  ({name}: {time.monotonic() - began:.0f} s)", flush=True)
    targets = [(report, target) for report in reports for target in report.targets]
    noisy = sum(target.is_noisy for _, target in targets)
    missed = [(report, one) for report, one in targets if one.reached is False and not one.is_noisy]
    reached = sum(one.reached is True and not one.is_noisy for _, one in targets)
    told = f"{reached} of {len(targets)} targets reached, {len(missed)} missed, {noisy} noisy"
    print(f"\n{told}; kept in {RESULTS}")
    for report, target in missed:
        print(f"  {mark(target)} {report.name}: {target.name}: {target.found}, wanted {target.wanted}")
    if worse:
        print("\nworse than in the run before:")
        for line in worse:
            print(f"  {line}")


if __name__ == "__main__":
    main()
