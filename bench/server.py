"""A server in its own process, as a user has it, and the requests a benchmark sends to it."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.proc import free_port
from runtime.wire.signature import meshagent_signature

SECRET = "a-secret-for-the-bench-and-nothing-else"
IMPORTS = "import asyncio, openai, openai.resources, pydantic, structlog, opentelemetry.sdk.trace"
"""What every contender has imported before it starts sessions, as far as it has the package."""

AGENT = f"""
{IMPORTS}
import gc
from runtime.sdk import ServiceHost
service = ServiceHost()

@service.path("/bench", identity="bench")
class Idle:
    async def start(self, *, room):
        if self.__dict__.get("arguments", {{}}).get("collect"):
            gc.collect()
    async def stop(self): ...

asyncio.run(service.run())
"""


class RunningServer:
    """A server with one agent that does nothing.

    Args:
        folder: Gets ``agents/bench.py`` and the server's state.
        agent: Its program; empty when ``agents`` is there already.
    """

    def __init__(self, folder: Path, agent: str = AGENT, **knobs: Any) -> None:
        (folder / "agents").mkdir(exist_ok=True)
        if agent:
            (folder / "agents" / "bench.py").write_text(agent)
        self.port = free_port()
        flags = {"server.port": self.port, "server.state_dir": str(folder / "state"), "log.level": "error"}
        flags |= {"server.watch": False, "server.chaos": True}
        flags |= {name.replace("__", "."): value for name, value in knobs.items()}
        given = {"flags": flags, "sources": [str(folder / "agents")], "config": None}
        env = {**os.environ, "BULKHEAD_WEBHOOK_SECRET": SECRET, "MESHAGENT_SECRET": SECRET}
        argv = [sys.executable, "-m", "runtime.front", json.dumps(given)]
        self.process = subprocess.Popen(argv, env=env, stdout=subprocess.DEVNULL)
        self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        self.operator: dict[str, str] = {}
        self._until_ready()
        # As a command of this machine's operator: with a secret set, being local is not enough.
        self.key: str = json.loads((folder / "state" / "server.json").read_text())["key"]
        self.operator = {"authorization": f"Bearer {self.key}"}

    @property
    def pid(self) -> int:
        return self.process.pid

    def _until_ready(self) -> None:
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            try:
                if self.request("GET", "/readyz")[0] == 200:
                    return
            except OSError:
                self.connection.close()
            time.sleep(0.02)
        raise SystemExit("bench: the server did not become ready within two minutes")

    def request(
        self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> tuple[int, Any]:
        """Status and decoded body; without headers it is sent as the operator."""
        headers = self.operator if headers is None else headers
        try:
            self.connection.request(method, path, body or None, headers)
            answer = self.connection.getresponse()
        except (http.client.RemoteDisconnected, BrokenPipeError):
            # Kept too long without a word; nothing of this request was answered, so it is asked again.
            self.connection.close()
            self.connection.request(method, path, body or None, headers)
            answer = self.connection.getresponse()
        raw = answer.read()
        return answer.status, json.loads(raw) if raw.startswith(b"{") else raw

    def call(self, room: str = "bench", **arguments: Any) -> str:
        """One signed webhook, answered when the agent is in the room; the session's id."""
        body, headers = signed_call(room, arguments)
        status, answer = self.request("POST", "/bench", body, headers | {"prefer": "wait=60"})
        if status != 200:
            raise SystemExit(f"bench: the webhook was answered {status}: {answer}")
        return str(answer["session"])

    def worker(self, session: str) -> dict[str, Any]:
        """A session as the API shows it."""
        shown: dict[str, Any] = self.request("GET", f"/workers/{session}")[1]
        return shown

    def workers(self) -> list[dict[str, Any]]:
        """All sessions that live."""
        found: list[dict[str, Any]] = self.request("GET", "/workers")[1]["workers"]
        return found

    def close(self) -> None:
        self.connection.close()
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def signed_call(room: str, arguments: dict[str, Any] | None = None) -> tuple[bytes, dict[str, str]]:
    """Body and headers of a webhook that calls an agent into a room."""
    data = {"room_name": room, "arguments": arguments or {}}
    body = json.dumps({"event": "room.call", "data": data}).encode()
    signature = meshagent_signature(body, SECRET)
    return body, {"content-type": "application/json", "meshagent-signature": signature}


@contextmanager
def running_server(agent: str = AGENT, **knobs: Any) -> Iterator[RunningServer]:
    """``supervisor__max_parked=0`` sets ``supervisor.max_parked``."""
    with tempfile.TemporaryDirectory() as folder:
        server = RunningServer(Path(folder), agent, **knobs)
        try:
            yield server
        finally:
            server.close()
