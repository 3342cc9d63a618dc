"""What became worse since the last run that was kept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from bench.report import Report, Target

SLACK: Final = 1.15
"""A figure that is worse by less is the same."""


def worse(report: Report, folder: Path, *, quick: bool) -> list[str]:
    """A line for each target that was missed for the first time, or is clearly further from its bound.

    Runs of another length, with another Python or on another number of cores are not compared.
    """
    before = _kept(folder / f"{report.name}.json")
    about = report.about(quick=quick)
    if before is None or any(before.get(name) != about[name] for name in ("quick", "python", "cores")):
        return []
    known = {one["name"]: one for one in before.get("targets", ())}
    return [
        f"{report.name}: {target.name}: {target.found}, was {known[target.name]['found']} at {before['at']}"
        for target in report.targets
        if target.name in known and _is_worse(target, known[target.name])
    ]


def _kept(path: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _is_worse(now: Target, before: dict[str, Any]) -> bool:
    was = before.get("number")
    if now.number is None or not isinstance(was, int | float):
        return False
    if now.reached is False and before.get("reached") is True and not now.is_noisy:
        return True
    # Where both ranges have something in common, the machine alone may be what differs.
    if now.is_at_most:
        return now.low > SLACK * max(was, before.get("high", was)) and now.low - was > _tiny(now)
    return now.high * SLACK < min(was, before.get("low", was))


def _tiny(target: Target) -> float:
    return abs(target.bound) / 20
