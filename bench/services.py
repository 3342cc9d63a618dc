"""From the first participant of a room to the agent of a service in it: as a process, and as a container."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any, Final

from bench.report import Effort, Report
from bench.server import SECRET, RunningServer
from runtime.rooms.token import mint
from runtime.sdk.room.client import RoomClient, WebSocketClientProtocol

IMAGE: Final = os.environ.get("BULKHEAD_TEST_PYTHON_IMAGE", "python:3.13-slim")
_AGENT: Final = """
import base64, http.server, json, os, socket, threading
from urllib.parse import urlsplit

class Called(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()
    def do_POST(self):
        data = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["data"]
        threading.Thread(target=stay, args=(data,), daemon=True).start()
        self.do_GET()

def stay(data):
    url = urlsplit(data["room_url"])
    room = socket.create_connection((url.hostname, url.port))
    key = base64.b64encode(os.urandom(16)).decode()
    lines = (f"GET {url.path} HTTP/1.1", f"Host: {url.netloc}", "Upgrade: websocket",
             "Connection: Upgrade", "Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {key}",
             f"Authorization: Bearer {data['token']}")
    room.sendall("\\r\\n".join((*lines, "", "")).encode())
    while room.recv(65536):
        pass

port, host = int(os.environ["MESHAGENT_PORT"]), os.environ["MESHAGENT_HOST"]
http.server.ThreadingHTTPServer((host, port), Called).serve_forever()
"""
_SERVICE: Final[dict[str, Any]] = {
    "version": "v1",
    "kind": "Service",
    "metadata": {"name": "greeter"},
    "ports": [
        {
            "num": 8000,
            "liveness": "/",
            "endpoints": [{"path": "/", "meshagent": {"identity": "greeter"}}],
        }
    ],
    "container": {
        "image": IMAGE,
        "command": "python3 agent.py",
        "storage": {"files": [{"path": "/agent.py", "text": _AGENT}]},
    },
}
_PROGRAM: Final = """
import asyncio
from runtime.sdk import ServiceHost

service = ServiceHost()

@service.path("/greeter", identity="greeter")
class Idle:
    async def start(self, *, room): ...
    async def stop(self): ...

asyncio.run(service.run())
"""
_OF_OURS: Final[dict[str, Any]] = {
    **_SERVICE,
    "ports": [
        {
            "num": "*",
            "liveness": "/readyz",
            "endpoints": [{"path": "/greeter", "meshagent": {"identity": "greeter"}}],
        }
    ],
    "container": {"image": "greeter"},
}
_PROJECT: Final = "00000000-0000-4000-8000-000000000000"


def run(effort: Effort) -> list[Report]:
    """With processes in place of containers; and with an engine, where one has the image."""
    report = Report("services", "a room's first participant → the agent of its service is there", "ms")
    rounds = effort.count(20, 5)
    p50 = report.times("a process", _times("process", rounds))
    report.at_most("a process", p50, 500, "ms")
    report.times("a process with a server of ours, main.py", _times("process", rounds, _OF_OURS))
    if _has_engine():
        p50 = report.times("a container of a local image", _times("docker", rounds))
        report.at_most("a container of a local image", p50, 2000, "ms")
    return [report]


def _has_engine() -> bool:
    try:
        asked = subprocess.run(["docker", "image", "inspect", IMAGE], capture_output=True, check=False)
    except OSError:
        return False
    return asked.returncode == 0


def _times(engine: str, rounds: int, service: dict[str, Any] = _SERVICE) -> list[float]:
    with tempfile.TemporaryDirectory(prefix="bulkhead-services-") as name:
        program = Path(name, "greeter")
        program.mkdir()
        (program / "main.py").write_text(_PROGRAM)
        knobs = {"containers__engine": engine, "containers__host_commands": True, "rooms__linger_s": 0.05}
        knobs["containers__images"] = [f"greeter={program}"]
        server = RunningServer(Path(name), containers__stop_s=1.0, **knobs)
        try:
            made = json.dumps(service).encode()
            path = f"/accounts/projects/{_PROJECT}/services"
            status, answer = server.request("POST", path, made)
            if status != 200:
                raise SystemExit(f"bench: the service was answered {status}: {answer}")
            return [asyncio.run(_once(server, f"r{number}")) for number in range(rounds)]
        finally:
            server.close()


async def _once(server: RunningServer, room: str) -> float:
    url = f"ws://127.0.0.1:{server.port}/rooms/{room}"
    token = mint("bench-user", room=room, secret=SECRET, role="user")
    began = time.perf_counter()
    async with RoomClient(protocol=WebSocketClientProtocol(url=url, token=token)):
        while not _is_there(server):
            if time.perf_counter() - began > 60:
                raise SystemExit("bench: the service's agent did not come within a minute")
            await asyncio.sleep(0.005)
        length_ms = (time.perf_counter() - began) * 1000
    while _rooms(server):  # noqa: ASYNC110 - the next round begins with nothing open
        await asyncio.sleep(0.05)
    return length_ms


def _is_there(server: RunningServer) -> bool:
    return any(one["name"] == "greeter" for room in _rooms(server) for one in room["participants"])


def _rooms(server: RunningServer) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(server.request("GET", "/rooms")[1])
    return found
