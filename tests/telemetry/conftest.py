"""A server as a user runs it, and a collector that it sends to."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.patience import PATIENCE

ROOT = Path(__file__).resolve().parents[2]
KEPT = ("PATH", "LANG", "TMPDIR", "BULKHEAD_SUPERVISOR_IMMORTAL")
AGENT = '''
import logging
from meshagent.agents.chat import ChatBot
from meshagent.api.services import ServiceHost
from meshagent.openai import OpenAIResponsesAdapter
from meshagent.otel import otel_config
from bulkhead import tool

otel_config(service_name="harbour")
service = ServiceHost()


@tool
async def tide(harbour: str) -> str:
    """When the tide turns in a harbour."""
    logging.getLogger("harbour").info("asked for the tide")
    return "at noon"


@service.path(path="/chat", identity="chatbot")
class Chat(ChatBot):
    def __init__(self):
        super().__init__(name="chatbot", title="c", description="d", llm_adapter=OpenAIResponsesAdapter(),
                         tools=[tide])


@service.path(path="/broken", identity="broken")
class Broken(ChatBot):
    def __init__(self):
        raise KeyError("HARBOUR")


service.run()
'''


@pytest.fixture
def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@dataclass
class Running:
    """A server in a process of its own."""

    url: str
    env: dict[str, str]
    process: subprocess.Popen[str]
    log: Path

    def call(self, path: str, room: str, **headers: str) -> dict[str, Any]:
        """Call an agent into a room and wait until it is ready."""
        body = json.dumps({"event": "room.call", "data": {"room_name": room}}).encode()
        sent = {"Content-Type": "application/json", "Prefer": "wait=60", **headers}
        with urllib.request.urlopen(
            urllib.request.Request(self.url + path, body, sent), timeout=90
        ) as answer:
            found: dict[str, Any] = json.loads(answer.read())
        assert found["state"] == "ready", found
        return found

    def chat(self, room: str, *lines: str) -> str:
        """What an agent answers to somebody at the terminal."""
        command = ["chat", "--url", self.url, "--room", room, "--to", "chatbot", "--as", "grace"]
        done = subprocess.run(
            [sys.executable, "-m", "runtime", *command],
            input="".join(f"{line}\n" for line in lines),
            capture_output=True,
            text=True,
            timeout=120 * PATIENCE,
            env=self.env,
            cwd=ROOT,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def stop(self, session: str) -> None:
        """End a session and wait for it."""
        with urllib.request.urlopen(
            urllib.request.Request(f"{self.url}/workers/{session}", method="DELETE"), timeout=90
        ):
            pass


@contextmanager
def running(folder: Path, agents: Path, **more: str) -> Iterator[Running]:
    """Run a server, whose state is in the folder, with these agents."""
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    env = {**kept, "HOME": str(folder), "PYTHONUNBUFFERED": "1", "BULKHEAD_LOG_FORMAT": "json"}
    flags = {"server.port": 0, "server.state_dir": str(folder / "state"), "server.watch": False}
    work = json.dumps({"flags": flags, "sources": [str(agents)]})
    log = folder / "server.log"
    with log.open("w") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "runtime.front", work],
            stdout=out,
            stderr=subprocess.STDOUT,
            cwd=ROOT,
            env={**env, "BULKHEAD_OFFLINE_DELAY_MS": "0", "BULKHEAD_SUPERVISOR_IMPORT_S": "240", **more},
            text=True,
        )
    try:
        until = time.monotonic() + 240 * PATIENCE
        while "server.loaded" not in (said := log.read_text()):
            assert process.poll() is None, said
            assert "server.serves_nothing" not in said, said
            assert time.monotonic() < until, said
            time.sleep(0.05)
        url = json.loads((folder / "state" / "server.json").read_text())["url"].rstrip("/")
        yield Running(url, env, process, log)
    finally:
        process.terminate()
        process.wait(60 * PATIENCE)
