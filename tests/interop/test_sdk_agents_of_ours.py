"""Agents of the real SDK that our server runs, each in a process of its own, and who talks to them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psutil
import pytest

from runtime.rooms.files import JOURNALS
from runtime.telemetry.turn_steps import STEP
from tests.interop.conftest import HERE, ROOT, Bulkhead, Drive, Sdk, serve
from tests.interop.environments import provide, write_bundle
from tests.interop.fake_model import ANSWER, FakeModel
from tests.patience import PATIENCE

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(420)]


class Collector:
    """Takes telemetry over HTTP; `arrived` waits for bytes in what came."""

    def __init__(self) -> None:
        self._came = threading.Condition()
        self._packets: list[bytes] = []
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                packet = self.rfile.read(int(self.headers["Content-Length"]))
                with collector._came:
                    collector._packets.append(packet)
                    collector._came.notify_all()
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def arrived(self, *parts: bytes) -> bool:
        def has() -> bool:
            return any(all(part in packet for part in parts) for packet in self._packets)

        with self._came:
            return self._came.wait_for(has, 60)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    made = Collector()
    yield made
    made.close()


@pytest.fixture(scope="module")
def hosting(
    sdk: Sdk, tmp_path_factory: pytest.TempPathFactory, model: FakeModel, collector: Collector
) -> Iterator[Bulkhead]:
    """A server with the SDK's agents in one bundle, and somebody who collects its telemetry."""
    folder = tmp_path_factory.mktemp("hosting")
    bundle = write_bundle(folder / "agents" / "sdk", sdk.version, (HERE / "sdk_agent.py").read_text())
    provide(bundle, sdk.version, folder / "state" / "environments")
    more = {"OTEL_ENDPOINT": collector.url, "BULKHEAD_SUPERVISOR_IMPORT_S": "240"}
    yield from serve(folder, model, folder / "agents", **more)


@pytest.fixture(scope="module")
def cut_off(sdk: Sdk, tmp_path_factory: pytest.TempPathFactory, model: FakeModel) -> Iterator[Bulkhead]:
    """The same agents, in sessions that have no network."""
    folder = tmp_path_factory.mktemp("cut_off")
    bundle = write_bundle(folder / "agents" / "sdk", sdk.version, (HERE / "sdk_agent.py").read_text())
    provide(bundle, sdk.version, folder / "state" / "environments")
    strict = {"BULKHEAD_CONFINEMENT_LEVEL": "strict", "BULKHEAD_CONFINEMENT_NETWORK": "none"}
    strict["BULKHEAD_CONFINEMENT_READ"] = str(sdk.folder)  # where the links in its environment lead
    yield from serve(folder, model, folder / "agents", **strict)


def call(server: Bulkhead, path: str, room: str) -> dict[str, Any]:
    """Call an agent into a room; its session."""
    body = json.dumps({"event": "room.call", "data": {"room_name": room}}).encode()
    headers = {"Content-Type": "application/json", "Prefer": "wait=60"}
    answer = get(urllib.request.Request(server.url + path, body, headers))
    assert answer["state"] == "ready", answer
    session: dict[str, Any] = get(f"{server.url}/workers/{answer['session']}")
    return session


def test_without_a_network_room_and_model_are_reached_all_the_same(
    sdk: Sdk, cut_off: Bulkhead, drive: Drive, model: FakeModel
) -> None:
    room, before = "piped", len(model.requests)
    session = call(cut_off, "/chat", room)
    assert psutil.Process(session["pid"]).net_connections("inet") == []
    work = {"text": "is anybody there?", "answer": ANSWER, "as_message": sdk.number >= (0, 28)}
    drive(sdk, cut_off, "chat", url=cut_off.room_url(room), ada=cut_off.token(room, "ada", "user"), **work)
    asked = model.requests[before:]
    assert {key for key, _ in asked} == {f"Bearer {model.key}"}
    assert "is anybody there?" in json.dumps([body["input"] for _, body in asked])
    # No collector is named, and the room remembers where the time of the turn went.
    steps = turn_steps(cut_off, room, until="turn")
    assert [one["kind"] for one in steps] == ["model", "turn"]
    asking, turn = steps
    assert (asking["path"], asking["turn_id"]) == (".threads/interop.thread", turn["turn_id"])
    assert turn["began_ms"] <= asking["began_ms"] <= asking["ended_ms"] <= turn["ended_ms"]
    assert asking["output_tokens"] > 0


def turn_steps(server: Bulkhead, room: str, *, until: str) -> list[dict[str, Any]]:
    """Steps of turns that a room remembers, once one of this kind is among them."""
    deadline = time.monotonic() + 30 * PATIENCE
    while True:
        journals = Path(server.env["HOME"], "state").glob(f"**/{room}/{JOURNALS[0]}")
        entries = [json.loads(line) for file in journals for line in file.read_text().splitlines()]
        steps = [one["data"] for one in entries if one["type"] == STEP]
        if any(one["kind"] == until for one in steps):
            return steps
        assert time.monotonic() < deadline, entries
        time.sleep(0.1)


def get(request: urllib.request.Request | str) -> Any:
    with urllib.request.urlopen(request, timeout=90) as answer:
        return json.loads(answer.read())


def test_a_chatbots_answer_stands_in_the_thread_and_on_our_terminal(
    sdk: Sdk, hosting: Bulkhead, drive: Drive, model: FakeModel
) -> None:
    room = "talk"
    call(hosting, "/chat", room)
    command = ["chat", "--url", hosting.url, "--room", room, "--to", "chatbot", "--as", "grace"]
    chatted = subprocess.run(
        [sys.executable, "-m", "runtime", *command],
        input="when does the tide turn?\nand then?\n",
        capture_output=True,
        text=True,
        timeout=150,
        env=hosting.env,
        cwd=ROOT,
    )
    assert chatted.returncode == 0, chatted.stderr
    # Its newer releases write each text as a paragraph of its own.
    assert [line.strip() for line in chatted.stdout.splitlines() if line.strip()] == [ANSWER, ANSWER]
    assert "and then?" in json.dumps(model.requests[-1][1]["input"])
    assert {key for key, _ in model.requests} == {f"Bearer {model.key}"}
    work = {"text": "say it to ada", "answer": ANSWER, "as_message": sdk.number >= (0, 28)}
    drive(sdk, hosting, "chat", url=hosting.room_url(room), ada=hosting.token(room, "ada", "user"), **work)


def test_a_worker_and_a_task_runner_go_on_when_the_chatbot_beside_them_is_killed(
    sdk: Sdk, hosting: Bulkhead, drive: Drive
) -> None:
    room = "work"
    chatbot, *others = [call(hosting, path, room)["pid"] for path in ("/chat", "/worker", "/writer")]
    assert len({chatbot, *others}) == 3
    work = {"url": hosting.room_url(room), "ada": hosting.token(room, "ada", "user"), "answer": ANSWER}
    assert drive(sdk, hosting, "work", **work, jobs=3) == {"written": {"done": True}}
    os.kill(chatbot, signal.SIGKILL)
    assert drive(sdk, hosting, "work", **work, jobs=1) == {"written": {"done": True}}


def test_telemetry_leaves_the_sessions_and_costs_no_fork(hosting: Bulkhead, collector: Collector) -> None:
    (bundle,) = get(f"{hosting.url}/workers")["bundles"]
    assert (bundle["state"], bundle["threads"]) == ("ready", [])
    session = call(hosting, "/writer", "told")
    stop = urllib.request.Request(f"{hosting.url}/workers/{session['id']}", method="DELETE")
    with urllib.request.urlopen(stop, timeout=90):
        pass
    # What it still held was sent at its end, with the room that it was in.
    assert collector.arrived(b"agents-of-the-sdk", b"told", b"on duty")
