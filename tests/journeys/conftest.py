"""What a new user has: an empty home, an empty folder, and the command."""

from __future__ import annotations

import http.client
import json
import os
import queue
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.patience import PATIENCE

ROOT = Path(__file__).resolve().parents[2]
READ_S = 30.0


@dataclass
class Server:
    """A foreground command that serves, and what it has printed so far."""

    process: subprocess.Popen[str]
    lines: list[str] = field(default_factory=list)
    url: str = ""

    def __post_init__(self) -> None:
        self._unread: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as stream:
            for line in stream:
                self._unread.put(line)
        self._unread.put(None)

    def read_until(self, pattern: str) -> None:
        """Read what it prints until a line matches; fail with all of it when none does."""
        deadline = time.monotonic() + READ_S * PATIENCE
        while True:
            try:
                line = self._unread.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                line = None
            if line is None:
                pytest.fail(f"no {pattern!r} in what it printed:\n" + "\n".join(self.lines))
            self.lines.append(line.rstrip("\n"))
            if re.search(pattern, line):
                return

    def told(self, pattern: str) -> re.Match[str]:
        """The match among the lines so far."""
        found = re.search(pattern, "\n".join(self.lines))
        assert found, f"no {pattern!r} in\n" + "\n".join(self.lines)
        return found

    def stop(self, number: int = signal.SIGINT) -> int:
        if self.process.poll() is None:
            self.process.send_signal(number)
        status = self.process.wait(30 * PATIENCE)
        self._reader.join(10)
        return status

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        host = self.url.removeprefix("http://")
        connection = http.client.HTTPConnection(host, timeout=20 * PATIENCE)
        try:
            payload = None if body is None else json.dumps(body)
            connection.request(method, path, payload, {"Content-Type": "application/json", **headers})
            answer = connection.getresponse()
            raw = answer.read()
            return answer.status, json.loads(raw) if raw else None
        finally:
            connection.close()


class User:
    """Somebody in a folder with a shell."""

    def __init__(self, home: Path, folder: Path) -> None:
        self.folder = folder
        kept = {key: os.environ[key] for key in ("PATH", "LANG") if key in os.environ}
        self.env = {**kept, "HOME": str(home), "PYTHONPATH": str(ROOT)}
        self._command = [sys.executable, "-m", "runtime"]
        self.servers: list[Server] = []

    def run(self, *argv: str, input: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        return subprocess.run(
            [*self._command, *argv],
            cwd=self.folder,
            env=self.env,
            input=input,
            stdin=subprocess.DEVNULL if input is None else None,
            capture_output=True,
            text=True,
            timeout=60 * PATIENCE,
        )

    def serve(self, *argv: str) -> Server:
        """Start a command that stays in the foreground."""
        # One file for both would hide their order; errors go where the test's own go.
        process = subprocess.Popen(
            [*self._command, *argv],
            cwd=self.folder,
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        server = Server(process)
        self.servers.append(server)
        return server


@pytest.fixture
def user(tmp_path: Path) -> Iterator[User]:
    home, folder = tmp_path / "home", tmp_path / "folder"
    home.mkdir()
    folder.mkdir()
    someone = User(home, folder)
    yield someone
    for server in someone.servers:
        try:
            server.stop()
        finally:
            if server.process.poll() is None:
                server.process.kill()
                server.process.wait()


@pytest.fixture
def free_port() -> int:
    from runtime.cli.ports import any_free

    return any_free("0.0.0.0")
