"""Signed posts that one front answers a second, against plain Quart and bare ASGI on the same server.

The posts start nothing: ``room.started``, which is verified, parsed, counted and answered.  The server has
one core to itself, the load another.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from bench.client import packet
from bench.proc import free_port
from bench.report import Effort, Report
from bench.rounds import by_rounds
from bench.server import SECRET, running_server
from runtime.wire.signature import meshagent_signature

CONNECTIONS = 32
NAMES = {"quart": "plain Quart on hypercorn", "asgi": "bare ASGI on hypercorn"}


def run(effort: Effort) -> list[Report]:
    """Answers a second; medians of rounds in which every contender has its turn."""
    seconds, rounds = (3.0, 5) if not effort.quick else (1.5, 2)
    report = Report("webhooks", "signed webhook posts answered, one front", "per s")
    found: dict[str, list[float]] = {}
    tails: dict[str, float] = {}
    with running_server() as server, _contender("quart") as quart, _contender("asgi") as asgi:
        _pin(server.pid, 0)
        ports = {"bulkhead": server.port, NAMES["quart"]: quart, NAMES["asgi"]: asgi}
        for port in ports.values():
            _load(port, 0.5)
        for _ in range(rounds):
            for name, port in ports.items():
                answer = _load(port, seconds)
                found.setdefault(name, []).append(answer["per_s"])
                tails[name] = answer["p99_ms"]
                if answer["bad"]:
                    report.notes.append(f"{name}: {answer['bad']:.0f} answers were not 200")
    for name, values in found.items():
        report.times(name, values, f"p99 latency {tails[name]:.1f} ms")
    ours = found["bulkhead"]
    report.at_least("over plain Quart", by_rounds(ours, found[NAMES["quart"]]), 1.6)
    report.at_least("over bare ASGI on hypercorn", by_rounds(ours, found[NAMES["asgi"]]), 1)
    return [report]


def _load(port: int, seconds: float) -> dict[str, float]:
    argv = [sys.executable, "-m", "bench.load", str(port), str(seconds), str(CONNECTIONS)]
    core = _last_core()
    ran = subprocess.run(
        ["taskset", "-c", str(core), *argv], input=request(), stdout=subprocess.PIPE, check=True
    )
    answer: dict[str, float] = json.loads(ran.stdout)
    return answer


def request() -> bytes:
    """One signed post that starts nothing, as long as a usual call."""
    data = {"room_name": "bench", "room_url": "ws://127.0.0.1:9/rooms/bench", "token": "t" * 400}
    body = json.dumps({"event": "room.started", "data": data}).encode()
    headers = {"content-type": "application/json", "meshagent-signature": meshagent_signature(body, SECRET)}
    return packet("POST", "/bench", body, headers)


def _last_core() -> int:
    return max(os.sched_getaffinity(0))


def _pin(pid: int, core: int) -> None:
    for task in os.listdir(f"/proc/{pid}/task"):
        os.sched_setaffinity(int(task), {core})


@contextmanager
def _contender(kind: str) -> Iterator[int]:
    port = free_port()
    process = subprocess.Popen([sys.executable, "-m", "bench.contenders", kind, str(port)])
    try:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            try:
                socket.create_connection(("127.0.0.1", port), 0.2).close()
                break
            except OSError:
                time.sleep(0.05)
        _pin(process.pid, 0)
        yield port
    finally:
        process.kill()
        process.wait()
