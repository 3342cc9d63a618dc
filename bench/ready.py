"""From a webhook to an agent in its room, against the least that any such way must cost.

The least is the sum of three things measured in the same run, in turn with what they are compared to: a bare
fork from a zygote, one HTTP request to the same server, one websocket join of the same room.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from bench.bare_zygote import BareZygote
from bench.report import Effort, Report, ratio
from bench.server import SECRET, running_server
from runtime.rooms.token import mint
from runtime.sdk.room.client import RoomClient, WebSocketClientProtocol


def run(effort: Effort) -> list[Report]:
    """With and without parked children."""
    rounds = effort.count(100, 25)
    return [_report(name, rounds, max_parked) for name, max_parked in (("parked", 2), ("not parked", 0))]


def _report(name: str, rounds: int, max_parked: int) -> Report:
    times: dict[str, list[float]] = {"webhook to ready": [], "bare fork": [], "http request": []}
    times["room join"] = []
    zygote = BareZygote()
    with running_server(supervisor__max_parked=max_parked) as server:
        server.call()
        # Interleaved, so that a change of the machine's mood meets them all.
        for _ in range(rounds):
            times["bare fork"].append(zygote.start_ms())
            times["http request"].append(_timed(lambda: server.request("GET", "/livez")))
            times["room join"].append(asyncio.run(_join_ms(server.port)))
            began = time.perf_counter()
            session = server.call()
            times["webhook to ready"].append((time.perf_counter() - began) * 1000)
            server.request("DELETE", f"/workers/{session}")
            time.sleep(0.1)  # ten starts a second, so that refilling what is parked is part of the picture
    zygote.close()
    key = "ready_" + name.replace(" ", "_")
    report = Report(key, f"webhook → Ready in the embedded room, child {name}", "ms")
    p50 = {row: report.times(row, ms) for row, ms in times.items()}
    limit = report.value("limit: fork + request + join", sum(p50.values()) - p50["webhook to ready"])
    report.at_most("over the sum of the three", ratio(p50["webhook to ready"], limit), 2)
    report.at_most("p99 at 10 starts a second", report.rows[0].p99, 50, "ms")
    return report


def _timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) * 1000


async def _join_ms(port: int) -> float:
    url = f"ws://127.0.0.1:{port}/rooms/bench"
    token = mint("bench-user", room="bench", secret=SECRET, role="user")
    began = time.perf_counter()
    async with RoomClient(protocol=WebSocketClientProtocol(url=url, token=token)):
        return (time.perf_counter() - began) * 1000
