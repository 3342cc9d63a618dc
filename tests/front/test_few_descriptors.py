"""A server whose open files cannot suffice for its sessions says so before the first of them fails."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from runtime.process.descriptors import OF_ITS_OWN, PER_SESSION
from tests.patience import PATIENCE

pytestmark = pytest.mark.process

PROGRAM = """
import resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (128, 256))
from runtime.front.__main__ import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize("sessions", [10, 1000])
def test_it_is_told_at_the_start(tmp_path: Path, sessions: int) -> None:
    (tmp_path / "agents").mkdir()
    work = {
        "flags": {"server.port": 0, "server.state_dir": str(tmp_path), "supervisor.max_sessions": sessions},
        "sources": [str(tmp_path / "agents")],
    }
    env = {
        **os.environ,
        "BULKHEAD_LOG_FORMAT": "json",
        "PYTHONPATH": str(Path(__file__).resolve().parents[2]),
    }
    argv = [sys.executable, "-c", PROGRAM, json.dumps(work)]
    told = []
    with subprocess.Popen(argv, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as front:
        assert front.stdout is not None
        for raw in front.stdout:
            told.append(json.loads(raw))
            if told[-1]["event"] == "server.started":
                front.terminate()
    assert front.returncode == 0
    warnings = [line["detail"] for line in told if line["event"] == "server.descriptors_few"]
    fit = (256 - OF_ITS_OWN) // PER_SESSION
    assert warnings == ([f"open files suffice for {fit} of 1000 sessions"] if sessions == 1000 else [])


AGENT = """
import asyncio
from runtime.sdk import ServiceHost
service = ServiceHost()

@service.path("/idle", identity="idle")
class Idle:
    async def start(self, *, room): ...
    async def stop(self): ...

asyncio.run(service.run())
"""


class Front:
    """A server that may have 256 files open, and what it logs."""

    def __init__(self, folder: Path) -> None:
        (folder / "agents").mkdir()
        (folder / "agents" / "idle.py").write_text(AGENT)
        flags = {"server.port": 0, "server.state_dir": str(folder), "server.watch": False}
        work = {"flags": flags, "sources": [str(folder / "agents")]}
        env = {**os.environ, "BULKHEAD_LOG_FORMAT": "json", "PYTHONPATH": str(Path(__file__).parents[2])}
        argv = [sys.executable, "-c", PROGRAM, json.dumps(work)]
        self.process = subprocess.Popen(argv, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.told: list[Any] = []
        self.loaded = threading.Event()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        assert self.loaded.wait(30 * PATIENCE)
        (url,) = [line["url"] for line in self.told if line["event"] == "server.started"]
        self.port = int(url.rpartition(":")[2])

    def _read(self) -> None:
        assert self.process.stdout is not None
        for raw in self.process.stdout:
            line = json.loads(raw) if raw.startswith(b"{") else {"event": raw.decode()}
            self.told.append(line)
            if line["event"] == "server.loaded":
                self.loaded.set()

    def ask(self, method: str, path: str, body: Any = None) -> tuple[int, dict[str, str], Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30 * PATIENCE)
        try:
            connection.request(method, path, body and json.dumps(body), {"Connection": "close"})
            answer = connection.getresponse()
            headers = {name.lower(): value for name, value in answer.getheaders()}
            return answer.status, headers, json.loads(answer.read() or b"null")
        finally:
            connection.close()

    def call(self) -> tuple[int, dict[str, str], Any]:
        return self.ask("POST", "/idle", {"event": "room.call", "data": {"room_name": "r"}})

    def until(self, happened: Callable[[], Any]) -> Any:
        deadline = time.monotonic() + 30 * PATIENCE
        while not (found := happened()):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        return found

    def close(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(30 * PATIENCE)
        finally:
            self.process.kill()
            self._reader.join()
            assert self.process.stdout is not None
            self.process.stdout.close()


@contextmanager
def front(folder: Path) -> Iterator[Front]:
    made = Front(folder)
    try:
        yield made
    finally:
        made.close()


def test_calls_beyond_what_the_open_files_allow_are_refused_and_none_waits_for_ever(tmp_path: Path) -> None:
    with front(tmp_path) as server:
        answers = [server.call() for _ in range(60)]
        taken = [answer["session"] for status, _, answer in answers if status in (200, 202)]
        refused = [(headers, answer) for status, headers, answer in answers if status == 503]
        assert len(taken) + len(refused) == 60
        assert 10 < len(taken) < 40
        assert all(answer["type"].endswith("no_resources") for _, answer in refused)
        assert all(int(headers["retry-after"]) > 0 for headers, _ in refused)
        server.until(
            lambda: all(server.ask("GET", f"/workers/{one}")[2]["state"] == "ready" for one in taken)
        )
        for session in taken[:10]:
            assert server.ask("DELETE", f"/workers/{session}")[0] == 200
        server.until(lambda: server.ask("GET", "/readyz")[0] == 200)
        assert server.call()[0] in (200, 202)
    assert not [line for line in server.told if "exception" in line or "Traceback" in line["event"]]


def test_connections_beyond_it_are_told_so_and_the_others_answered(tmp_path: Path) -> None:
    with front(tmp_path) as server, ExitStack() as held:
        kept = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30 * PATIENCE)
        held.callback(kept.close)
        kept.request("GET", "/livez")
        assert kept.getresponse().read()
        refused = 0
        for _ in range(300):
            sock = held.enter_context(socket.create_connection(("127.0.0.1", server.port)))
            sock.settimeout(0.001 if not refused else 5 * PATIENCE)
            try:
                refused += sock.recv(65536).startswith(b"HTTP/1.1 503 ")
            except TimeoutError:
                assert not refused  # from the first one on, all are
        assert refused > 50
        kept.request("GET", "/readyz")  # who was there is served
        answer = kept.getresponse()
        assert answer.status == 503
        assert json.loads(answer.read())["reasons"] == ["the system has no more open files"]
        used = psutil.Process(server.process.pid).cpu_times()
        time.sleep(0.5)
        spent = psutil.Process(server.process.pid).cpu_times()
        assert spent.user + spent.system - used.user - used.system < 0.3  # nothing spins
        held.close()
        server.until(lambda: server.ask("GET", "/readyz")[0] == 200)
    assert len([line for line in server.told if line["event"] == "front.connections_refused"]) == 1
    assert not [line for line in server.told if "exception" in line or "Traceback" in line["event"]]
