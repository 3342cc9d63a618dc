"""Two hundred sessions asked for at once."""

from __future__ import annotations

import asyncio
import time

import structlog

from bench.bare_zygote import BareZygote
from bench.client import Client
from bench.node import running_node
from bench.report import Effort, Report
from bench.rival import rivals
from bench.rounds import by_rounds
from bench.server import running_server, signed_call

COUNT = 200


def run(effort: Effort) -> list[Report]:
    """At the placement, against a bare zygote and LiveKit; and as webhooks, until all are ready in a room."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    return [asyncio.run(_placed(effort)), asyncio.run(_called(effort))]


async def _placed(effort: Effort) -> Report:
    report = Report("storm", f"storm of {COUNT}: all of them run their own code", "s")
    ours, bare = list[float](), list[float]()
    zygote = BareZygote()
    async with running_node() as node:
        for _ in range(effort.count(5, 2)):
            ours.append(await node.storm_s(COUNT))
            bare.append(await asyncio.to_thread(zygote.storm_s, COUNT))
    zygote.close()
    report.times("bulkhead", ours)
    report.times("bare zygote", bare)
    if not effort.quick:
        pools = {"LiveKit": ("--idle", "2"), "LiveKit, preload_modules": ("--idle", "2", "--preload")}
        for name, options in pools.items():  # one after the other: each takes the whole machine
            with rivals(**{name: options}) as pool:
                if pool:
                    took = await asyncio.to_thread(pool[name].ask, "storm", COUNT)
                    report.value(name, took["all_s"], f"{took['ready']} of {COUNT} ready")
    report.at_most("over the bare zygote", by_rounds(ours, bare), 1.6)
    return report


async def _called(effort: Effort) -> Report:
    report = Report("storm_webhooks", f"storm of {COUNT} webhooks: all of them ready in their rooms", "s")
    took, bare = list[float](), list[float]()
    zygote = BareZygote()
    with running_server(supervisor__max_starting=COUNT + 8) as server:
        server.call()
        for number in range(effort.count(3, 1)):
            client = Client(server.port)
            began = time.perf_counter()
            calls = []
            for each in range(COUNT):
                body, headers = signed_call(f"storm-{number}-{each % 20}", {"n": f"{number}-{each}"})
                calls.append(client.post("/bench", body, headers | {"prefer": "wait=60"}))
            answers = await asyncio.gather(*calls)
            took.append(time.perf_counter() - began)
            bad = [status for status, _ in answers if status != 200]
            if bad:
                report.notes.append(f"{len(bad)} of {COUNT} were answered {sorted(set(bad))}")
            called = [answer["session"] for status, answer in answers if status == 200]
            await asyncio.gather(*(client.delete(f"/workers/{one}", server.operator) for one in called))
            bare.append(await asyncio.to_thread(zygote.storm_s, COUNT))
    zygote.close()
    report.times("bulkhead, webhook to ready", took)
    report.times("bare zygote", bare)
    report.at_most("over the bare zygote", by_rounds(took, bare), 1.8)
    return report
