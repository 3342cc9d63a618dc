"""A placement in this process, and agents that say with a datagram that their code runs."""

from __future__ import annotations

import asyncio
import os
import socket
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from bench.server import IMPORTS
from runtime.clock import SystemClock
from runtime.placement.local import LocalPlacement
from runtime.session.exit_reasons import ExitReason
from runtime.session.spec import Limits, SessionSpec, new_session_id
from runtime.settings import SupervisorSettings

AGENT = f"""
{IMPORTS}
import os, socket
from runtime.sdk import ServiceHost
service = ServiceHost()

@service.path("/bench", identity="bench")
class Idle:
    def __init__(self):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
            told.sendto(os.environ["BULKHEAD_SESSION"].encode(), os.environ["BENCH_SOCKET"])
    async def start(self, *, room): ...
    async def stop(self): ...

asyncio.run(service.run())
"""


class NoRoom:
    """A room connection on which nothing ever comes: the session stays at its door."""

    async def receive(self) -> bytes | None:
        await asyncio.Event().wait()
        return None

    async def send(self, packet: bytes) -> None:
        pass

    async def close(self) -> None:
        pass


class Node:
    """Sessions by the placement's contract alone, without HTTP and without a room."""

    def __init__(self, placement: LocalPlacement, told: socket.socket) -> None:
        self.placement = placement
        self._told = told
        self._running: dict[str, asyncio.Future[float]] = {}
        asyncio.get_running_loop().add_reader(told, self._heard)

    async def start_ms(self) -> float:
        """Place one session and end it again; milliseconds until its agent's constructor ran."""
        began = time.perf_counter()
        session_id, runs = await self._place()
        took_ms = (await runs - began) * 1000
        await self.placement.stop(session_id, ExitReason.STOPPED, 0)
        return took_ms

    async def until_parked(self, count: int) -> None:
        """Wait until so many children are parked."""
        while self.placement.bundles()[0].parked < count:  # noqa: ASYNC110 - there is no event for it
            await asyncio.sleep(0.005)

    async def storm_s(self, count: int) -> float:
        """Place sessions at once; seconds until the last one's constructor ran."""
        began = time.perf_counter()
        placed = [await self._place() for _ in range(count)]
        took_s = max(await asyncio.gather(*(runs for _, runs in placed))) - began
        stops = (self.placement.stop(session_id, ExitReason.STOPPED, 0) for session_id, _ in placed)
        await asyncio.gather(*stops)
        return took_s

    @asynccontextmanager
    async def kept(self, count: int) -> AsyncIterator[None]:
        """Sessions, started one after the other, that run their own code; they are ended afterwards."""
        placed = []
        for _ in range(count):
            session_id, runs = await self._place()
            await runs
            placed.append(session_id)
        try:
            yield
        finally:
            stops = (self.placement.stop(session_id, ExitReason.STOPPED, 0) for session_id in placed)
            await asyncio.gather(*stops)

    async def _place(self) -> tuple[Any, asyncio.Future[float]]:
        spec = SessionSpec(
            session_id=new_session_id(), bundle="", endpoint="/bench", identity="b", room="r", relay=True
        )
        runs = self._running[spec.session_id] = asyncio.get_running_loop().create_future()
        await self.placement.place(spec, 1, NoRoom())
        return spec.session_id, runs

    def _heard(self) -> None:
        while True:
            try:
                session_id = self._told.recv(200).decode()
            except BlockingIOError:
                return
            now = time.perf_counter()
            if (runs := self._running.pop(session_id, None)) is not None:
                runs.set_result(now)


@asynccontextmanager
async def running_node(**settings: Any) -> AsyncIterator[Node]:
    """A node with one bundle loaded."""
    with tempfile.TemporaryDirectory() as folder:
        address = f"{folder}/told"
        told = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        told.bind(address)
        told.setblocking(False)
        agents = Path(folder, "agents")
        agents.mkdir()  # noqa: ASYNC240 - before anything is measured
        (agents / "bench.py").write_text(AGENT)
        placement = LocalPlacement(
            SupervisorSettings(**{"max_sessions": 3000, "max_starting": 1000, **settings}),
            limits=Limits(),
            clock=SystemClock(),
            env={**os.environ, "BENCH_SOCKET": address},
            owns_process=False,  # the other contenders are children of this process, too
        )
        await placement.start([agents], watch=False)
        await placement.loaded()
        reading = asyncio.create_task(_read(placement))
        try:
            yield Node(placement, told)
        finally:
            reading.cancel()
            await placement.aclose()
            told.close()


async def _read(placement: LocalPlacement) -> None:
    async for _ in placement.events():
        pass
