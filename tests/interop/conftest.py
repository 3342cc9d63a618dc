"""Servers of ours for the real SDK to meet, and how its programs are run."""

from __future__ import annotations

import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from runtime.rooms.token import ApiKey, mint
from tests.interop.environments import TRIED, VERSIONS, Sdk, installed
from tests.interop.fake_model import FakeModel
from tests.patience import PATIENCE

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
KEY = ApiKey("11111111-2222-4333-8444-555555555555", "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee", "s3cr3t" * 8)
SECRET = "interop-webhook-secret-of-some-length"
BUDGET_S = 60.0 * max(2, len(VERSIONS)) * PATIENCE
DRIVER_S = 150
# Below those that connections get by themselves, and each process of a run has its own.
_ports = itertools.count(21_000 + 500 * int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]))
_spent_s = 0.0


@pytest.fixture(scope="session", params=TRIED)
def sdk(request: pytest.FixtureRequest) -> Sdk:
    return installed(request.param)


@pytest.fixture(scope="session")
def both() -> tuple[Sdk, Sdk]:
    """The oldest and the newest release at once."""
    return installed(VERSIONS[0]), installed(VERSIONS[-1])


@dataclass
class Bulkhead:
    """A running server."""

    url: str
    env: dict[str, str]
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    def room_url(self, room: str) -> str:
        return f"{self.url.replace('http', 'ws', 1)}/rooms/{room}"

    def token(self, room: str, name: str, role: str = "agent", scope: dict[str, Any] | None = None) -> str:
        """Signed by the project's API key, as MeshAgent's own tools sign."""
        key = {"secret": KEY.secret, "kid": KEY.id, "project": KEY.project}
        return mint(name, room=room, role=role, scope=scope, **key)


@dataclass
class Started:
    """A program that keeps running, and what it has said so far."""

    process: subprocess.Popen[str]
    log: Path

    def said(self, text: str, seconds: float = 30.0) -> None:
        """Wait until it has said this."""
        deadline = time.monotonic() + seconds
        while text not in self.log.read_text():
            assert self.process.poll() is None, (
                f"ended with {self.process.returncode}:\n{self.log.read_text()}"
            )
            assert time.monotonic() < deadline, f"never said {text!r}:\n{self.log.read_text()}"
            time.sleep(0.05)

    def stop(self) -> None:
        if self.process.poll() is None:
            # It is the leader of its own group, so what it started ends with it.
            os.killpg(self.process.pid, signal.SIGTERM)
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(5)


def free_port() -> int:
    """A port for a program that cannot choose one itself, and that nobody else of this run is given."""
    for port in _ports:
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
    raise AssertionError("ports do not end")


def start(command: Sequence[str], log: Path, **settings: Any) -> Started:
    with log.open("w") as out:
        process = subprocess.Popen(
            list(command), stdout=out, stderr=subprocess.STDOUT, text=True, start_new_session=True, **settings
        )
    return Started(process, log)


def serve(folder: Path, model: FakeModel, agents: Path, **more: str) -> Iterator[Bulkhead]:
    """Run a server, whose state is in the folder, with these agents."""
    folder.mkdir(parents=True, exist_ok=True)
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
    env = {**kept, "HOME": str(folder), "PYTHONUNBUFFERED": "1", "BULKHEAD_LOG_FORMAT": "json"}
    env["BULKHEAD_CALL_ALLOW"] = "localhost"  # services of the SDK that participants call in
    # Named this way they are the front's alone: agents reach the model through it.
    provider = {"BULKHEAD_MODEL_URL": model.url, "BULKHEAD_MODEL_KEY": model.key}
    flags = {"server.port": 0, "server.state_dir": str(folder / "state"), "server.watch": False}
    work = json.dumps({"flags": flags, "sources": [str(agents)]})
    server = start(
        [sys.executable, "-m", "runtime.front", work],
        folder / "server.log",
        cwd=ROOT,
        env={**env, **provider, "MESHAGENT_API_KEY": KEY.format(), **more},
    )
    try:
        server.said('"server.loaded"', 60.0 * PATIENCE)
        url = json.loads((folder / "state" / "server.json").read_text())["url"].rstrip("/")
        yield Bulkhead(url, env)
    finally:
        server.stop()


@pytest.fixture(scope="session")
def model() -> Iterator[FakeModel]:
    with FakeModel() as fake:
        yield fake


# A child of this process: it must not live on beside tests whose front takes every child for its own.
@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, model: FakeModel) -> Iterator[Bulkhead]:
    yield from serve(tmp_path_factory.mktemp("open"), model, HERE / "our_agents")


@pytest.fixture(scope="module")
def signed_server(tmp_path_factory: pytest.TempPathFactory, model: FakeModel) -> Iterator[Bulkhead]:
    folder = tmp_path_factory.mktemp("signed")
    yield from serve(folder, model, HERE / "our_agents", BULKHEAD_WEBHOOK_SECRET=SECRET)


@pytest.fixture(autouse=True)
def within_budget() -> Iterator[None]:
    """On a machine too busy for all of them, the rest is skipped, aloud, rather than holding everybody up.

    What other tests and the installation take, which has a limit of its own, does not count.
    """
    global _spent_s
    if _spent_s > BUDGET_S:
        pytest.skip(f"INTEROP NOT TESTED: the {BUDGET_S:g} s that these tests may take are over")
    began = time.monotonic()
    yield
    _spent_s += time.monotonic() - began


Drive = Callable[..., dict[str, Any]]


@pytest.fixture
def drive(tmp_path: Path) -> Drive:
    """``drive(sdk, server, "presence", **work)`` -> what the driver's program returned."""

    def run(sdk: Sdk, server: Bulkhead, driver: str, **work: Any) -> dict[str, Any]:
        told = subprocess.run(
            [sdk.python, "-W", "ignore", str(HERE / "drivers" / f"{driver}.py"), json.dumps(work)],
            capture_output=True,
            text=True,
            timeout=DRIVER_S,
            env=server.env,
            cwd=tmp_path,
            check=False,
        )
        assert told.returncode == 0, f"{driver} with {sdk.version}:\n{told.stdout}\n{told.stderr}"
        answer: dict[str, Any] = json.loads(told.stdout.splitlines()[-1])
        return answer

    return run


@pytest.fixture
def starting(tmp_path: Path) -> Iterator[Callable[..., Started]]:
    """Programs that run beside a test and end with it."""
    running: list[Started] = []

    def begin(command: Sequence[str], **settings: Any) -> Started:
        running.append(start(command, tmp_path / f"program{len(running)}.log", cwd=tmp_path, **settings))
        return running[-1]

    yield begin
    for one in running:
        one.stop()
