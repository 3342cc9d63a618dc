"""How far a fault gets: memory taken beyond a budget, a hang's stack and end, a front that is killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from bench import proc
from bench.report import Effort, Report
from bench.server import SECRET, RunningServer, running_server, signed_call
from runtime.cli.api import Api

BUDGET_BYTES = 300 << 20
MIB = 1 << 20

AGENTS = """
import asyncio, subprocess, time
from runtime.sdk import Limits, ServiceHost
service = ServiceHost()

class Quiet:
    async def start(self, *, room): ...
    async def stop(self): ...

@service.path("/bench", identity="bench", limits=Limits(memory="300MiB"))
class Victim(Quiet): ...

@service.path("/hung", identity="hung")
class Hung(Quiet):
    async def start(self, *, room):
        for apart in (False, True):
            subprocess.Popen(["sleep", "987"], start_new_session=apart)
        asyncio.get_running_loop().call_later(0.2, time.sleep, 3600)

asyncio.run(service.run())
"""


def run(effort: Effort) -> list[Report]:
    """A memory bomb, a hang, and the death of the front."""
    with running_server(AGENTS) as server:
        reports = [_bomb(server, effort), _hang(server)]
    return [*reports, _front_killed(effort)]


def _bomb(server: RunningServer, effort: Effort) -> Report:
    report = Report("bomb", "memory bomb of 200 MB/s at a budget of 300 MiB, whole tree", "MiB")
    peaks, took = list[float](), list[float]()
    for number in range(effort.count(5, 2)):
        session = server.call("bomb", n=number)
        pid = int(server.worker(session)["pid"])
        began = time.perf_counter()
        _fault(server, session, "alloc")
        peak = 0
        while time.perf_counter() - began < 20:
            try:
                peak = max(peak, proc.memory(pid)[1])
            except (FileNotFoundError, ProcessLookupError):
                break
            time.sleep(0.005)
        took.append(time.perf_counter() - began)
        peaks.append(peak / MIB)
        server.request("DELETE", f"/workers/{session}?grace_s=0")
    report.times("most it had", peaks)
    report.value("seconds from the first byte to its end", sorted(took)[len(took) // 2])
    overshoot = 100 * (max(peaks) * MIB / BUDGET_BYTES - 1)
    report.at_most("overshoot, the worst of them", overshoot, 25, "%")
    return report


def _hang(server: RunningServer) -> Report:
    """With the default deadlines: until its line is told, and until it is gone."""
    report = Report("hang", "a session that hangs: time.sleep in its event loop", "s")
    session = server.call("hang")
    pid = int(server.worker(session)["pid"])
    seen: dict[str, float] = {}
    api = Api(f"http://127.0.0.1:{server.port}", server.key)
    threading.Thread(target=_watch, args=(api, session, seen), daemon=True).start()
    time.sleep(0.3)
    began = time.monotonic()
    _fault(server, session, "sleep")
    while proc_is_there(pid) and time.monotonic() - began < 70:
        time.sleep(0.01)
    gone_s = time.monotonic() - began
    told_s = seen["told"] - began if "told" in seen else None
    if told_s is not None:
        report.value("until its line was told", told_s)
    report.value("until it was gone", gone_s)
    report.at_most("stack with file and line", told_s, 3, "s")
    report.at_most("killed", gone_s, 15, "s")
    return report


def _watch(api: Api, session: str, seen: dict[str, float]) -> None:
    for event in api.events("/events"):
        about: dict[str, Any] = event.data if isinstance(event.data, dict) else {}
        if about.get("session") == session and "<chaos>:" in json.dumps(about):
            seen.setdefault("told", time.monotonic())


def _front_killed(effort: Effort) -> Report:
    report = Report("front_killed", "front killed with SIGKILL, one session hung, with two children", "s")
    took = []
    for _ in range(effort.count(5, 2)):
        with tempfile.TemporaryDirectory() as folder:
            took.append(_kill_front(Path(folder)))
    report.times("until every process was gone", took)
    report.at_most("every process gone, the worst of them", max(took), 1, "s")
    return report


def _kill_front(folder: Path) -> float:
    """Under ``bulkhead serve``, as it is run: one of the children left the session's process group."""
    (folder / "agents").mkdir()
    (folder / "agents" / "bench.py").write_text(AGENTS)
    argv = [sys.executable, "-m", "runtime", "serve", str(folder / "agents"), "--port", "0"]
    argv += ["--state-dir", str(folder / "state")]
    env = {**os.environ, "BULKHEAD_WEBHOOK_SECRET": SECRET, "BULKHEAD_LOG_LEVEL": "error"}
    serve = subprocess.Popen(argv, env=env, stdout=subprocess.DEVNULL)
    try:
        about = folder / "state" / "server.json"
        api = _until(lambda: Api(json.loads(about.read_text())["url"]))
        body, headers = signed_call("r")
        api = _until(lambda: api if api.get("/readyz") else None)
        api.post("/hung", body, headers=headers | {"prefer": "wait=20"}, timeout_s=30)
        time.sleep(0.5)
        front = int(json.loads(about.read_text())["pid"])
        doomed = [front, *proc.below(front)]
        began = time.perf_counter()
        os.kill(front, signal.SIGKILL)
        while any(proc_is_there(pid) for pid in doomed) and time.perf_counter() - began < 20:
            time.sleep(0.001)
        return time.perf_counter() - began
    finally:
        serve.terminate()
        serve.wait(30)


def _until(found: Any) -> Any:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            if (result := found()) is not None:
                return result
        except Exception:  # noqa: BLE001 - not there yet, in whichever way
            pass
        time.sleep(0.02)
    raise SystemExit("bench: the server did not become ready within 30 s")


def proc_is_there(pid: int) -> bool:
    """It runs, or could: a zombie does not."""
    try:
        return proc.state(pid)[1] != "Z"
    except ProcessLookupError:
        return False


def _fault(server: RunningServer, session: str, fault: str) -> None:
    status, answer = server.request(
        "POST", f"/workers/{session}/faults", json.dumps({"fault": fault}).encode()
    )
    if status != 202:
        raise SystemExit(f"bench: the fault was answered {status}: {answer}")
