"""A server that answers what a test tells it to, and a command line to run against it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from runtime.cli import main


@dataclass
class FakeServer:
    """Answers by ``"GET /path"``; what was asked is kept in `asked` as (method, path, headers, body)."""

    url: str = ""
    answers: dict[str, tuple[int, Any]] = field(default_factory=dict)
    asked: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)

    def answer(self, request: str, body: Any, status: int = 200) -> None:
        self.answers[request] = (status, body)


@pytest.fixture
def server() -> Iterator[FakeServer]:
    fake = FakeServer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(length)
            headers = {key.lower(): value for key, value in self.headers.items()}
            fake.asked.append((self.command, self.path, headers, body))
            status, answer = fake.answers.get(
                f"{self.command} {self.path}",
                (404, {"title": f"No agent at {self.path}", "detail": "Known paths: /chat"}),
            )
            raw = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
            kind = "text/event-stream" if isinstance(answer, bytes) else "application/json"
            self.send_response(status)
            self.send_header("Content-Type", "application/problem+json" if status >= 400 else kind)
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        do_POST = do_DELETE = do_GET

        def log_message(self, *_: object) -> None:
            pass

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    httpd.daemon_threads = False
    fake.url = f"http://127.0.0.1:{httpd.server_address[1]}"
    fake.answer("GET /healthz", {"status": "ok", "version": "0"})
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield fake
    httpd.shutdown()
    thread.join()
    httpd.server_close()


@dataclass(frozen=True)
class Ran:
    """What a command line did."""

    status: int
    out: str
    err: str


@pytest.fixture
def bulkhead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """``bulkhead("ps", "-o", "json")`` in an empty folder with an empty home and no settings."""
    import os

    for name in list(os.environ):
        if name.startswith(("BULKHEAD_", "MESHAGENT_", "OPENAI_")) and "TEST" not in name:
            monkeypatch.delenv(name)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home" / ".config"))
    monkeypatch.setattr("runtime.cli.api.DEFAULT_URL", "http://127.0.0.1:9")

    def run(*argv: str) -> Ran:
        capsys.readouterr()
        status = main.run(list(argv))
        captured = capsys.readouterr()
        return Ran(int(status), captured.out, captured.err)

    return run
