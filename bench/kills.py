"""Random kills: the front, the init, a zygote, the whole tree, and TERM, while calls with ids come in.

Afterwards the journal and what the agents wrote are compared with what the callers were answered: no accepted
call without a run or an end that says why, no id with two sessions, and of what was killed nothing alive
after two seconds, nor after what a front without its init gives its sessions to end.
"""

from __future__ import annotations

import http.client
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

import psutil

from bench.proc import free_port
from bench.report import Effort, Report
from runtime.session.journal.rows import SESSIONS

KILLS: Final = 200
GONE_S: Final = 2.0
DRAIN_S: Final = 1
WAYS: Final = ("front", "init", "zygote", "tree", "TERM")
_CALLERS: Final = 6
_SETTLE_S: Final = 90.0
_READY_S: Final = 60.0

AGENT = """
import asyncio, os
from runtime.sdk import ServiceHost
service = ServiceHost()

@service.path("/job", identity="job")
class Job:
    async def start(self, *, room):
        told = self.arguments["id"]
        with open(os.path.join(os.path.dirname(__file__), "..", "told", "ran"), "a") as file:
            file.write(told + chr(10))
        self.leaving = asyncio.create_task(self.leave(room, int(told.partition("-")[2]) % 5 * 0.3))
    async def leave(self, room, after_s):
        await asyncio.sleep(after_s)
        await room.__aexit__(None, None, None)
    async def stop(self): ...

asyncio.run(service.run())
"""


class Tree:
    """`bulkhead serve`, started again whenever it is gone."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        (folder / "agents").mkdir()
        (folder / "told").mkdir()
        (folder / "agents" / "job.py").write_text(AGENT)
        self.process = self._started()
        self.ready_s()

    def _started(self) -> subprocess.Popen[bytes]:
        env = {**os.environ, "BULKHEAD_HISTORY_COUNT": "100000", "BULKHEAD_DRAIN_S": str(DRAIN_S)}
        env["BULKHEAD_CONFINEMENT_WRITE"] = str(self.folder / "told")
        argv = [sys.executable, "-m", "runtime", "serve", str(self.folder / "agents"), "--no-watch"]
        argv += ["--port", str(self.port), "--state-dir", str(self.folder / "state")]
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(argv, env=env, stdout=log, stderr=log, start_new_session=True)

    def ready_s(self) -> float:
        """Seconds until it takes calls; started when it is not running."""
        began = time.monotonic()
        while time.monotonic() < began + _READY_S:
            if self.process.poll() is not None:
                self.process = self._started()
            status, _ = _ask(self.port, "GET", "/readyz")
            if status == 200:
                return time.monotonic() - began
            time.sleep(0.05)
        raise SystemExit(f"bench: not ready {_READY_S:g} s after a kill; see {self.folder / 'log'}")

    def kill(self, way: str) -> tuple[float, int]:
        """Kill it in one way; seconds until all that this ends is gone, and how many are left after two."""
        init = psutil.Process(self.process.pid)
        fronts = init.children()
        below = [one for front in fronts for one in _children(front)]
        zygotes = [one for one in below if "boot.py" in _title(one)]
        all_of_it = [init, *fronts, *below]
        if way == "zygote":
            doomed = [random.choice(zygotes)] if zygotes else []
            _send(doomed, signal.SIGKILL)
        elif way == "front":
            doomed = [*fronts, *below]
            _send(fronts, signal.SIGKILL)
        elif way == "tree":
            doomed = all_of_it
            _send(all_of_it, signal.SIGKILL)
        else:
            doomed = all_of_it
            _send([init], signal.SIGTERM if way == "TERM" else signal.SIGKILL)
            if way == "TERM":
                self.process.wait(60)
        began = time.monotonic()
        while time.monotonic() < began + 15:
            self.process.poll()
            left = [one for one in doomed if _is_alive(one)]
            if not left:
                return time.monotonic() - began, 0
            if time.monotonic() > began + GONE_S + (DRAIN_S if way == "init" else 0):
                return time.monotonic() - began, len(left)
            time.sleep(0.01)
        return 15.0, len(left)

    def end(self) -> None:
        self.process.terminate()
        self.process.wait(60)


def run(effort: Effort) -> list[Report]:
    count = effort.given or effort.count(KILLS, 20)
    report = Report("kills", f"{count} kills at random while calls with ids come in", "s")
    with tempfile.TemporaryDirectory(prefix="bulkhead-kills-") as name:
        folder = Path(name)
        tree = Tree(folder)
        answers: list[tuple[str, int, str]] = []
        over = threading.Event()
        callers = [
            threading.Thread(target=_calling, args=(tree.port, f"c{number}", answers, over))
            for number in range(_CALLERS)
        ]
        for caller in callers:
            caller.start()
        gone, ready, left = defaultdict[str, list[float]](list), list[float](), Counter[str]()
        for number in range(count):
            time.sleep(random.uniform(0.2, 2.0))
            way = WAYS[number % len(WAYS)]
            took_s, still = tree.kill(way)
            gone[way].append(took_s)
            left[way] += still
            ready.append(tree.ready_s())
            print(
                f"  {number + 1:>4} {way:<7} gone {took_s:.2f} s, left {still}, ready {ready[-1]:.2f} s",
                flush=True,
            )
        over.set()
        for caller in callers:
            caller.join()
        _settled(tree)
        tree.end()
        _compare(report, folder, answers)
    for way, values in gone.items():
        report.times(f"{way} killed: all of it gone", values)
    report.times("ready again", ready)
    report.at_most("alive two seconds after a kill", sum(left.values()), 0, "processes")
    return [report]


def _compare(report: Report, folder: Path, answers: list[tuple[str, int, str]]) -> None:
    ran = Counter((folder / "told" / "ran").read_text().split())
    with closing(sqlite3.connect(folder / "state" / "journal.sqlite3")) as db:
        records = SESSIONS.read(db.execute(SESSIONS.every))
    by_id = defaultdict[str, list[str]](list)
    ends = {}
    for one in records:
        by_id[one.spec.webhook_id].append(one.spec.session_id)
        ends[one.spec.webhook_id] = one.exit
    accepted = {told: session for told, status, session in answers if status in (200, 202)}
    lost = [told for told in accepted if told not in by_id]
    silent = [
        told
        for told in accepted
        if not ran[told] and (ends.get(told) is None or ends[told].reason.value in ("finished", "drained"))
    ]
    report.value("calls answered", len(answers), f"{len(accepted)} accepted, {len(records)} in the journal")
    report.value("runs", sum(ran.values()), f"{sum(n > 1 for n in ran.values())} calls ran again")
    counted = Counter(status for _, status, _ in answers)
    report.notes.append("answers: " + ", ".join(f"{n} × {status or 'none'}" for status, n in counted.items()))
    report.notes += [
        f"without a run or an end that says why: {told}: {ends.get(told)}" for told in silent[:5]
    ]
    report.at_most("accepted, and not in the journal", len(lost), 0, "calls")
    report.at_most("accepted, without a run or an end that says why", len(silent), 0, "calls")
    report.at_most("ids with two sessions", sum(len(one) > 1 for one in by_id.values()), 0, "ids")
    other = sum(session not in by_id[told] for told, session in accepted.items() if told in by_id)
    report.at_most("ids answered with another session", other, 0, "ids")


def _calling(port: int, name: str, answers: list[tuple[str, int, str]], over: threading.Event) -> None:
    """Send calls, each until it is answered; what says to try again is tried again with the same id."""
    for number in range(1_000_000):
        told = f"{name}-{number}"
        status, session = 0, ""
        while not over.is_set():
            data = {"room_name": f"room{number % 7}", "arguments": {"id": told}}
            body = json.dumps({"event": "room.call", "data": data}).encode()
            prefer = {"Prefer": "wait=5"} if number % 2 else {}
            headers = {"Content-Type": "application/json", "Webhook-Id": told, **prefer}
            status, answer = _ask(port, "POST", "/job", body, headers)
            session = str(answer.get("session", ""))
            if status not in (0, 429, 503):
                break
            over.wait(0.1)
        answers.append((told, status, session))
        if over.wait(0.2):
            return


def _settled(tree: Tree) -> None:
    """Wait until every session has an end."""
    deadline = time.monotonic() + _SETTLE_S
    while time.monotonic() < deadline:
        status, answer = _ask(tree.port, "GET", "/workers")
        if status == 200 and not answer["workers"]:
            return
        time.sleep(0.2)


def _ask(
    port: int, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None
) -> tuple[int, dict[str, object]]:
    """Status and answer; 0 when there was none."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request(method, path, body or None, headers or {})
        answer = connection.getresponse()
        raw = answer.read()
    except (OSError, http.client.HTTPException):
        return 0, {}
    finally:
        connection.close()
    return answer.status, json.loads(raw) if raw.startswith(b"{") else {}


def _is_alive(one: psutil.Process) -> bool:
    try:
        return bool(one.is_running() and one.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:  # between the two
        return False


def _children(process: psutil.Process) -> Iterator[psutil.Process]:
    try:
        yield from process.children(recursive=True)
    except psutil.NoSuchProcess:
        return


def _title(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def _send(processes: list[psutil.Process], number: signal.Signals) -> None:
    for process in processes:
        try:
            process.send_signal(number)
        except psutil.NoSuchProcess:
            continue
