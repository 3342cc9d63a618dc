"""From a webhook to an agent in its room, against the least that any such way must cost.

The least is the sum of three things measured in the same run, in turn with what they are compared to: a bare
fork from a zygote, one HTTP request to the same server, one websocket join of the same room.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.bare_zygote import BareZygote
from runtime.rooms.token import mint
from runtime.sdk.client import RoomClient, WebSocketClientProtocol
from runtime.wire.signature import meshagent_signature

AGENT = """
import asyncio
from runtime.sdk import ServiceHost
service = ServiceHost()

@service.path("/bench", identity="bench")
class Idle:
    async def start(self, *, room): ...
    async def stop(self): ...

asyncio.run(service.run())
"""
SECRET = "a-secret-for-the-bench-and-nothing-else"


class RunningServer:
    """A server in its own process, as a user has it, with one agent that does nothing."""

    def __init__(self, folder: Path, *, max_parked: int) -> None:
        (folder / "agents").mkdir()
        (folder / "agents" / "bench.py").write_text(AGENT)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        flags = {"server.port": self.port, "server.state_dir": str(folder / "state"), "log.level": "error"}
        flags |= {"supervisor.max_parked": max_parked, "server.watch": False}
        given = {"flags": flags, "sources": [str(folder / "agents")], "config": None}
        env = {**os.environ, "BULKHEAD_WEBHOOK_SECRET": SECRET, "MESHAGENT_SECRET": SECRET}
        argv = [sys.executable, "-m", "runtime.front", json.dumps(given)]
        self._process = subprocess.Popen(argv, env=env, stdout=subprocess.DEVNULL)
        self.connection = http.client.HTTPConnection("127.0.0.1", self.port)
        self._until_ready()

    def _until_ready(self) -> None:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            try:
                if self.request("GET", "/readyz")[0] == 200:
                    return
            except OSError:
                self.connection.close()
            time.sleep(0.02)
        raise SystemExit("bench: the server did not become ready within 30 s")

    def request(
        self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> tuple[int, Any]:
        self.connection.request(method, path, body or None, headers or {})
        answer = self.connection.getresponse()
        raw = answer.read()
        return answer.status, json.loads(raw) if raw.startswith(b"{") else raw

    def call(self) -> str:
        """One signed webhook, answered when the agent is in the room; the session's id."""
        body = json.dumps({"event": "room.call", "data": {"room_name": "bench"}}).encode()
        headers = {"content-type": "application/json", "prefer": "wait=20"}
        headers["meshagent-signature"] = meshagent_signature(body, SECRET)
        status, answer = self.request("POST", "/bench", body, headers)
        if status != 200:
            raise SystemExit(f"bench: the webhook was answered {status}: {answer}")
        return str(answer["session"])

    def close(self) -> None:
        self.connection.close()
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(30)


def measure(rounds: int, *, max_parked: int) -> dict[str, list[float]]:
    """Milliseconds of each contender, interleaved so that a change of the machine's mood meets them all."""
    times: dict[str, list[float]] = {
        "webhook to ready": [],
        "bare fork": [],
        "http request": [],
        "room join": [],
    }
    with _server(max_parked) as server, _zygote() as zygote:
        server.call()
        for _ in range(rounds):
            times["bare fork"].append(zygote.start_ms())
            times["http request"].append(_timed(lambda: server.request("GET", "/livez")))
            times["room join"].append(asyncio.run(_join_ms(server.port)))
            began = time.perf_counter()
            session = server.call()
            times["webhook to ready"].append((time.perf_counter() - began) * 1000)
            server.request("DELETE", f"/workers/{session}")
            time.sleep(0.1)  # ten starts a second, so that refilling what is parked is part of the picture
    return times


def summary(times: dict[str, list[float]]) -> dict[str, Any]:
    """Medians, 99th percentiles, and the ratio of the medians to the limit."""
    rows = {
        name: {"p50_ms": round(statistics.median(ms), 2), "p99_ms": round(_p99(ms), 2)}
        for name, ms in times.items()
    }
    limit = sum(rows[name]["p50_ms"] for name in ("bare fork", "http request", "room join"))
    ratio = round(rows["webhook to ready"]["p50_ms"] / limit, 2)
    return {"rows": rows, "limit_p50_ms": round(limit, 2), "ratio_to_limit": ratio}


def _p99(values: list[float]) -> float:
    return sorted(values)[max(0, int(len(values) * 0.99) - 1)]


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


@contextmanager
def _server(max_parked: int) -> Iterator[RunningServer]:
    with tempfile.TemporaryDirectory() as folder:
        server = RunningServer(Path(folder), max_parked=max_parked)
        try:
            yield server
        finally:
            server.close()


@contextmanager
def _zygote() -> Iterator[BareZygote]:
    zygote = BareZygote()
    try:
        yield zygote
    finally:
        zygote.close()
