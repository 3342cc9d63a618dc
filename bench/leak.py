"""Thousands of short sessions, and what the front still has of them afterwards."""

from __future__ import annotations

import asyncio
import time

from bench import proc
from bench.client import Client
from bench.report import Effort, Report
from bench.server import RunningServer, running_server, signed_call

WARM_UP = 1200
"""Sessions after which everything that is kept on purpose (records, log lines) is as large as it gets."""
IN_FLIGHT = 8
MIB = 1 << 20


def run(effort: Effort) -> list[Report]:
    """Growth of the front's descriptors, threads, memory, and processes that nobody reaped."""
    count = effort.count(5000, 300)
    report = Report("leak", f"what is left of {count} short sessions", "count")
    with running_server(server__history_count=200) as server:
        asyncio.run(_run(server, effort.count(WARM_UP, 200), "w"))
        before = _held(server)
        began = time.perf_counter()
        asyncio.run(_run(server, count, "m"))
        took_s = time.perf_counter() - began
        after = _held(server)
    report.notes.append(f"{count / took_s:.0f} sessions a second, called, ready in their room, and stopped")
    grown = {name: after[name] - before[name] for name in before}
    for name in ("descriptors", "threads", "processes", "zombies"):
        report.value(name, grown[name], f"{before[name]:.0f} before")
        report.at_most(f"more {name}", grown[name], 0, "of them")
    report.value("own memory, KiB", grown["memory"] / 1024, f"{before['memory'] / MIB:.1f} MiB before")
    # A leak of one record a session would be megabytes; what is less than that is the allocator's.
    per_session = grown["memory"] / count
    report.at_most("more memory", per_session, 256, "bytes a session")
    return [report]


async def _run(server: RunningServer, count: int, kind: str) -> None:
    client, slots = Client(server.port), asyncio.Semaphore(IN_FLIGHT)

    async def one(number: int) -> None:
        async with slots:
            body, headers = signed_call(f"leak-{number % 10}", {"n": f"{kind}{number}"})
            status, answer = await client.post("/bench", body, headers | {"prefer": "wait=60"})
            if status == 200:
                await client.delete(f"/workers/{answer['session']}", server.operator)

    await asyncio.gather(*(one(number) for number in range(count)))


def _held(server: RunningServer) -> dict[str, float]:
    time.sleep(15)  # connections that were closed are kept for some seconds; children are parked anew
    below = proc.below(server.pid)
    return {
        "descriptors": proc.fds(server.pid),
        "threads": proc.threads(server.pid),
        "processes": len(below),
        "zombies": sum(letter == "Z" for letter in below.values()),
        "memory": proc.memory(server.pid)[0],
    }
