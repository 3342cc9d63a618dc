"""How late a session answers while its neighbour misbehaves: ``bulkhead chaos``, with targets."""

from __future__ import annotations

import os

from bench.report import Effort, Report, Row
from bench.server import SECRET, running_server
from runtime.cli.api import Api
from runtime.cli.session.chaos import BURNERS, FAULTS, Run

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
QUICK = ("raise", "segfault", "alloc", "flood")


def run(effort: Effort) -> list[Report]:
    """One row for each fault; asked every 10 ms, whatever came back (an open loop)."""
    os.environ["BULKHEAD_WEBHOOK_SECRET"] = SECRET
    report = Report("siblings", "sibling's answer to a ping each 10 ms, under each fault", "ms")
    lost, calm_ms, burning_ms = 0, 0.0, 0.0
    with running_server(AGENTS) as server, Run(
        Api(f"http://127.0.0.1:{server.port}", timeout_s=90), "/bench", "/sibling"
    ) as chaos:  # fmt: skip
        report.rows.append(_quiet(chaos))
        for fault in QUICK if effort.quick else FAULTS:
            one = chaos.fault(fault)
            ended = f"{one.reason or 'NOT ENDED'} after {one.after_s:.2f} s"
            report.rows.append(Row(fault, one.p50_ms, one.p99_ms, ended))
            lost += one.lost
            if not one.reason:
                report.notes.append(f"{fault}: its victim was not ended within a minute")
            if fault in BURNERS - {"alloc"}:
                burning_ms = max(burning_ms, one.p99_ms)
            else:
                calm_ms = max(calm_ms, one.p99_ms)
    report.at_most("answers lost", lost, 0, "of them")
    report.at_most("worst p99, crashes and memory", calm_ms, 5, "ms")
    report.at_most("worst p99, processor burners", burning_ms, 50, "ms")
    return [report]


def _quiet(chaos: Run) -> Row:
    return Row("quiet", chaos.quiet_p50_ms, chaos.quiet_p99_ms)
