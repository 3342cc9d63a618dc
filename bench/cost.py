"""Processor time and page faults of a start: what a busy machine changes less than how long a start takes."""

from __future__ import annotations

import asyncio
import os
import statistics
import time

import structlog

from bench import proc
from bench.bare_zygote import BareZygote
from bench.node import Node, running_node
from bench.report import Effort, Report
from bench.rounds import by_rounds

COUNT = 40


def run(effort: Effort) -> list[Report]:
    """Rounds of starts, none of them parked, in turn with a bare zygote's."""
    return asyncio.run(_run(effort))


async def _run(effort: Effort) -> list[Report]:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    times, faults = Report("cost", "processor time of a start, not parked", "ms"), dict[str, list[float]]()
    spent: dict[str, list[float]] = {}
    zygote = BareZygote()
    async with running_node(max_parked=0) as node:
        await node.start_ms()
        for _ in range(effort.count(5, 2)):
            await _ours(node, spent, faults)
            await asyncio.to_thread(_bare, zygote, spent, faults)
    zygote.close()
    for name, values in spent.items():
        times.times(name, values)
    found = Report("faults", "page faults of a start, not parked", "count")
    for name, values in faults.items():
        found.times(name, values)
    ours, bare = (_together(spent, prefix) for prefix in ("", "bare "))
    times.at_most("zygote and child, over the bare ones", by_rounds(ours, bare), 1.15)
    return [times, found]


def _together(spent: dict[str, list[float]], prefix: str) -> list[float]:
    both = zip(spent[f"{prefix}zygote"], spent[f"{prefix}child"], strict=True)
    return [zygote_ms + child_ms for zygote_ms, child_ms in both]


async def _ours(node: Node, spent: dict[str, list[float]], faults: dict[str, list[float]]) -> None:
    zygote = node.placement.bundles()[0].pid
    assert zygote is not None
    began = proc.use(os.getpid()).cpu_s, proc.use(zygote).cpu_s, proc.faults(zygote)
    async with node.kept(COUNT):
        _note(spent, "front", proc.use(os.getpid()).cpu_s - began[0])
        _note(spent, "zygote", proc.use(zygote).cpu_s - began[1])
        faults.setdefault("zygote", []).append((proc.faults(zygote) - began[2]) / COUNT)
        await asyncio.sleep(0.5)
        _children(list(proc.below(zygote)), "child", spent, faults)


def _bare(zygote: BareZygote, spent: dict[str, list[float]], faults: dict[str, list[float]]) -> None:
    cpu_s, count = proc.use(zygote.pid).cpu_s, proc.faults(zygote.pid)
    pids = zygote.keep(COUNT)
    _note(spent, "bare zygote", proc.use(zygote.pid).cpu_s - cpu_s)
    faults.setdefault("bare zygote", []).append((proc.faults(zygote.pid) - count) / COUNT)
    time.sleep(0.3)
    _children(pids, "bare child", spent, faults)
    zygote.end_kept()


def _note(spent: dict[str, list[float]], name: str, cpu_s: float) -> None:
    spent.setdefault(name, []).append(cpu_s / COUNT * 1000)


def _children(
    pids: list[int], name: str, spent: dict[str, list[float]], faults: dict[str, list[float]]
) -> None:
    spent.setdefault(name, []).append(statistics.median(proc.use(pid).cpu_s for pid in pids) * 1000)
    faults.setdefault(name, []).append(statistics.median(proc.faults(pid) for pid in pids))
