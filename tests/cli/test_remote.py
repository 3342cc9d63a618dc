"""``--remote``: rooms of a MeshAgent server, here a second server of ours with its own address and key."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from runtime.rooms.token import ApiKey

pytestmark = pytest.mark.process

ROOT = Path(__file__).resolve().parents[2]
KEY = ApiKey("11111111-2222-4333-8444-555555555555", "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee", "s3cr3t" * 8)
PROGRAM = """
import asyncio
from runtime.sdk import ServiceHost, TaskRunner
service = ServiceHost()

@service.path("/adder", identity="adder")
class Adder(TaskRunner):
    def __init__(self):
        super().__init__(name="adder", input_schema={"type": "object"}, output_schema={"type": "object"})

    async def ask(self, *, context, arguments):
        return {"sum": arguments["a"] + arguments["b"]}

asyncio.run(service.run())
"""


@contextmanager
def running(tmp_path: Path, name: str, *words: str, **env: str) -> Iterator[Path]:
    """A command that runs until the block ends, and its log."""
    (tmp_path / name).mkdir()
    kept = {key: os.environ[key] for key in ("PATH", "LANG", "TMPDIR") if key in os.environ}
    state = ["--state-dir", str(tmp_path / name / "state")]
    with (tmp_path / name / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "runtime", *words, *state],
            cwd=ROOT,
            env={**kept, "HOME": str(tmp_path), "PYTHONUNBUFFERED": "1", **env},
            stdout=log,
            stderr=log,
        )
    try:
        yield tmp_path / name / "log"
    finally:
        process.terminate()
        process.wait(60)


def address(file: Path, log: Path) -> str:
    """Where a server listens, once it does."""
    deadline = time.monotonic() + 60
    while not file.exists():
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.05)
    return str(json.loads(file.read_text())["url"]).rstrip("/")


def joined(url: str, log: Path) -> None:
    """Return once a session of the server is in its room."""
    deadline = time.monotonic() + 60
    while True:
        with urllib.request.urlopen(f"{url}/workers") as answer:
            if any(worker["state"] == "ready" for worker in json.load(answer)["workers"]):
                return
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.05)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("how", ["serve", "service run"])
def test_the_agents_join_the_other_servers_room(tmp_path: Path, how: str) -> None:
    (tmp_path / "none").mkdir()
    (tmp_path / "main.py").write_text(PROGRAM)
    key = KEY.format()
    with ExitStack() as stack:
        far = ["serve", str(tmp_path / "none"), "--port", "0"]
        began = stack.enter_context(running(tmp_path, "far", *far, MESHAGENT_API_KEY=key))
        url = address(tmp_path / "far" / "state" / "server.json", began)
        near = [*how.split(), str(tmp_path / "main.py"), "--room=away", "--remote", "--port", "0"]
        settings = {"MESHAGENT_API_URL": url, "MESHAGENT_API_KEY": key, "BULKHEAD_HOST": "127.0.0.1"}
        log = stack.enter_context(running(tmp_path, "near", *near, **settings))
        ask = ["agents", "ask", "--url", url, "--room=away", "--agent=adder", "--input", '{"a": 2, "b": 40}']
        joined(address(tmp_path / "near" / "state" / "server.json", log), log)
        told = subprocess.run(
            [sys.executable, "-m", "runtime", *ask], cwd=ROOT, capture_output=True, text=True, timeout=60
        )
        assert told.returncode == 0, f"{told.stderr}\n{log.read_text()}"
        assert json.loads(told.stdout) == {"sum": 42}
        if how == "service run":
            assert f"Room away of {url}" in log.read_text()


def test_what_is_missing_is_told_before_anything_starts(
    bulkhead: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "main.py").write_text(PROGRAM)
    main = str(tmp_path / "main.py")
    monkeypatch.delenv("MESHAGENT_API_KEY", raising=False)
    for command in (["serve", main], ["service", "run", main]):
        refused = bulkhead(*command, "--room=away", "--remote")
        assert refused.status == 2
        assert "MESHAGENT_API_KEY" in refused.err
    monkeypatch.setenv("MESHAGENT_API_KEY", KEY.format())
    refused = bulkhead("serve", main, "--remote")
    assert refused.status == 2
    assert "--room" in refused.err
    monkeypatch.setenv("MESHAGENT_API_URL", "nowhere")
    refused = bulkhead("serve", main, "--room=away", "--remote")
    assert refused.status == 2
    assert "'nowhere' is no address" in refused.err
