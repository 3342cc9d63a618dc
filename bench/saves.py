"""How late sessions answer while a bundle beside theirs is saved again and again, each time imported anew."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from bench.report import Effort, Report
from bench.server import AGENT, RunningServer

SESSIONS: Final = 50
SAVES: Final = 30
_EVERY_S: Final = 3.0
_PING_S: Final = 0.1
_LATE_MS: Final = 100.0


def run(effort: Effort) -> list[Report]:
    """Fifty sessions, each pinged ten times a second: without a save, and while one follows the other."""
    saves = effort.count(SAVES, 6)
    with tempfile.TemporaryDirectory(prefix="bulkhead-saves-") as name:
        server = RunningServer(Path(name), AGENT, server__watch=True)
        try:
            saved = Path(name) / "agents" / "saved.py"
            saved.write_text(AGENT.replace("/bench", "/saved"))
            sessions = [server.call(f"r{number}") for number in range(SESSIONS)]
            quiet = asyncio.run(_pinged(server, sessions, lambda: asyncio.sleep(effort.count(10, 3))))
            loads = -_generation(server)
            saving = asyncio.run(_pinged(server, sessions, lambda: _save(saved, saves)))
            loads += _generation(server)
        finally:
            server.close()
    report = Report("saves", f"answers of {SESSIONS} sessions while a bundle is saved {saves} times", "ms")
    for label, times in (("quiet", quiet), ("while saved", saving)):
        report.times(label, times, f"n={len(times)}, {_late(times):.2%} after 100 ms")
    report.value("loads that became the newest code", loads)
    report.at_most("answers later than 100 ms while a bundle is saved", _late(saving) * 100, 2, "%")
    return [report]


def _late(times: list[float]) -> float:
    return sum(each > _LATE_MS for each in times) / max(1, len(times))


def _generation(server: RunningServer) -> int:
    return int(server.request("GET", "/healthz")[1]["code_generation"])


async def _save(program: Path, saves: int) -> None:
    text = await asyncio.to_thread(program.read_text)
    for number in range(saves):
        await asyncio.to_thread(program.write_text, f"{text}\n# {number}\n")
        await asyncio.sleep(_EVERY_S)


async def _pinged(
    server: RunningServer, sessions: list[str], meanwhile: Callable[[], Awaitable[None]]
) -> list[float]:
    """Milliseconds from when each ping was due, in an open loop; an unanswered one raises."""
    times: list[float] = []
    over = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        for number, session in enumerate(sessions):
            group.create_task(_ping(server, session, number * _PING_S / len(sessions), over, times))
        await meanwhile()
        over.set()
    return times


async def _ping(
    server: RunningServer, session: str, first_s: float, over: asyncio.Event, times: list[float]
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    said = f"POST /workers/{session}/ping HTTP/1.1\r\nhost: bench\r\ncontent-length: 0\r\n"
    request = f"{said}authorization: {server.operator['authorization']}\r\n\r\n".encode()
    due = time.monotonic() + first_s
    while not over.is_set():
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        writer.write(request)
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        await reader.readexactly(int(head.split("content-length:")[1].split()[0]))
        if " 200 " not in head.split("\r\n")[0]:
            raise SystemExit(f"bench: a ping was answered {head}")
        times.append((time.monotonic() - due) * 1000)
        due += _PING_S
    writer.close()
