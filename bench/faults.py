"""Every place where the system may refuse something to the supervisor, refused once, with each error."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

import structlog

from bench.report import Effort, Report
from tests.faults import walk
from tests.faults.injection import Injector

_EACH_QUICK = 5


def run(effort: Effort) -> list[Report]:
    """All steps of `tests.faults.walk`; every fifth when it has to be quick."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    report = Report("faults", "what the system may refuse, refused once", "count")
    asyncio.run(_walk(report, effort.count(1, _EACH_QUICK)))
    structlog.reset_defaults()
    return [report]


async def _walk(report: Report, each: int) -> None:
    injector = Injector()
    wrong: list[str] = []
    with injector.installed(), tempfile.TemporaryDirectory() as folder:
        async with walk.site(Path(folder)) as site:
            for phase in walk.PHASES:
                steps = walk.steps(phase, await walk.places(site, injector, phase))[::each]
                for step in steps:
                    if told := await walk.walk(site, injector, step):
                        wrong.append(told)
                        print(f"  {told}", flush=True)
                report.value(phase, len(steps))
    report.at_most("steps after which something was wrong", len(wrong), 0, "of them")
    report.notes += wrong
