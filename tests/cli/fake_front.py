"""A stand-in for the front, run as a program: agents are sleeping processes, rooms are words.

It keeps the front's contract with the command line: the JSON argument, ``server.json``, the HTTP answers,
events, JSON lines on stdout, SIGTERM.  ``FAKE_FRONT`` in the environment chooses how it misbehaves.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

MODE = os.environ.get("FAKE_FRONT", "")
WORK = json.loads(sys.argv[1])
FLAGS = WORK["flags"]
ENDPOINTS = [
    {"path": path, "identity": identity, "class": name, "kind": kind, "state": "ready", "bundle": "main"}
    for path, identity, name, kind in (
        ("/chat", "chatbot", "SimpleChatbot", "chatbot"),
        ("/adder", "adder", "Adder", "toolkit"),
    )
]
if MODE == "one":
    del ENDPOINTS[1:]
if MODE == "many":
    ENDPOINTS += [{**ENDPOINTS[0], "path": f"/chat{n}", "identity": f"chatbot{n}"} for n in range(18)]
if MODE == "no_nodes":
    ENDPOINTS.clear()
WORKERS: list[dict[str, Any]] = []
PROCESSES: dict[str, subprocess.Popen[bytes]] = {}
EVENTS: list[str] = []
ENDING = threading.Event()


def start(path: str, room: str) -> str:
    endpoint = next(item for item in ENDPOINTS if item["path"] == path)
    id = f"s_{len(WORKERS) + 1}"
    PROCESSES[id] = process = subprocess.Popen(["sleep", "1000"])
    WORKERS.append(
        {"id": id, "state": "ready", "pid": process.pid, "endpoint": path, "identity": endpoint["identity"],
         "room": room, "uptime_s": 1.0, "cpu_s": 0.1, "rss_bytes": 1 << 20, "exit": None}
    )  # fmt: skip
    EVENTS.append(json.dumps({"type": "session.ready", "session": id, "start_ms": 38.0}))
    return id


def look() -> dict[str, Any]:
    for worker in WORKERS:
        status = PROCESSES[worker["id"]].poll()
        if status is not None and worker["state"] != "exited":
            worker["state"] = "exited"
            worker["exit"] = {
                "reason": "signal",
                "signal": -status,
                "code": None,
                "message": "",
                "at": "2026",
            }
    bundle = {"name": "main", "source": "main.py", "state": "ready"}
    if MODE == "no_nodes":
        return {"endpoints": [], "bundles": [], "workers": []}
    if MODE == "import_error":
        trace = 'Traceback (most recent call last):\n  File "main.py", line 1\nModuleNotFoundError: nowhere'
        bundle |= {
            "state": "failed",
            "error": "main.py cannot be imported. Install nowhere.",
            "detail": trace,
        }
        return {"endpoints": [], "bundles": [bundle], "workers": []}
    return {"endpoints": ENDPOINTS, "bundles": [bundle], "workers": WORKERS}


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length) or b"{}")
        if self.path == "/events":
            self._events()
        elif self.path == "/studio/links":
            where = f"studio/rooms/{body['room']}" if "room" in body else "studio/"
            self._send({"url": f"http://{self.headers['Host']}/{where}", "expires_in_s": None})
        elif self.command == "POST" and any(item["path"] == self.path for item in ENDPOINTS):
            if MODE == "one_fails" and self.path == "/chat":
                self._send({"title": "Too many sessions", "detail": "Wait a little."}, 503)
            else:
                self._send({"ok": True, "session": start(self.path, body["data"]["room_name"])})
        elif self.path.startswith("/workers"):
            self._send(look())
        elif self.path == "/.well-known/meshagent-service.json":
            self._send(
                {
                    "version": "v1",
                    "kind": "Service",
                    "metadata": {"name": "n"},
                    "container": {"image": ""},
                    "ports": [],
                }
            )
        else:
            self._send({"status": "ok", "version": "0"})

    do_POST = do_GET

    def _send(self, body: Any, status: int = 200) -> None:
        raw = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def _events(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        sent = 0
        while not ENDING.wait(0.02):
            with contextlib.suppress(BrokenPipeError):
                for event in EVENTS[sent:]:
                    sent += 1
                    self.wfile.write(f"id: {sent}\nevent: session.ready\ndata: {event}\n\n".encode())
                self.wfile.flush()

    def log_message(self, *_: object) -> None:
        pass


def main() -> int:
    if MODE == "dies":
        print("Traceback: the port is taken", flush=True)
        return 3
    httpd = ThreadingHTTPServer((FLAGS.get("server.host", "127.0.0.1"), FLAGS["server.port"]), Handler)
    httpd.daemon_threads = True
    if FLAGS.get("server.room"):
        for endpoint in ENDPOINTS:
            start(endpoint["path"], FLAGS["server.room"])
    state_dir = Path(FLAGS["server.state_dir"])
    state_dir.mkdir(parents=True, exist_ok=True)
    about = {
        "pid": os.getpid(),
        "url": f"http://127.0.0.1:{httpd.server_address[1]}",
        "started_at": 0,
        "version": "0",
    }
    (state_dir / "server.json").write_text(json.dumps(about))
    asked = []

    def end(*_: object) -> None:
        asked.append(1)
        threading.Thread(target=httpd.shutdown).start()

    signal.signal(signal.SIGTERM, end)
    print(json.dumps({"event": "server.listened", "level": "info"}), flush=True)
    print(json.dumps({"event": "bundle.late", "level": "warning", "bundle": "main"}), flush=True)
    httpd.serve_forever(poll_interval=0.01)
    while MODE == "drains_long" and len(asked) < 2:
        time.sleep(0.01)
    ENDING.set()
    for process in PROCESSES.values():
        process.kill()
        process.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
