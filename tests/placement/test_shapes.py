"""One program, three ways: by plain Python, as its own server, and as a bundle.  Its story is the same."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from runtime.session.events import Exited, Ready
from runtime.session.exit_reasons import ExitReason
from tests.patience import PATIENCE
from tests.placement.shapes import FILES, SHAPES, STUB, program

pytestmark = [pytest.mark.process, pytest.mark.asyncio]

ALONE = (
    "bare",
    "async with",
    "a task group",
    "atexit",
    "globals, path and switches",
    "modules of its own",
    "uvloop, run",
)
"""Those that are also run as their own server, which is slow; its sessions are made like all others."""


def written(folder: Path, shape: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    main = folder / "main.py"
    main.write_text(program(shape))
    for name in ("bulkhead.toml", "main.toml"):  # of a folder, and of a file: its story is written beside it
        (folder / name).write_text('[confinement]\nwrite = ["."]\n')
    for name, text in FILES.get(shape, {}).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return main


def story(folder: Path, *, with_others: bool = True) -> list[str]:
    file = folder / "story.txt"
    lines = file.read_text().splitlines() if file.exists() else []
    return [line for line in lines if with_others or line.startswith("session ")]


def of_plain_python(folder: Path, shape: str) -> tuple[list[str], int]:
    stub = folder.parent / "stub" / "meshagent" / "api"
    stub.mkdir(parents=True)
    (stub / "__init__.py").write_text("")
    (stub.parent / "__init__.py").write_text("")
    (stub / "services.py").write_text(STUB)
    written(folder, shape)
    (folder / "bulkhead.toml").unlink()  # here it would be the server's own, which no session may write
    env = {**os.environ, "PYTHONPATH": str(stub.parents[1])}
    done = subprocess.run([sys.executable, "main.py"], cwd=folder, env=env, capture_output=True, check=False)
    return story(folder), done.returncode


async def of_bundle(node: Any, shape: str) -> tuple[list[str], int | None]:
    main = written(node.folder, shape)
    await node.start()
    (info,) = node.placement.bundles()
    assert info.state == "ready", info.error
    session_id = await node.call("/shape")
    event = await node.event(session_id, Ready, Exited)
    if isinstance(event, Ready):
        await node.placement.stop(session_id, ExitReason.STOPPED)
    ended = await node.exited(session_id)
    return story(main.parent), ended.exit.code


def of_its_own_server(folder: Path, shape: str) -> tuple[list[str], int | None]:
    written(folder, shape)
    env = {
        **os.environ,
        "BULKHEAD_ROOM": "r",
        "BULKHEAD_CONFINEMENT_LEVEL": "off",  # its story is written beside it
        "BULKHEAD_LOG_FORMAT": "json",
        "BULKHEAD_STATE_DIR": str(folder.parent / f"{folder.name}-state"),
    }
    server = subprocess.Popen(
        [sys.executable, "main.py"], cwd=folder, env=env, stdout=subprocess.PIPE, text=True
    )
    assert server.stdout is not None
    code = None
    giving_up = threading.Timer(20 * PATIENCE, server.kill)
    giving_up.start()
    try:
        for line in server.stdout:
            event = json.loads(line) if line.startswith("{") else {}
            if event.get("event") == "worker.ready":
                server.send_signal(signal.SIGTERM)
            elif event.get("event") == "session.exited":
                code = event["code"]
    finally:
        server.stdout.close()
        server.wait()
        giving_up.cancel()
    assert server.returncode == 0
    return story(folder, with_others=False), code


def in_folders(told: tuple[list[str], int | None], folder: Path) -> tuple[list[str], int | None]:
    return [line.replace(str(folder), "FOLDER") for line in told[0]], told[1]


@pytest.mark.parametrize("shape", SHAPES)
async def test_a_program_s_story_is_that_of_plain_python(node: Any, tmp_path: Path, shape: str) -> None:
    if "uvloop" in shape and importlib.util.find_spec("uvloop") is None:
        pytest.skip("uvloop is not installed")
    plain = asyncio.create_task(asyncio.to_thread(of_plain_python, tmp_path / "plain", shape))
    bundle = in_folders(await of_bundle(node, shape), node.folder)
    assert bundle == in_folders(await plain, tmp_path / "plain")
    assert bundle[0], "nobody told a story"
    if shape in ALONE:
        alone = await asyncio.to_thread(of_its_own_server, tmp_path / "alone", shape)
        assert in_folders(alone, tmp_path / "alone") == bundle
