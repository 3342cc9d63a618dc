"""What a run found as one page of Markdown, for people who do not run it."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Sequence

from bench.report import RESULTS, Report, Row, Target

_OURS = ("bulkhead", "parked", "not parked", "one idle session")
_OTHERS = ("LiveKit", "plain Quart", "bare ASGI", "its ServiceHost", "a fresh interpreter")
"""How the rows of ours and of those that it is compared with are named."""
_MORE_IS_BETTER = ("per s", "k/s")
_WORDS = {True: "reached", False: "**missed**", None: "not measured"}


def write(reports: Sequence[Report], took_s: float) -> None:
    """Put it beside the JSON, as ``table.md``."""
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "table.md").write_text(page(reports, took_s))


def page(reports: Sequence[Report], took_s: float) -> str:
    """First the comparison, then what each benchmark measured, the targets last."""
    memory_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    machine = f"{os.cpu_count()} cores, {memory_gib:.0f} GiB, Python {platform.python_version()}"
    took = f"{took_s / 60:.0f} minutes, load at the end {os.getloadavg()[0]:.1f}"
    lines = [f"{time.strftime('%Y-%m-%d', time.gmtime())} · {machine} · {took}", "", *comparison(reports)]
    lines += ["", "## All measurements"]
    for report in reports:
        lines += ["", f"### {report.title}", "", f"| | p50 {report.unit} | p99 | |", "|---|---:|---:|---|"]
        for row in report.rows:
            p99 = "" if row.p99 is None else f"{row.p99:.2f}"
            lines.append(f"| {row.name} | {row.p50:.2f} | {p99} | {row.note} |")
        lines += ["", *report.notes] if report.notes else []
    lines += ["", "## Targets", "", "| benchmark | target | found | wanted | |", "|---|---|---:|---:|---|"]
    lines += [_target(report, target) for report in reports for target in report.targets]
    return "\n".join(lines) + "\n"


def comparison(reports: Sequence[Report]) -> list[str]:
    """A table of what others took for the same, beside ours, in the same run."""
    lines = ["## Beside others", "", "| | Bulkhead | | | Bulkhead is |", "|---|---:|---|---:|---:|"]
    for report in reports:
        ours = next((row for row in report.rows if row.name.startswith(_OURS)), None)
        for other in report.rows if ours else []:
            if ours and other.name.startswith(_OTHERS) and ours.p50 and other.p50:
                lines.append(_compared(report, ours, other))
    return lines


def _compared(report: Report, ours: Row, other: Row) -> str:
    times = ours.p50 / other.p50 if report.unit in _MORE_IS_BETTER else other.p50 / ours.p50
    told = f"{times:.1f}× better" if times >= 1 else f"{1 / times:.1f}× worse"
    figures = [f"{row.p50:.2f} {report.unit}" for row in (ours, other)]
    return f"| {report.title} | {figures[0]} | {other.name} | {figures[1]} | {told} |"


def _target(report: Report, target: Target) -> str:
    word = "noisy" if target.is_noisy else _WORDS[target.reached]
    cells = (report.name, target.name, target.found, target.wanted, word)
    return f"| {' | '.join(cells)} |"
