"""How late a session answers while its neighbour misbehaves: ``bulkhead chaos``, with targets."""

from __future__ import annotations

import os

from bench.report import Effort, Report, Row, ratio
from bench.server import SECRET, running_server
from runtime.cli.api import Api
from runtime.cli.session.chaos.faults import FAULTS, Run

AGENTS = """
import asyncio
from runtime.sdk import ServiceHost
service = ServiceHost()

class Quiet:
    async def start(self, *, room): ...
    async def stop(self): ...

@service.path("/bench", identity="bench")
class Victim(Quiet): ...

@service.path("/sibling", identity="sibling")
class Sibling(Quiet): ...

asyncio.run(service.run())
"""
BOUNDS_MS = {"alloc": 5, "forkbomb": 15}
OTHERS = "any other"
QUICK = ("raise", "segfault", "alloc", "flood")


def run(effort: Effort) -> list[Report]:
    """One row for each fault; asked every 10 ms, whatever came back (an open loop)."""
    os.environ["BULKHEAD_WEBHOOK_SECRET"] = SECRET
    report = Report("siblings", "sibling's answer to a ping each 10 ms, under each fault", "ms")
    lost, worst_ms = 0, dict[str, float]()
    with running_server(AGENTS) as server, Run(
        Api(f"http://127.0.0.1:{server.port}", server.key, timeout_s=90), "/bench", "/sibling"
    ) as chaos:  # fmt: skip
        quiet_ms = chaos.quiet_p99_ms
        report.rows.append(_quiet(chaos))
        for fault in QUICK if effort.quick else FAULTS:
            one = chaos.fault(fault)
            ended = f"{one.reason or 'NOT ENDED'} after {one.after_s:.2f} s"
            report.rows.append(Row(fault, one.p50_ms, one.p99_ms, ended))
            lost += one.lost
            if not one.reason:
                report.notes.append(f"{fault}: its victim was not ended within a minute")
            name = fault if fault in BOUNDS_MS else OTHERS
            worst_ms[name] = max(worst_ms.get(name, 0.0), one.p99_ms)
    report.at_most("answers lost", lost, 0, "of them")
    for name, most_ms in BOUNDS_MS.items():
        report.at_most(f"p99, {name}", worst_ms.get(name), most_ms, "ms", quiet=quiet_ms < most_ms)
    worst = worst_ms.get(OTHERS)
    report.at_most("worst p99 of any other, over the quiet row", ratio(worst, quiet_ms), 3)
    return [report]


def _quiet(chaos: Run) -> Row:
    return Row("quiet", chaos.quiet_p50_ms, chaos.quiet_p99_ms)
