"""The server as a process of its own, with real bundles and real signals."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.front.conftest import Answer, read_answer, request
from tests.patience import PATIENCE

pytestmark = [pytest.mark.process, pytest.mark.asyncio]

ROOT = Path(__file__).resolve().parents[2]
BUNDLE = """
import asyncio
from runtime.sdk import ServiceHost

service = ServiceHost()

@service.path("/quick", identity="quick")
class Quick:
    async def start(self, *, room):
        print("here")
    async def stop(self):
        pass

@service.path("/slow", identity="slow")
class Slow:
    async def start(self, *, room):
        await asyncio.sleep(3600)
    async def stop(self):
        pass

asyncio.run(service.run())
"""


@dataclass
class Process:
    """A running server process."""

    process: asyncio.subprocess.Process
    url: str

    async def ask(self, method: str, path: str, body: bytes = b"", **headers: str) -> Answer:
        host, _, port = self.url.removeprefix("http://").partition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(request(method, path, body, {"Host": "localhost", **headers}))
        try:
            return await read_answer(reader)
        finally:
            writer.close()

    async def call(self, path: str, **headers: str) -> str:
        body = b'{"event":"room.call","data":{"room_name":"r"}}'
        answer = await self.ask("POST", path, body, **headers)
        assert answer.status in (200, 202), answer.body
        return str(answer.json["session"])

    async def worker(self, session_id: str) -> Any:
        return (await self.ask("GET", f"/workers/{session_id}")).json

    async def end(self, number: signal.Signals) -> tuple[int, float]:
        began = time.monotonic()
        self.process.send_signal(number)
        async with asyncio.timeout(20 * PATIENCE):
            return await self.process.wait(), time.monotonic() - began


@asynccontextmanager
async def running(
    tmp_path: Path, *arguments: str, file: Path | None = None, log: Path | None = None
) -> AsyncIterator[Process]:
    """Started and ready; killed at the end if it still runs.

    Args:
        log: Where its log goes; None: nowhere.
    """
    state = tmp_path / "state"
    about = file or state / "server.json"
    about.unlink(missing_ok=True)
    work = {
        "flags": {"server.port": 0, "server.state_dir": str(state)},
        "sources": [str(tmp_path / "agents")],
    }
    argv = arguments or ("-m", "runtime.front", json.dumps(work))
    env = {**os.environ, "PYTHONPATH": str(ROOT), "BULKHEAD_LOG_FORMAT": "json"}
    with open(log or os.devnull, "wb") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable, *argv, env=env, cwd=tmp_path, stdout=output
        )
    try:
        async with asyncio.timeout(30 * PATIENCE):
            while not about.exists():
                assert process.returncode is None
                await asyncio.sleep(0.01)
            one = Process(process, json.loads(about.read_text())["url"])
            while (await one.ask("GET", "/readyz")).status != 200:
                await asyncio.sleep(0.01)
        yield one
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@pytest.fixture
def agents(tmp_path: Path) -> Path:
    folder = tmp_path / "agents"
    folder.mkdir()
    (folder / "main.py").write_text(BUNDLE)
    return folder


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_an_idle_server_in_under_a_second(
    tmp_path: Path, agents: Path, number: signal.Signals
) -> None:
    async with running(tmp_path) as one:
        code, took_s = await one.end(number)
        assert code == 0
        assert took_s < 10  # the interpreter's own end
    assert not (tmp_path / "state" / "server.json").exists()


async def test_a_killed_server_runs_again_what_it_had_accepted_and_what_was_ready(
    tmp_path: Path, agents: Path
) -> None:
    async with running(tmp_path) as one:
        ready = await one.call("/quick", Prefer="wait=20")
        pid = (await one.worker(ready))["pid"]
        key = {"Idempotency-Key": "call-1"}
        accepted = await one.call("/slow", **key)
        one.process.kill()  # the moment after the answer
        await one.process.wait()
        async with asyncio.timeout(10 * PATIENCE):
            while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
                await asyncio.sleep(0.01)
    async with running(tmp_path) as one:
        again = await one.worker(accepted)
        assert (again["state"], again["identity"], again["exit"]) == ("starting", "slow", None)
        async with asyncio.timeout(20 * PATIENCE):
            while (back := await one.worker(ready))["state"] != "ready":
                await asyncio.sleep(0.02)
        assert (back["exit"], back["restarts"], back["restart"]["last_exit"]["reason"]) == (
            None,
            1,
            "front_lost",
        )
        assert back["pid"] != pid
        listed = (await one.ask("GET", "/workers?all=1")).json["workers"]
        assert {worker["id"] for worker in listed} == {accepted, ready}
        assert await one.call("/slow", **key) == accepted
        assert len((await one.ask("GET", "/workers")).json["workers"]) == 2
        code, _ = await one.end(signal.SIGTERM)
        assert code == 0


async def test_a_burst_of_answered_calls_is_there_after_a_kill(tmp_path: Path, agents: Path) -> None:
    async with running(tmp_path) as one:
        calls = [asyncio.create_task(one.call("/slow")) for _ in range(12)]
        answered = set()
        for call in asyncio.as_completed(calls):
            answered.add(await call)
            if len(answered) == 6:
                one.process.kill()
                break
        for outcome in await asyncio.gather(*calls, return_exceptions=True):
            if isinstance(outcome, str):
                answered.add(outcome)
    async with running(tmp_path) as one:
        found = {worker["id"] for worker in (await one.ask("GET", "/workers?all=1")).json["workers"]}
        assert answered <= found
        await one.end(signal.SIGTERM)


async def test_a_program_alone_is_a_server(tmp_path: Path, agents: Path) -> None:
    file = tmp_path / ".bulkhead" / "hosts" / "main" / "server.json"
    async with running(tmp_path, str(agents / "main.py"), file=file) as one:
        sid = await one.call("/quick", Prefer="wait=20")
        worker = await one.worker(sid)
        assert worker["state"] == "ready"
        assert worker["pid"] != one.process.pid
        code, _ = await one.end(signal.SIGTERM)
        assert code == 0


async def test_what_cannot_start_says_why_in_one_line(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "runtime.front",
        json.dumps({"flags": {"server.prot": 1}, "sources": [str(tmp_path / "none")]}),
        env={**os.environ, "PYTHONPATH": str(ROOT), "BULKHEAD_PROT": "1", "BULKHEAD_LOG_FORMAT": "json"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out, _ = await process.communicate()
    assert process.returncode == 1
    assert "BULKHEAD_PROT" in out.decode()
    assert "Traceback" not in out.decode()


@pytest.mark.parametrize("fault", ["port", "journal", "source", "secret"])
async def test_a_start_that_fails_says_why_and_ends_with_status_1(tmp_path: Path, fault: str) -> None:
    (tmp_path / "bundle.py").write_text(BUNDLE)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        flags: dict[str, Any] = {"server.port": 0, "server.state_dir": str(tmp_path / "state")}
        env = {**os.environ, "PYTHONPATH": str(ROOT), "BULKHEAD_LOG_FORMAT": "json"}
        word, source = "there is no", tmp_path / "none.py"
        if fault == "port":
            flags["server.port"] = taken.getsockname()[1]
            word, source = "Address already in use", tmp_path / "bundle.py"
        elif fault == "journal":
            (tmp_path / "state").mkdir()
            (tmp_path / "state" / "journal.sqlite3").write_bytes(b"no database" * 1000)
            word, source = "journal", tmp_path / "bundle.py"
        elif fault == "secret":
            env["BULKHEAD_WEBHOOK_SECRET"] = "whsec_!!!"
            word, source = "secret", tmp_path / "bundle.py"
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "runtime.front"),
            json.dumps({"flags": flags, "sources": [str(source)]}),
            env=env,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        out, _ = await process.communicate()
    assert process.returncode == 1
    (line,) = [line for line in out.decode().splitlines() if "server.start_failed" in line]
    assert word in line
    assert json.loads(line)["cure"]
    assert "Traceback" not in out.decode()


async def test_a_front_ends_with_its_init(tmp_path: Path) -> None:
    (tmp_path / "bundle.py").write_text(BUNDLE)
    given = {
        "flags": {"server.port": 0, "server.state_dir": str(tmp_path / "state")},
        "sources": [str(tmp_path / "bundle.py")],
    }
    program = (
        "import sys; from runtime.process.init.init import Init; "
        f"sys.exit(Init([sys.executable, '-m', 'runtime.front', {json.dumps(given)!r}]).run())"
    )
    init = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", program),
        env={**os.environ, "PYTHONPATH": str(ROOT), "BULKHEAD_LOG_FORMAT": "json"},
        stdout=asyncio.subprocess.PIPE,
    )
    assert init.stdout is not None
    async with asyncio.timeout(30 * PATIENCE):
        async for line in init.stdout:
            if b"server.started" in line:
                break
        tree = psutil.Process(init.pid).children(recursive=True)
        init.kill()
        await init.stdout.read()  # ends when the front, which has the other end, does
        await init.wait()
    _, alive = psutil.wait_procs(tree, timeout=10)
    assert alive == []
