"""The real SDK in environments of its own, and servers of ours for it to meet.

An environment is made on first use, from pinned versions, and kept in ``.venv-interop``; where no
Python 3.13 is found or the packages cannot be had, the tests are skipped and say so.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from runtime.rooms.token import ApiKey, mint
from tests.interop.fake_model import FakeModel

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
CACHE = ROOT / ".venv-interop"
VERSIONS = ("0.7.1", "0.55.1")
KEY = ApiKey("11111111-2222-4333-8444-555555555555", "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee", "s3cr3t" * 8)
SECRET = "interop-webhook-secret-of-some-length"
INSTALL_S = 90
BUDGET_S = 180
_BEGAN: dict[str, float] = {}
DRIVER_S = 60


@dataclass(frozen=True)
class Sdk:
    """One release of the SDK, installed."""

    version: str
    folder: Path

    @property
    def python(self) -> str:
        return str(self.folder / "bin" / "python")

    @property
    def cli(self) -> str:
        return str(self.folder / "bin" / "meshagent")

    @property
    def is_old(self) -> bool:
        return self.version == "0.7.1"


def find_python() -> str | None:
    """A Python 3.13 or newer: named by INTEROP_PYTHON, on the path, or beside the one that runs the tests."""
    beside = sorted(Path(sys.base_prefix).parent.glob("*/bin/python3.1[3-9]"))
    named = [os.environ.get("INTEROP_PYTHON"), shutil.which("python3.13"), *map(str, beside), sys.executable]
    for candidate in [*named, shutil.which("python3.14"), shutil.which("python3")]:
        if not candidate:
            continue
        asked = [candidate, "-c", "import sys, venv, ensurepip; print(sys.version_info >= (3, 13))"]
        told = subprocess.run(asked, capture_output=True, text=True, check=False)
        if told.stdout.strip() == "True":
            return candidate
    return None


def install(version: str) -> Sdk:
    """The environment of one release, made if it is not there yet; skips where it cannot be made."""
    _BEGAN.setdefault("at", time.monotonic())
    pins = HERE / f"requirements-{version}.txt"
    folder, mark = CACHE / version, hashlib.sha256(pins.read_bytes()).hexdigest()
    CACHE.mkdir(exist_ok=True)
    with (CACHE / f"{version}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # several test processes may want it at once
        done, failed = folder / ".installed", CACHE / f"{version}.failed"
        if done.exists() and done.read_text() == mark:
            return Sdk(version, folder)
        if failed.exists() and time.time() - failed.stat().st_mtime < 600:
            pytest.skip(f"INTEROP NOT TESTED: {failed.read_text()}")
        python = find_python()
        if python is None:
            pytest.skip("INTEROP NOT TESTED: no Python 3.13 or newer was found (set INTEROP_PYTHON)")
        shutil.rmtree(folder, ignore_errors=True)
        pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--no-deps"]
        try:
            for command in ([python, "-m", "venv", str(folder)], [*pip, "-r", str(pins)]):
                subprocess.run(command, check=True, capture_output=True, text=True, timeout=INSTALL_S)
        except (subprocess.SubprocessError, OSError) as error:
            said = str(getattr(error, "stderr", "") or error).strip().splitlines()
            failed.write_text(f"MeshAgent {version} cannot be installed: {said[-1] if said else error}")
            pytest.skip(f"INTEROP NOT TESTED: {failed.read_text()}")
        done.write_text(mark)
        return Sdk(version, folder)


@pytest.fixture(scope="session", params=VERSIONS)
def sdk(request: pytest.FixtureRequest) -> Sdk:
    return install(request.param)


@pytest.fixture(scope="session")
def both() -> tuple[Sdk, Sdk]:
    """The old and the new release at once."""
    return install(VERSIONS[0]), install(VERSIONS[1])


@dataclass
class Bulkhead:
    """A running server."""

    url: str
    env: dict[str, str]
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    def room_url(self, room: str) -> str:
        return f"{self.url.replace('http', 'ws', 1)}/rooms/{room}"

    def token(self, room: str, name: str, role: str = "agent") -> str:
        """Signed by the project's API key, as MeshAgent's own tools sign."""
        return mint(name, room=room, role=role, secret=KEY.secret, kid=KEY.id, project=KEY.project)


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


def start(command: Sequence[str], log: Path, **settings: Any) -> Started:
    with log.open("w") as out:
        process = subprocess.Popen(
            list(command), stdout=out, stderr=subprocess.STDOUT, text=True, start_new_session=True, **settings
        )
    return Started(process, log)


def _serve(folder: Path, model: FakeModel, **more: str) -> Iterator[Bulkhead]:
    folder.mkdir(parents=True, exist_ok=True)
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
    env = {**kept, "HOME": str(folder), "PYTHONUNBUFFERED": "1", "BULKHEAD_LOG_FORMAT": "json"}
    provider = {"OPENAI_BASE_URL": model.url, "OPENAI_API_KEY": model.key}
    flags = {"server.port": 0, "server.state_dir": str(folder / "state"), "server.watch": False}
    work = json.dumps({"flags": flags, "sources": [str(HERE / "our_agents")]})
    server = start(
        [sys.executable, "-m", "runtime.front", work],
        folder / "server.log",
        cwd=ROOT,
        env={**env, **provider, "MESHAGENT_API_KEY": KEY.format(), **more},
    )
    try:
        server.said('"server.started"')
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
    yield from _serve(tmp_path_factory.mktemp("open"), model)


@pytest.fixture(scope="module")
def signed_server(tmp_path_factory: pytest.TempPathFactory, model: FakeModel) -> Iterator[Bulkhead]:
    yield from _serve(tmp_path_factory.mktemp("signed"), model, BULKHEAD_WEBHOOK_SECRET=SECRET)


@pytest.fixture(autouse=True)
def within_budget() -> None:
    """On a machine too busy for all of them, the rest is skipped, aloud, rather than holding everybody up."""
    if time.monotonic() - _BEGAN.setdefault("at", time.monotonic()) > BUDGET_S:
        pytest.skip(f"INTEROP NOT TESTED: the {BUDGET_S} s that these tests may take are over")


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
