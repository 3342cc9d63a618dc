"""A real server that is killed while its services change, and started again: nothing of them runs twice."""

from __future__ import annotations

import asyncio
import json
import os
import random
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
from websockets.asyncio.client import connect

from runtime.front.access.rules import LOCAL_PROJECT
from runtime.rooms.token import mint
from tests.front.test_server_process import ROOT, Process
from tests.patience import PATIENCE

pytestmark = [pytest.mark.process, pytest.mark.asyncio, pytest.mark.timeout(300)]

LAB = f"/accounts/projects/{LOCAL_PROJECT}/rooms/lab/services"
STATES = f"/accounts/projects/{LOCAL_PROJECT}/rooms/lab/service-states"
IMAGE = os.environ.get("BULKHEAD_TEST_PYTHON_IMAGE", "python:3.13-slim")
KILLS = 3


@pytest.fixture(params=["process", "docker"])
def engine(request: pytest.FixtureRequest) -> str:
    if request.param == "docker":
        try:
            subprocess.run(["docker", "image", "inspect", IMAGE], capture_output=True, check=True, timeout=30)
        except (OSError, subprocess.SubprocessError) as reason:
            pytest.skip(f"DOCKER NOT TESTED: no engine with the image {IMAGE}: {reason}")
    return str(request.param)


async def test_each_service_runs_once_however_often_its_server_was_killed(
    engine: str, tmp_path: Path
) -> None:
    moments, mark = random.Random(13), f"86400.{os.getpid()}"
    there: dict[str, bool] = {}  # what was answered, by name
    (tmp_path / "agents").mkdir()
    for number in range(KILLS):
        async with _running(tmp_path, engine) as server, _entered(server, tmp_path):
            changing = asyncio.create_task(_change(server, f"round{number}", mark, there))
            await asyncio.sleep(moments.uniform(0.05, 1.0))
            await _killed(server)
            changing.cancel()
            await asyncio.gather(changing, return_exceptions=True)
        if engine == "process":
            await _until(lambda: _count(engine, mark) == 0)  # they end with it
    async with _running(tmp_path, engine) as server, _entered(server, tmp_path):
        async with asyncio.timeout(60 * PATIENCE):
            while not (states := await _states(server)) or {*states.values()} != {"running"}:
                await asyncio.sleep(0.1)
        assert {name for name, is_there in there.items() if is_there} <= states.keys()
        assert not {name for name, is_there in there.items() if not is_there} & states.keys()
        await _until(lambda: _count(engine, mark) == len(states))
        for path in [f"{LAB}/{one['id']}" for one in (await server.ask("GET", LAB)).json["services"]]:
            assert (await server.ask("DELETE", path)).status == 200
        await _until(lambda: _count(engine, mark) == 0)


@asynccontextmanager
async def _running(folder: Path, engine: str) -> AsyncIterator[Process]:
    flags = {
        "server.port": 0,
        "server.state_dir": str(folder / "state"),
        "server.watch": False,
        "containers.engine": engine,
        "containers.host_commands": True,
        "containers.stop_s": 1.0,
    }
    about = folder / "state" / "server.json"
    about.unlink(missing_ok=True)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "runtime.front", json.dumps({"flags": flags, "sources": []})),
        stdout=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(ROOT), "BULKHEAD_LOG_FORMAT": "json"},
        cwd=folder,
    )
    try:
        async with asyncio.timeout(60 * PATIENCE):
            while not about.exists():
                assert process.returncode is None
                await asyncio.sleep(0.02)
        yield Process(process, json.loads(about.read_text())["url"])
    finally:
        if process.returncode is None:  # the last one: it leaves nothing with its engine
            process.terminate()
        await process.wait()


@asynccontextmanager
async def _entered(server: Process, folder: Path) -> AsyncIterator[None]:
    secret = (folder / "state" / "rooms" / "secret").read_text().strip()
    token = mint("ada", room="lab", secret=secret, role="user")
    async with connect(f"{server.url.replace('http', 'ws', 1)}/rooms/lab?token={token}", max_size=None):
        yield


async def _change(server: Process, prefix: str, mark: str, there: dict[str, bool]) -> None:
    """Make, change and delete services, one after the other, and note what was answered."""
    for number in range(50):
        name = f"{prefix}-{number}"
        made = (await _send(server, "POST", LAB, _service(name, mark))).json
        there[name] = True
        await _send(server, "PUT", f"{LAB}/{made['id']}", _service(name, mark, colour=str(number)))
        if number % 2:
            del there[name]  # until it is answered it may be either
            await _send(server, "DELETE", f"{LAB}/{made['id']}", None)
            there[name] = False


async def _send(server: Process, method: str, path: str, body: Any) -> Any:
    answer = await server.ask(
        method, path, json.dumps(body).encode() if body else b"", **{"Content-Type": "application/json"}
    )
    assert answer.status == 200, answer.body
    return answer


def _service(name: str, mark: str, **env: str) -> dict[str, Any]:
    environment = [{"name": key, "value": value} for key, value in env.items()]
    container = {"image": IMAGE, "command": f"sleep {mark}", "environment": environment}
    return {
        "version": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "ports": [],
        "container": container,
    }


async def _states(server: Process) -> dict[str, str]:
    found = (await server.ask("GET", STATES)).json
    names = {one["id"]: one["metadata"]["name"] for one in found["services"]}
    return {names[key]: state["state"] for key, state in found["states"].items()}


async def _killed(server: Process) -> None:
    with suppress(ProcessLookupError):
        server.process.kill()
    await server.process.wait()


def _count(engine: str, mark: str) -> int:
    if engine == "docker":
        told = subprocess.run(
            ["docker", "ps", "--no-trunc", "--format", "{{.Command}}"],
            capture_output=True,
            text=True,
            check=True,
        )
        return told.stdout.count(f"sleep {mark}")
    found = 0
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            found += process.cmdline() == ["sleep", mark]
    return found


async def _until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(30 * PATIENCE):
        while not await asyncio.to_thread(is_so):
            await asyncio.sleep(0.1)
