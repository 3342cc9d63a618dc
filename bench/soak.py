"""A server that is used for a while: memory, disk, descriptors and folders stay where they were.

Sessions start and end in forty rooms, and in a new one every five seconds; some crash, a bundle is saved all
the time, every third save is broken.  The second half is compared with the end of the first.  A room stays
open for five minutes when nobody is in it, so less than twenty minutes say little of a flat end.
"""

from __future__ import annotations

import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.report import Effort, Report
from bench.server import RunningServer

MINUTES: Final = 26
_SAVE_S: Final = 10.0
_NEW_ROOM_S: Final = 5.0

AGENT = """
import asyncio
from runtime.sdk import ServiceHost
service = ServiceHost()

@service.path("/bench", identity="bench", restart="never")
class Short:
    async def start(self, *, room):
        await asyncio.sleep(0.05)
        if self.arguments.get("crash"):
            raise ValueError("as it was asked to")
        self.leaving = asyncio.create_task(room.__aexit__(None, None, None))
    async def stop(self): ...

asyncio.run(service.run())
"""


@dataclass(frozen=True, slots=True)
class Size:
    """What a server takes at one moment."""

    memory_mb: float
    descriptors: int
    disk_mb: float
    folders: int


def run(effort: Effort) -> list[Report]:
    minutes = effort.given or effort.count(MINUTES, 2)
    report = Report("soak", f"{minutes} minutes of use", "")
    with tempfile.TemporaryDirectory(prefix="bulkhead-soak-") as name:
        folder = Path(name)
        more = {"server__watch": True, "server__history_count": 200, "server__crash_count": 50}
        server = RunningServer(folder, AGENT, **more)
        try:
            sizes, calls = _used(server, folder, minutes * 60.0)
        finally:
            server.close()
    half = sizes[len(sizes) // 2]
    for one, label in ((sizes[0], "at the start"), (half, "in the middle"), (sizes[-1], "at the end")):
        about = f"{one.descriptors} descriptors, {one.disk_mb:.1f} MB of state, {one.folders} folders"
        report.value(f"memory of the front, {label} (MB)", one.memory_mb, about)
    report.value("calls", calls)
    last = sizes[-1]
    report.at_most("more memory than in the middle", last.memory_mb - half.memory_mb, 12, "MB")
    report.at_most("more descriptors", last.descriptors - half.descriptors, 16, "descriptors")
    report.at_most("more disk", last.disk_mb - half.disk_mb, 6, "MB")
    report.at_most("more folders", last.folders - half.folders, 40, "folders")
    return [report]


def _used(server: RunningServer, folder: Path, length_s: float) -> tuple[list[Size], int]:
    program, sizes = folder / "agents" / "bench.py", [_size(server, folder)]
    began = saved_at = time.monotonic()
    calls = saves = 0
    while (now := time.monotonic()) < began + length_s:
        calls += 1
        data = f'{{"crash": {"true" if calls % 10 == 0 else "false"}}}'
        room = f"new{int(now / _NEW_ROOM_S)}" if calls % 40 == 0 else f"r{calls % 40}"
        body = f'{{"event":"room.call","data":{{"room_name":"{room}","arguments":{data}}}}}'.encode()
        server.request("POST", "/bench", body, _signed(body) | {"prefer": "wait=20"})
        if now > saved_at + _SAVE_S:
            saved_at, saves = now, saves + 1
            program.write_text(AGENT + (f"\n# {saves}\n" if saves % 3 else "\nthis is no Python\n"))
        if now > began + len(sizes) * length_s / 20:
            sizes.append(_size(server, folder))
        time.sleep(0.02)
    program.write_text(AGENT)
    sizes.append(_size(server, folder))
    return sizes, calls


def _signed(body: bytes) -> dict[str, str]:
    from bench.server import SECRET
    from runtime.wire.signature import meshagent_signature

    return {"content-type": "application/json", "meshagent-signature": meshagent_signature(body, SECRET)}


def _size(server: RunningServer, folder: Path) -> Size:
    status = Path(f"/proc/{server.pid}/status").read_text()
    rss_kb = int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS")))
    state, count, folders = 0, len(os.listdir(f"/proc/{server.pid}/fd")), 0
    for above, inner, files in os.walk(folder / "state"):
        folders += len(inner)
        for file in files:
            try:
                state += os.lstat(os.path.join(above, file)).st_size
            except FileNotFoundError:
                continue
    return Size(rss_kb / 1024, count, state / 1e6, folders)
