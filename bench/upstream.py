"""Chatbots of the real MeshAgent SDK: ours, all in the SDK's own host, and an interpreter for each.

The same class runs in all three, unmodified, and joins the same rooms of one server of ours; a person in the
room sees when each has come.  Skipped, aloud, where the SDK cannot be had (it needs a Python 3.13).
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench import proc
from bench.client import Client
from bench.report import Effort, Report, ratio
from bench.server import SECRET, RunningServer, signed_call
from runtime.rooms.token import mint
from runtime.sdk.room.client import RoomClient, WebSocketClientProtocol
from tests.interop.environments import NotHere, Sdk, provide, release, write_bundle

VERSION = "0.55.1"
COUNT = 50
PATIENCE_S = 600.0
MIB = 1 << 20

CHATBOT = """
import asyncio
from meshagent.agents.chat import ChatBot
from meshagent.openai import OpenAIResponsesAdapter

class Chat(ChatBot):
    def __init__(self):
        super().__init__(name="chatbot", title="Chatbot", description="answers", rules=["Be brief."],
                         llm_adapter=OpenAIResponsesAdapter())
"""
SERVICE = f"""{CHATBOT}
from meshagent.api.services import ServiceHost
service = ServiceHost()
service.path(path="/bench", identity="chatbot")(Chat)
asyncio.run(service.run())
"""
ALONE = f"""{CHATBOT}
import sys
from meshagent.api import RoomClient, WebSocketClientProtocol

async def main(url, token):
    protocol = WebSocketClientProtocol(url=url, token=token)
    async with RoomClient(protocol_factory=protocol.create_factory()) as room:
        await Chat().start(room=room)
        await asyncio.Event().wait()

asyncio.run(main(*sys.argv[1:]))
"""

Start = Callable[[str], Awaitable[object]]
"""Has one chatbot begin to join a room."""

Pids = Callable[[], list[int]]


def run(effort: Effort) -> list[Report]:
    """One after the other, then all at once; then what they hold."""
    try:
        sdk = release(VERSION)
    except NotHere as reason:
        print(f"  chatbots of the MeshAgent SDK are not measured: {reason}", file=sys.stderr)
        return []
    return asyncio.run(_run(sdk, effort))


async def _run(sdk: Sdk, effort: Effort) -> list[Report]:
    count, few = effort.count(COUNT, 10), effort.count(10, 3)
    one = Report("upstream_start", f"MeshAgent {VERSION} ChatBot: asked for → seen in its room", "ms")
    storm = Report("upstream_storm", f"{count} of them asked for at once: all seen in their room", "s")
    memory = Report("upstream_memory", f"memory of {count} of them, in a room and idle", "MiB")
    contenders = {
        "bulkhead, a process each": _ours,
        "its ServiceHost, one process": _hosted,
        "a fresh interpreter each": _alone,
    }
    all_s, held = list[float](), list[float]()
    with tempfile.TemporaryDirectory() as name, _server(Path(name)) as server:
        for what, contender in contenders.items():
            with contender(server, sdk, Path(name)) as (start, pids):
                one.times(what, [1000 * await _seen_s(server, start, 1, f"one-{n}") for n in range(few)])
            with contender(server, sdk, Path(name)) as (start, pids):
                all_s.append(storm.value(what, await _seen_s(server, start, count, "all")))
                held.append(await _held(memory, what, pids, count))
    storm.at_least("sooner than fresh interpreters", ratio(all_s[2], all_s[0]), 5)
    storm.at_most("over its ServiceHost", ratio(all_s[0], all_s[1]), 1.2)
    memory.at_most("each of them", held[0] / count, 12, "MiB")
    memory.at_least("less than fresh interpreters", ratio(held[2], held[0]), 4)
    memory.notes.append("one process holds them all more cheaply, and takes them all along when it ends")
    return [one, storm, memory]


# ---- the contenders


@contextmanager
def _server(folder: Path) -> Iterator[RunningServer]:
    bundle = write_bundle(folder / "agents" / "bench", VERSION, SERVICE)
    provide(bundle, VERSION, folder / "state" / "environments")
    server = RunningServer(folder, "")
    try:
        yield server
    finally:
        server.close()


@contextmanager
def _ours(server: RunningServer, sdk: Sdk, folder: Path) -> Iterator[tuple[Start, Pids]]:
    client, number = Client(server.port), itertools.count()

    async def start(room: str) -> None:
        body, headers = signed_call(room, {"n": next(number)})  # the same again would be the same session
        status, answer = await client.post("/bench", body, headers)
        assert status == 200, answer

    yield start, lambda: list(proc.below(server.pid))
    for worker in server.workers():
        server.request("DELETE", f"/workers/{worker['id']}")


@contextmanager
def _hosted(server: RunningServer, sdk: Sdk, folder: Path) -> Iterator[tuple[Start, Pids]]:
    port = proc.free_port()
    env = {"MESHAGENT_PORT": str(port), "MESHAGENT_HOST": "127.0.0.1"}
    process = _program(server, sdk, folder, SERVICE, env=env)
    client = Client(port)

    async def start(room: str) -> None:
        data = {"room_url": _url(server, room), "token": _token(room), "room_name": room, "arguments": {}}
        body = json.dumps({"event": "room.call", "data": data}).encode()
        status, answer = await client.post("/bench", body, {"content-type": "application/json"})
        assert status == 200, answer

    try:
        _until_open(port)
        yield start, lambda: [process.pid]
    finally:
        _end([process])


@contextmanager
def _alone(server: RunningServer, sdk: Sdk, folder: Path) -> Iterator[tuple[Start, Pids]]:
    processes: list[subprocess.Popen[bytes]] = []

    async def start(room: str) -> None:
        processes.append(_program(server, sdk, folder, ALONE, _url(server, room), _token(room)))

    try:
        yield start, lambda: [process.pid for process in processes]
    finally:
        _end(processes)


def _program(
    server: RunningServer, sdk: Sdk, folder: Path, text: str, *words: str, env: dict[str, str] | None = None
) -> subprocess.Popen[bytes]:
    file = folder / f"{len(text)}.py"
    if not file.exists():  # others may be reading it
        file.write_text(text)
    more = {"MESHAGENT_API_URL": f"http://127.0.0.1:{server.port}", **(env or {})}
    quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return subprocess.Popen(
        [sdk.python, "-W", "ignore", str(file), *words], env=os.environ | more, cwd=folder, **quiet
    )


def _until_open(port: int) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise SystemExit("bench: MeshAgent's ServiceHost did not start") from None
            time.sleep(0.05)


def _end(processes: list[subprocess.Popen[bytes]]) -> None:
    for process in processes:
        process.send_signal(signal.SIGKILL)
    for process in processes:
        process.wait()


# ---- what is measured


def _url(server: RunningServer, room: str) -> str:
    return f"ws://127.0.0.1:{server.port}/rooms/{room}"


def _token(room: str, name: str = "chatbot", role: str = "agent") -> str:
    return mint(name, room=room, secret=SECRET, role=role)


async def _seen_s(server: RunningServer, start: Start, count: int, room: str) -> float:
    """Seconds from the request until a person in the room sees as many more chatbots as were asked for."""
    token = _token(room, "observer", "user")
    seen = asyncio.Semaphore(0)
    async with RoomClient(WebSocketClientProtocol(url=_url(server, room), token=token)) as observer:
        observer.messaging.on("participant_added", lambda **_: seen.release())
        await observer.messaging.enable()
        began = time.perf_counter()
        await asyncio.gather(*(start(room) for _ in range(count)))
        async with asyncio.timeout(PATIENCE_S):
            for _ in range(count):
                await seen.acquire()
        return time.perf_counter() - began


async def _held(report: Report, what: str, pids: Pids, count: int) -> float:
    """Memory of all processes together, each page counted once; returns MiB."""
    await asyncio.sleep(2)
    total = sum(proc.memory(pid)[1] for pid in pids()) / MIB
    return report.value(what, total, f"{total / count:.1f} MiB each, {len(pids())} processes")
