"""Three nodes and a server by their commands on this machine, against a server without any in the same run.

Runs by name alone: ``make bench ARGS=cluster``.  All of them share the processors here, so what nodes gain by
theirs is not seen; what going over the engine costs is, and how soon what was lost is back.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

import psutil

from bench.client import Client
from bench.proc import free_port, use
from bench.report import Effort, Report
from bench.rounds import by_rounds
from bench.server import AGENT, RunningServer, running_server, signed_call

NODES: Final = ("n1", "n2", "n3")
STORM: Final = 200
ON_ONE: Final = 50
IDLE_S: Final = 10.0
_WAIT_S: Final = 60.0


def run(effort: Effort) -> list[Report]:
    """Calls, a storm, and what happens when a node, the engine or nothing at all fails."""
    with running_cluster() as cluster, running_server(supervisor__max_starting=STORM + 8) as one:
        cluster.server.call()
        one.call()
        return [
            _idle(cluster, one),
            _calls(cluster, one, effort),
            asyncio.run(_storms(cluster, one, effort)),
            _killed(cluster),
            _frozen(cluster, effort),
            _drained(cluster),
            asyncio.run(_without_engine(cluster)),
        ]


class Feed:
    """What a server tells in ``/events``, with the moment at which it came."""

    def __init__(self, server: RunningServer) -> None:
        self.seen: list[tuple[float, dict[str, Any]]] = []
        self._news = threading.Condition()
        self._connection = http.client.HTTPConnection("127.0.0.1", server.port)
        self._connection.request("GET", "/events", None, server.operator)
        self._answer = self._connection.getresponse()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        while line := self._answer.readline():
            if line.startswith(b"data:"):
                with self._news:
                    self.seen.append((time.perf_counter(), json.loads(line[5:])))
                    self._news.notify_all()

    def until(self, found: Callable[[], Any]) -> Any:
        """Wait until something was told; None when it was not within a minute."""
        with self._news:
            self._news.wait_for(found, _WAIT_S)
            return found()

    def of(self, kind: str, since: float, **wanted: Any) -> list[tuple[float, dict[str, Any]]]:
        """Events of a kind, by what they have."""
        return [
            (at, one)
            for at, one in list(self.seen)
            if at >= since and one.get("type") == kind and wanted.items() <= one.items()
        ]


class Cluster:
    """An engine, a server and nodes, each started by its command."""

    def __init__(self, folder: Path, parts: ExitStack) -> None:
        self._folder, self._parts = folder, parts
        self._listen = f"127.0.0.1:{free_port()}"
        self._env = {**os.environ, "BULKHEAD_LOG_LEVEL": "error", "BULKHEAD_CLUSTER_LISTEN": self._listen}
        url, join = folder / "url", folder / "join"
        words = ["engine", "--state-dir", str(folder / "engine"), "--host", "127.0.0.1"]
        self.engine = self._started(*words, "--url-file", str(url), "--join-file", str(join))
        _until(join.exists)
        self._env |= {"BULKHEAD_JOIN_FILE": str(join), "BULKHEAD_SUPERVISOR_MAX_STARTING": str(STORM + 8)}
        (folder / "front").mkdir()
        self.nodes: dict[str, subprocess.Popen[bytes]] = {}
        agents = folder / "front" / "agents"
        agents.mkdir()
        (agents / "bench.py").write_text(AGENT)
        for name in NODES:
            state = str(folder / name)
            self.nodes[name] = self._started("node", str(agents), "--id", name, "--state-dir", state)
        knobs = {"cluster__nodes": True, "cluster__url": url.read_text()}
        knobs["supervisor__max_starting"] = STORM + 8
        self.server = RunningServer(folder / "front", "", **knobs)
        parts.callback(self.server.close)
        _until(lambda: len([one for one in self.listed().values() if one["code"]]) == len(NODES))
        self.feed = Feed(self.server)

    def _started(self, *words: str) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-m", "runtime", *words],
            env=self._env,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._parts.callback(_end, process)
        return process

    def program(self, name: str) -> int:
        """The process of a node that runs its sessions; its init started it."""
        (child,) = psutil.Process(self.nodes[name].pid).children()
        return int(child.pid)

    def listed(self) -> dict[str, dict[str, Any]]:
        """The nodes as the server shows them."""
        status, answer = self.server.request("GET", "/nodes")
        return {one["name"]: one for one in answer["nodes"]} if status == 200 else {}

    def fill(self, name: str, count: int) -> set[str]:
        """Call until a node has so many sessions; those that it has."""
        while len(mine := self.on(name)) < count:
            asyncio.run(_storm(self.server, 3 * (count - len(mine)), f"fill{time.monotonic_ns()}"))
        return mine

    def on(self, name: str) -> set[str]:
        """The sessions of a node."""
        return {one["id"] for one in self.server.workers() if one["node"] == name}

    def clear(self) -> None:
        """End all sessions."""
        asyncio.run(_ended(self.server, [one["id"] for one in self.server.workers()]))


@contextmanager
def running_cluster() -> Iterator[Cluster]:
    """Everything, ended again."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as parts:
        yield Cluster(Path(folder), parts)


def _idle(cluster: Cluster, one: RunningServer) -> Report:
    report = Report("cluster_idle", f"what nobody uses, for {IDLE_S:g} s", "% of a core")
    engine = psutil.Process(cluster.engine.pid)
    nats = next(one.pid for one in engine.children(recursive=True) if "nats" in one.name())
    pids = {"a node": cluster.program("n1"), "its server": cluster.server.pid, "nats-server": nats}
    pids["a server without nodes"] = one.pid
    before = {name: use(pid).cpu_s for name, pid in pids.items()}
    time.sleep(IDLE_S)
    for name, pid in pids.items():
        report.value(name, 100 * (use(pid).cpu_s - before[name]) / IDLE_S)
    node, *_, alone = report.rows
    report.at_most("a node beyond a server without nodes", node.p50 - alone.p50, 0.5, "%")
    return report


def _calls(cluster: Cluster, one: RunningServer, effort: Effort) -> Report:
    report = Report("cluster_calls", "from a call to Ready, by turns", "ms")
    took: dict[str, list[float]] = {"over the engine": [], "on one machine": []}
    for _ in range(effort.count(60, 15)):
        for name, server in zip(took, (cluster.server, one), strict=True):
            began = time.perf_counter()
            session = server.call()
            took[name].append(1000 * (time.perf_counter() - began))
            server.request("DELETE", f"/workers/{session}")
    over, alone = (report.times(name, found) for name, found in took.items())
    report.at_most("more than on one machine", over - alone, 5, "ms")
    return report


async def _storms(cluster: Cluster, one: RunningServer, effort: Effort) -> Report:
    report = Report("cluster_storm", f"storm of {STORM} webhooks: all of them ready in their rooms", "s")
    took: dict[str, list[float]] = {"over three nodes": [], "on one machine": []}
    spread = Counter[str]()
    for number in range(effort.count(3, 1)):
        for name, server in zip(took, (cluster.server, one), strict=True):
            began = time.perf_counter()
            sessions = await _storm(server, STORM, f"{name}{number}")
            took[name].append(time.perf_counter() - began)
            if server is cluster.server:
                spread = Counter(found["node"] for found in server.workers())
            await _ended(server, sessions)
    for name, found in took.items():
        report.times(name, found)
    report.notes.append(f"the last one was spread as {dict(sorted(spread.items()))}")
    report.at_most("against one machine", by_rounds(*took.values()), 1.25)
    return report


def _killed(cluster: Cluster) -> Report:
    report = Report("cluster_killed", f"kill -9 of a node with {ON_ONE} sessions", "s")
    hit = cluster.fill("n2", ON_ONE)
    running = {one["id"] for one in cluster.server.workers()}
    began = time.perf_counter()
    os.kill(cluster.program("n2"), signal.SIGKILL)
    back = cluster.feed.until(lambda: _back(cluster.feed, began, hit))
    lost = cluster.feed.of("node.lost", began, node="n2")
    report.value("sessions that it had", len(hit))
    report.at_most("shown as lost", lost[0][0] - began if lost else None, 1.5, "s")
    report.at_most("all ready again", back - began if back else None, 4, "s")
    joined = len(cluster.feed.of("room.participant_joined", began, participant="bench"))
    left = len(cluster.feed.of("room.participant_left", began, participant="bench"))
    report.notes.append(f"rooms saw {left} leave and {joined} come")
    _nothing_lost(report, cluster, running)
    _until(lambda: cluster.listed()["n2"]["state"] == "ready" and cluster.listed()["n2"]["code"])
    cluster.clear()
    return report


def _frozen(cluster: Cluster, effort: Effort) -> Report:
    report = Report("cluster_frozen", "a node that stands still: its init, its program, its sessions", "s")
    found = [_stood_still(cluster) for _ in range(effort.count(5, 1))]
    report.times("suspect", [doubted_s for doubted_s, _ in found])
    report.at_most("suspect, at worst", max(doubted_s for doubted_s, _ in found), 2, "s")
    report.at_most("old processes a second after it goes on", sum(left for _, left in found), 0, "")
    return report


def _stood_still(cluster: Cluster) -> tuple[float, int]:
    """After how long it was doubted, and how many of its old processes run a second after it goes on."""
    hit = cluster.fill("n3", 10)
    of = {one["id"]: one["pid"] for one in cluster.server.workers() if one["id"] in hit}
    tree = [psutil.Process(cluster.nodes["n3"].pid)]
    tree += tree[0].children(recursive=True)
    began = time.perf_counter()
    for one in tree:
        one.suspend()
    cluster.feed.until(lambda: cluster.feed.of("node.suspect", began, node="n3"))
    doubted_s = cluster.feed.of("node.suspect", began, node="n3")[0][0] - began
    # Its processes cannot end as long as they stand still: what counts is that none goes on afterwards.
    cluster.feed.until(lambda: _back(cluster.feed, began, hit))
    for one in tree:
        if one.is_running():
            one.resume()
    time.sleep(1.0)
    left = sum(_runs(pid) for pid in of.values())
    _until(lambda: cluster.listed().get("n3", {}).get("state") == "ready")
    cluster.clear()
    return doubted_s, left


def _drained(cluster: Cluster) -> Report:
    report = Report("cluster_drained", "drain of a node", "s")
    hit = cluster.fill("n1", ON_ONE)
    running = {one["id"] for one in cluster.server.workers()}
    began = time.perf_counter()
    cluster.server.request("POST", "/nodes/n1/drain", b"{}", _json(cluster))
    back = cluster.feed.until(lambda: _back(cluster.feed, began, hit))
    report.value("sessions that it had", len(hit))
    report.at_most("all ready elsewhere", back - began if back else None, 30, "s")
    crashed = len(cluster.feed.of("session.crashed", began))
    report.at_most("counted as failed", crashed, 0, "")
    _nothing_lost(report, cluster, running)
    cluster.server.request("POST", "/nodes/n1/undrain", b"{}", _json(cluster))
    cluster.clear()
    return report


async def _without_engine(cluster: Cluster) -> Report:
    report = Report("cluster_engine", f"kill -9 of the engine, three times in a storm of {STORM}", "s")
    began = time.perf_counter()
    storm = asyncio.create_task(_storm(cluster.server, STORM, "engine"))
    for _ in range(3):
        engine = psutil.Process(cluster.engine.pid)
        for one in engine.children(recursive=True):
            if "nats" in one.name():
                one.kill()
        await asyncio.sleep(2.0)
    sessions = await storm
    report.value("all ready", time.perf_counter() - began)
    report.value("answered as ready", len(sessions))
    cluster.feed.until(lambda: _ready(cluster) >= STORM)
    report.at_most("calls lost", STORM - _ready(cluster), 0, "")
    report.at_most("nodes declared lost", len(cluster.feed.of("node.lost", began)), 0, "")
    return report


def _back(feed: Feed, since: float, hit: set[str]) -> float:
    """When the last of these was ready again; 0 as long as one is not."""
    ready = {one["session"]: at for at, one in feed.of("session.ready", since) if one["session"] in hit}
    return max(ready.values()) if hit and ready.keys() == hit else 0.0


def _ready(cluster: Cluster) -> int:
    return sum(one["state"] == "ready" for one in cluster.server.workers())


def _nothing_lost(report: Report, cluster: Cluster, running: set[str]) -> None:
    found = Counter(one["id"] for one in cluster.server.workers() if one["state"] == "ready")
    report.at_most("sessions lost", len(running - found.keys()), 0, "")
    pids = Counter[str]()
    for name in NODES:
        for child in psutil.Process(cluster.nodes[name].pid).children(recursive=True):
            title = " ".join(_words(child))
            pids.update(session for session in running if session in title)
    report.at_most("run twice", sum(count > 1 for count in pids.values()), 0, "")


async def _storm(server: RunningServer, count: int, name: str) -> list[str]:
    client, calls = Client(server.port), []
    for each in range(count):
        body, headers = signed_call(f"storm-{each % 20}", {"n": f"{name}-{each}"})
        calls.append(client.post("/bench", body, headers | {"prefer": "wait=60"}))
    answers = await asyncio.gather(*calls)
    bad = {str(answer) for status, answer in answers if status != 200}
    if bad:
        print(f"bench: some of {count} calls were not answered by an agent:", *bad, sep="\n  ", flush=True)
    return [answer["session"] for status, answer in answers if status == 200]


async def _ended(server: RunningServer, sessions: list[str]) -> None:
    client = Client(server.port)
    await asyncio.gather(*(client.delete(f"/workers/{one}", server.operator) for one in sessions))


def _json(cluster: Cluster) -> dict[str, str]:
    return {**cluster.server.operator, "content-type": "application/json"}


def _words(process: psutil.Process) -> list[str]:
    try:
        return list(process.cmdline())
    except psutil.Error:
        return []


def _runs(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


def _until(found: Callable[[], Any]) -> None:
    deadline = time.monotonic() + _WAIT_S
    while not found():
        if time.monotonic() > deadline:
            raise SystemExit("bench: what was waited for did not come within a minute")
        time.sleep(0.05)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(60)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
