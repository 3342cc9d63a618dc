"""One hostile source of each sort sends in seconds what would do for an hour: memory and disk stay flat."""

from __future__ import annotations

import asyncio
import json
import struct
import subprocess
import sys
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.front.test_server_process import Process, running
from tests.patience import PATIENCE

pytestmark = [pytest.mark.process, pytest.mark.asyncio]

MIB = 1 << 20
HEADER, PACKET = struct.Struct(">QII"), struct.Struct(">QI")
AGENTS = '''
import asyncio, os, select, socket, struct, threading
from runtime.sdk import ServiceHost
from runtime.wire import control
from runtime.wire.frames import encode_frame

service = ServiceHost()

def pipe():
    """The pipe to the server: what it made, and neither this process nor its zygote."""
    for fd in range(3, 64):
        try:
            one = socket.socket(fileno=os.dup(fd))
            made_by, = struct.unpack("i4x4x", one.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        except OSError:
            continue
        if one.type == socket.SOCK_STREAM and made_by not in (0, os.getpid(), os.getppid()):
            return one

def say(message):
    frame = encode_frame(control.encode(message), max_frame_bytes=8 << 20)
    left, one = memoryview(frame), pipe()
    while left:
        select.select([], [one], [])
        left = left[one.send(left):]

def forever(act):
    threading.Thread(target=lambda: [act() for _ in iter(int, 1)], daemon=True).start()

class Base:
    async def start(self, *, room):
        self.act()
    async def stop(self):
        pass

@service.path("/fails", identity="fails", restart="never")
class Fails(Base):
    def act(self):
        big = "x" * (1 << 20)
        say(control.Failed("run", big, big * 5, where=big, traceback=""))
        os._exit(71)

@service.path("/last", identity="last", restart="never")
class Last(Base):
    def act(self):
        say(control.Ended("finished", "x" * (6 << 20)))
        os._exit(0)

@service.path("/prints", identity="prints", restart="never")
class Prints(Base):
    def act(self):
        line = b"y" * 15000 + b"\\n"
        forever(lambda: os.write(1, line))

@service.path("/states", identity="states", restart="never")
class States(Base):
    def act(self):
        said = control.StatusNow({f"{n}": "z" * 10000 for n in range(100)})
        forever(lambda: say(said))

@service.path("/quiet", identity="quiet", restart="never")
class Quiet(Base):
    def act(self):
        pass

asyncio.run(service.run())
'''


def memory_of(server: Process) -> int:
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    (line,) = [one for one in status.splitlines() if one.startswith("VmRSS:")]
    return int(line.split()[1]) << 10


def disk_of(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


class Watched:
    """A server whose memory and disk are looked at, and which has to answer meanwhile."""

    def __init__(self, server: Process, folder: Path) -> None:
        self.server, self.folder = server, folder
        self.before = memory_of(server), disk_of(folder)

    async def is_flat(self, *, memory_mib: int, disk_mib: int) -> None:
        """Wait until what was used for a moment is given back."""
        async with asyncio.timeout(20 * PATIENCE):
            while (grown := memory_of(self.server) - self.before[0]) > memory_mib * MIB:
                await asyncio.sleep(0.1)
        assert grown <= memory_mib * MIB
        assert disk_of(self.folder) - self.before[1] <= disk_mib * MIB
        assert (await self.server.ask("GET", "/livez")).status == 200

    async def token(self, room: str, name: str = "eve") -> str:
        asked = await self.server.ask("POST", f"/rooms/{room}/token", json.dumps({"name": name}).encode())
        return str(asked.json["token"])


async def watched(stack: AsyncExitStack, tmp_path: Path, **flags: Any) -> Watched:
    (tmp_path / "agents").mkdir()
    (tmp_path / "agents" / "main.py").write_text(AGENTS)
    given = {"server.port": 0, "server.state_dir": str(tmp_path / "state"), **flags}
    work = json.dumps({"flags": given, "sources": [str(tmp_path / "agents")]})
    log = tmp_path / "server.log"
    server = await stack.enter_async_context(running(tmp_path, "-m", "runtime.front", work, log=log))
    return Watched(server, tmp_path)


@pytest.mark.parametrize("path", ["/fails", "/last"])
async def test_workers_that_say_megabytes_of_their_end(tmp_path: Path, path: str) -> None:
    async with AsyncExitStack() as stack:
        one = await watched(stack, tmp_path)
        for number in range(12):
            body = b'{"event":"room.call","data":{"room_name":"r%d"}}' % number
            session = (await one.server.ask("POST", path, body)).json["session"]
            async with asyncio.timeout(20 * PATIENCE):
                while (worker := await one.server.worker(session))["exit"] is None:
                    await asyncio.sleep(0.02)
            assert len(worker["exit"]["message"]) < 4000
        listed = await one.server.ask("GET", "/workers?all=1")
        assert len(listed.body) < MIB
        await one.is_flat(memory_mib=40, disk_mib=8)


async def test_workers_that_print_and_tell_of_themselves_without_end(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        one = await watched(stack, tmp_path, **{"supervisor.log_kept_bytes": 8 * MIB})
        for path in ("/prints", "/prints", "/states"):
            await one.server.call(path)
        until = time.monotonic() + 4
        while time.monotonic() < until:
            assert (await one.server.ask("GET", "/livez")).status == 200
            await asyncio.sleep(0.05)
        await one.is_flat(memory_mib=60, disk_mib=4)
        assert "worker.lines_left_out" in (tmp_path / "server.log").read_text()


GIVES_BACK = """
import asyncio, sys
from runtime.front import __main__ as front

def rss_mib():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) // 256

def run(*_, **__):
    large = bytearray(8 << 20)
    del large  # from now on the C library takes smaller ones for small
    before, kept, large = rss_mib(), [], []
    for _ in range(100):
        large.append(bytearray(1 << 20))
        kept.append(bytearray(2000))
    large.clear()
    print(rss_mib() - before, flush=True)
    sys.exit(0)

front.Server = run  # where it would start
front.main(sys.argv[1:])
"""


async def test_what_is_large_is_given_back_whatever_lies_between(tmp_path: Path) -> None:
    work = json.dumps({"flags": {"server.state_dir": str(tmp_path / "state")}, "sources": [str(tmp_path)]})
    argv = [sys.executable, "-c", GIVES_BACK, work]
    done = await asyncio.to_thread(subprocess.run, argv, capture_output=True, text=True)
    assert int(done.stdout) <= 10, done.stderr


async def test_a_member_that_begins_messages_and_ends_none(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        one = await watched(stack, tmp_path, **{"rooms.max_held_bytes": 32 * MIB})
        url = f"ws{one.server.url.removeprefix('http')}/rooms/r?token={await one.token('r')}"
        for number in range(20):
            socket = await stack.enter_async_context(connect(url, compression=None, max_size=None))
            try:
                await socket.send(HEADER.pack(number + 1, 0, 9) + b"developer.log")
                for index in range(1, 9):
                    await socket.send(PACKET.pack(number + 1, index) + b"x" * MIB)
                await socket.ping()
            except ConnectionClosed:
                continue
        honest = f"ws{one.server.url.removeprefix('http')}/rooms/s?token={await one.token('s', 'ada')}"
        async with connect(honest) as socket, asyncio.timeout(20 * PATIENCE):
            assert b"room_ready" in await socket.recv()
            rooms = {found["name"]: found for found in (await one.server.ask("GET", "/rooms")).json}
            assert len(rooms["r"]["participants"]) <= 5
        await one.is_flat(memory_mib=70, disk_mib=1)


async def test_somebody_who_enters_room_after_room(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        one = await watched(stack, tmp_path, **{"rooms.max_open": 20, "rooms.max_connections": 3})
        base = f"ws{one.server.url.removeprefix('http')}/rooms"
        for number in range(100):
            async with connect(f"{base}/v{number}?token={await one.token(f'v{number}')}") as socket:
                await socket.recv()
        token = await one.token("r")
        for _ in range(3):
            await stack.enter_async_context(connect(f"{base}/r?token={token}"))
        with pytest.raises(InvalidStatus) as refused:
            await connect(f"{base}/r?token={token}")
        assert refused.value.response.status_code == 503
        data = tmp_path / "state" / "rooms" / "data"
        async with asyncio.timeout(20 * PATIENCE):
            while len(list(data.iterdir())) > 21:
                await asyncio.sleep(0.05)
        await one.is_flat(memory_mib=40, disk_mib=1)


async def test_calls_into_more_rooms_than_there_may_be_are_refused_not_failed(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        one = await watched(stack, tmp_path, **{"rooms.max_open": 5, "supervisor.join_s": 60.0})
        answers = await asyncio.gather(
            *(
                one.server.ask(
                    "POST",
                    "/quiet",
                    b'{"event":"room.call","data":{"room_name":"c%d"}}' % number,
                    Prefer="wait=30",
                )
                for number in range(12)
            )
        )
        assert sorted(answer.status for answer in answers) == [200] * 5 + [503] * 7
        refused = next(answer for answer in answers if answer.status == 503)
        assert refused.json["type"] == "urn:bulkhead:problem:too_many_rooms"
        assert "retry-after" in refused.headers
        into_one = b'{"event":"room.call","data":{"room_name":"%s"}}'
        name = next(r["name"] for r in (await one.server.ask("GET", "/rooms")).json).encode()
        assert (await one.server.ask("POST", "/quiet", into_one % name, Prefer="wait=30")).status == 200
