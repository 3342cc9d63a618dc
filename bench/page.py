"""What a run found as one page of Markdown, for people who do not run it."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Sequence

from bench.report import RESULTS, Report, Target

_WORDS = {True: "reached", False: "**missed**", None: "not measured"}


def write(reports: Sequence[Report], took_s: float) -> None:
    """Put it beside the JSON, as ``table.md``."""
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "table.md").write_text(page(reports, took_s))


def page(reports: Sequence[Report], took_s: float) -> str:
    """First all targets, then what each benchmark measured."""
    memory_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    machine = f"{os.cpu_count()} cores, {memory_gib:.0f} GiB, Python {platform.python_version()}"
    took = f"{took_s / 60:.0f} minutes, load at the end {os.getloadavg()[0]:.1f}"
    lines = [
        f"{time.strftime('%Y-%m-%d', time.gmtime())} · {machine} · {took}",
        "",
        "| benchmark | target | found | wanted | |",
        "|---|---|---:|---:|---|",
    ]
    lines += [_target(report, target) for report in reports for target in report.targets]
    for report in reports:
        lines += ["", f"### {report.title}", "", f"| | p50 {report.unit} | p99 | |", "|---|---:|---:|---|"]
        for row in report.rows:
            p99 = "" if row.p99 is None else f"{row.p99:.2f}"
            lines.append(f"| {row.name} | {row.p50:.2f} | {p99} | {row.note} |")
        lines += ["", *report.notes] if report.notes else []
    return "\n".join(lines) + "\n"


def _target(report: Report, target: Target) -> str:
    cells = (report.name, target.name, target.found, target.wanted, _WORDS[target.reached])
    return f"| {' | '.join(cells)} |"
