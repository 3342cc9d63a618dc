"""From a request to the session's own code: against a bare zygote, and against LiveKit warm and cold.

Every contender is asked from Python and answers from the first line of the session's code: ours by the
placement's contract (no HTTP, no room), LiveKit's by its process pool, which also joins no room.
"""

from __future__ import annotations

import asyncio

import structlog

from bench.bare_zygote import BareZygote
from bench.node import running_node
from bench.report import Effort, Report
from bench.rival import rivals
from bench.rounds import by_rounds

_PAUSE_S = 0.05
"""Before each start: what the one before left to be done must not be part of it."""


def run(effort: Effort) -> list[Report]:
    """Parked and not parked, each against its limit."""
    return asyncio.run(_run(effort))


async def _run(effort: Effort) -> list[Report]:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    rounds, few = effort.count(100, 30), effort.count(15, 5)
    times: dict[str, list[float]] = {}
    zygote = BareZygote()
    with rivals(
        **{"LiveKit warm": ("--idle", "2"), "LiveKit warm, preload_modules": ("--idle", "2", "--preload")}
    ) as warm, rivals(
        **{"LiveKit cold": ("--idle", "0"), "LiveKit cold, preload_modules": ("--idle", "0", "--preload")}
    ) as cold:  # fmt: skip
        async with running_node(max_parked=2) as parked, running_node(max_parked=0) as forked:
            for one in (parked, forked):
                await one.start_ms()
            for number in range(rounds):
                await parked.until_parked(2)  # as LiveKit's pool is given the time to fill up
                await asyncio.sleep(_PAUSE_S)
                times.setdefault("parked", []).append(await parked.start_ms())
                await asyncio.sleep(_PAUSE_S)
                times.setdefault("bare parked child", []).append(zygote.parked_ms())
                await asyncio.sleep(_PAUSE_S)
                times.setdefault("not parked", []).append(await forked.start_ms())
                await asyncio.sleep(_PAUSE_S)
                times.setdefault("bare fork", []).append(zygote.start_ms())
                if number % max(1, rounds // few) == 0:
                    for name, pool in {**warm, **cold}.items():
                        took_ms = await asyncio.to_thread(pool.ask, "start")
                        times.setdefault(name, []).append(took_ms)
    zygote.close()
    return [_parked(times), _forked(times)]


def _parked(times: dict[str, list[float]]) -> Report:
    report = Report("start_parked", "session start, parked child: request → session code running", "ms")
    names = ("parked", "bare parked child", "LiveKit warm", "LiveKit warm, preload_modules")
    for name in names:
        if name in times:
            report.times(name, times[name])
    report.at_most("over a bare parked child", by_rounds(times["parked"], times["bare parked child"]), 3)
    return report


def _forked(times: dict[str, list[float]]) -> Report:
    report = Report("start_forked", "session start, no parked child: request → session code running", "ms")
    names = ("not parked", "bare fork", "LiveKit cold", "LiveKit cold, preload_modules")
    for name in names:
        if name in times:
            report.times(name, times[name])
    over = by_rounds(times["not parked"], times["bare fork"])
    report.at_most("over a bare fork + loop + hardening", over, 1.15)
    return report
