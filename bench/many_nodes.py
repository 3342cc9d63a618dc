"""What a hundred nodes cost a server: real messages over a real engine, sessions that are data.

Runs by name alone: ``make bench ARGS="many_nodes 100"``.  All nodes are in one process beside it, so what is
measured is the front (this process) and the engine, not the nodes.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import psutil

from bench.proc import free_port, use
from bench.report import Effort, Report
from runtime.clock import SystemClock
from runtime.placement.cluster.engine.connection import Access, Engine, connected
from runtime.placement.cluster.engine.home import EngineHome, EngineProcess
from runtime.placement.cluster.memory import Memory
from runtime.placement.cluster.node import NodeServer
from runtime.placement.cluster.remote import RemotePlacement
from runtime.session.info import BundleInfo
from runtime.session.spec import SessionSpec, new_session_id
from tests.fakes import FakePlacement, endpoint

PER_S: Final = 200
IDLE_S: Final = 10.0
_WAIT_S: Final = 60.0
_WORD: Final = "w" * 43


def run(effort: Effort) -> list[Report]:
    """Idle, placing, and an engine that is killed."""
    return asyncio.run(_run(effort.given or effort.count(100, 30), effort.count(60, 15)))


async def _run(count: int, seconds: int) -> list[Report]:
    async with AsyncExitStack() as parts:
        folder = Path(parts.enter_context(tempfile.TemporaryDirectory()))
        home = EngineHome.opened(folder, cluster="main")
        names = [f"n{number}" for number in range(count)]
        for name in names:
            home.admit(name, _WORD)
        process = EngineProcess(home, host="127.0.0.1", port=free_port())
        await process.start()
        parts.push_async_callback(process.aclose)
        parts.enter_context(_beside(str(folder), str(process.port), *names))
        engine = Engine(home.access(process.port), name="front")
        await connected(engine)
        front = _Front(engine, folder)
        parts.push_async_callback(front.placement.aclose)
        await front.placement.start([], watch=False)
        await front.placement.adopt([])
        began = time.perf_counter()
        await _until(lambda: len(front.ready()) == count and front.placement.serves("/chat"))
        report = Report("many_nodes", f"{count} nodes, one front", "")
        report.value("s until all can be given sessions", time.perf_counter() - began)
        await _measured(report, front, process, "nobody calls", lambda: asyncio.sleep(IDLE_S))
        placed = Report(
            "many_nodes_placing", f"{PER_S} starts a second for {seconds} s on {count} nodes", "ms"
        )
        took: list[float] = []
        rss = psutil.Process().memory_info().rss
        used = await _measured(report, front, process, "placing", lambda: front.place(PER_S, seconds, took))
        placed.times("place", took)
        placed.at_most("place, p99", sorted(took)[int(len(took) * 0.99)], 30, "ms")
        placed.at_most("of a core, by the front", used[0], 60, "%")
        placed.at_most("of a core, by the engine", used[1], 15, "%")
        grown = (psutil.Process().memory_info().rss - rss) / len(took)
        placed.at_most("memory of the front, a session", grown / 1024, 1, "KiB")
        spread = front.spread()
        placed.value(
            "sessions of the fullest node, to 1 of all", max(spread.values()) * count / spread.total()
        )
        placed.value(
            "and of the emptiest", min(spread.get(name, 0) for name in names) * count / spread.total()
        )
        return [report, placed, await _rejoined(front, process, count)]


async def _measured(
    report: Report, front: _Front, process: EngineProcess, name: str, work: Callable[[], Any]
) -> tuple[float, float]:
    assert process._handle is not None
    pids = (os.getpid(), process._handle.pid)
    before, began = [use(pid).cpu_s for pid in pids], time.perf_counter()
    front.longest_s = 0.0
    await work()
    took_s = time.perf_counter() - began
    found = [100 * (use(pid).cpu_s - was) / took_s for pid, was in zip(pids, before, strict=True)]
    report.value(f"% of a core, the front, {name}", found[0])
    report.value(f"% of a core, the engine, {name}", found[1])
    report.value(f"ms that the front's loop was held at most, {name}", 1000 * front.longest_s)
    return found[0], found[1]


async def _rejoined(front: _Front, process: EngineProcess, count: int) -> Report:
    report = Report("many_nodes_engine", f"kill -9 of the engine under {count} nodes", "s")
    lost = front.lost
    assert process._handle is not None
    process._handle.send(signal.SIGKILL)
    front.longest_s, began = 0.0, time.perf_counter()
    await _until(lambda: not front.engine.is_connected)
    await _until(lambda: front.engine.is_connected and front.heard_since(began) == count)
    report.value("every node heard again", time.perf_counter() - began)
    await _until(lambda: len(front.ready()) == count)
    report.value("every node is given sessions again", time.perf_counter() - began)
    report.value("the front's loop was held at most", front.longest_s)
    report.at_most("nodes declared lost", front.lost - lost, 0, "")
    return report


class _Front:
    """A front, how long its loop was held, and which nodes it lost."""

    def __init__(self, engine: Engine, folder: Path) -> None:
        self.engine, self.longest_s, self.lost = engine, 0.0, 0
        self.placement = RemotePlacement(
            engine,
            cluster="main",
            front="f1",
            lease_s=6.0,
            clock=SystemClock(),
            memory=Memory(folder / "nodes.json"),
        )
        self._follower = self.placement._follower
        self._follower.judged.append(self._judged)
        self._follower.beaten.append(lambda name, _: self._heard_at.update({name: time.perf_counter()}))
        self._heard_at: dict[str, float] = {}
        self._ready: dict[str, asyncio.Event] = {}
        self._beside = [asyncio.create_task(self._read()), asyncio.create_task(self._feel())]

    def ready(self) -> list[Any]:
        return self._follower.ready()

    def heard_since(self, since: float) -> int:
        return sum(at > since for at in self._heard_at.values())

    def spread(self) -> Counter[str]:
        return Counter(one.node for one in self._follower.held)

    async def place(self, per_s: int, seconds: int, took: list[float]) -> None:
        running = set[asyncio.Task[None]]()
        began = time.perf_counter()
        for number in range(per_s * seconds):
            await asyncio.sleep(max(0.0, began + number / per_s - time.perf_counter()))
            running.add(task := asyncio.create_task(self._place(took)))
            task.add_done_callback(running.discard)
        await asyncio.gather(*running)

    async def _place(self, took: list[float]) -> None:
        session = new_session_id()
        where = {"room": "r", "room_url": "ws://h/rooms/r", "token": "t" * 400}
        spec = SessionSpec(session_id=session, bundle="chat", endpoint="/chat", identity="chat", **where)
        began = time.perf_counter()
        await self.placement.place(spec, 1)
        took.append(1000 * (time.perf_counter() - began))

    async def _read(self) -> None:
        async for _ in self.placement.events():
            pass

    async def _feel(self) -> None:
        while True:
            began = time.perf_counter()
            await asyncio.sleep(0.005)
            self.longest_s = max(self.longest_s, time.perf_counter() - began - 0.005)

    def _judged(self, verdict: Any, _: int) -> None:
        self.lost += verdict.state == "lost"


async def _until(found: Callable[[], Any]) -> None:
    until = time.monotonic() + _WAIT_S
    while not found():
        if time.monotonic() > until:
            raise SystemExit("bench: what was waited for did not come within a minute")
        await asyncio.sleep(0.01)


@contextmanager
def _beside(*words: str) -> Iterator[None]:
    nodes = subprocess.Popen([sys.executable, "-m", "bench.many_nodes", *words])
    try:
        yield
    finally:
        nodes.kill()
        nodes.wait()


async def _nodes(folder: Path, port: int, names: list[str]) -> None:
    home = EngineHome.opened(folder, cluster="main")
    access = home.access(port)
    for name in names:
        machine: Any = FakePlacement(listed=[endpoint("/chat")], node_id=name, max_sessions=10_000)
        machine.listed_bundles = [BundleInfo(name="chat", source="chat.py", generation=1, state="ready")]
        machine.supervisor = SimpleNamespace(boot="b1")
        engine = Engine(Access(url=access.url, user=name, password=_WORD, ca=access.ca), name=name)
        await connected(engine, _WAIT_S)
        await NodeServer(machine, engine, cluster="main").start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_nodes(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]))
