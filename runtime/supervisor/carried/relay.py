"""Join a room connection of the front's and a worker's pipe; neither side can outrun the other.

The connection is a caller's upgraded socket, or the front's own way into a room here or, for a session that
has no network, elsewhere; that one is made when the worker asks for it.
"""

from __future__ import annotations

import asyncio
from collections import deque

from runtime.errors import ChannelClosed, RoomError
from runtime.process.worker_process import WorkerProcess
from runtime.session.info import RelayPort
from runtime.wire import control

_PAUSE_BYTES = 1 << 20
_RESUME_BYTES = 256 << 10
_PACKET_BYTES = 100  # of one, beside what is in it


class Relay:
    """The front's part of a relayed room connection; `carried_bytes` went through it, both ways.

    Args:
        waits: The worker says when it wants to enter.

    What the worker sends is held while nobody reads it, up to a megabyte; then the worker's
    pipe is not read either, which stops this worker and nobody else.
    """

    def __init__(self, port: RelayPort, *, waits: bool = False) -> None:
        self._port = port
        self._dialled = asyncio.Event()
        if not waits:
            self._dialled.set()
        self._worker: WorkerProcess | None = None
        self._held: deque[bytes | None] = deque()
        self._held_bytes = 0
        self._paused = self._is_over = False
        self.carried_bytes = 0
        self._news = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def connect(self, worker: WorkerProcess) -> None:
        """Begin to carry packets."""
        self._worker = worker
        self._tasks = [
            asyncio.create_task(self._to_worker(worker), name="relay:down"),
            asyncio.create_task(self._to_caller(worker), name="relay:up"),
        ]

    def dial(self) -> None:
        """The worker wants to enter now."""
        self._dialled.set()

    def from_worker(self, packet: bytes | None) -> None:
        """Take a packet of the agent; None when it closed its end."""
        if self._is_over:
            return
        self._is_over = packet is None
        self._held.append(packet)
        self._held_bytes += len(packet or b"") + _PACKET_BYTES  # a flood of empty ones counts, too
        self.carried_bytes += len(packet or b"")
        if self._held_bytes > _PAUSE_BYTES and not self._paused and self._worker is not None:
            self._paused = True
            self._worker.pause()
        self._news.set()

    async def close(self) -> None:
        """The worker is gone: hand over what it still said, then close the connection."""
        if self._tasks:
            down, up = self._tasks
            down.cancel()
            self.from_worker(None)
            await asyncio.wait([up], timeout=2.0)
            up.cancel()
            await asyncio.gather(down, up, return_exceptions=True)
        await self._port.close()

    async def _to_worker(self, worker: WorkerProcess) -> None:
        await self._dialled.wait()
        try:
            while (packet := await self._port.receive()) is not None:
                self.carried_bytes += len(packet)
                if not worker.send(control.Packet(packet)):
                    return
                await worker.drain()
        except ChannelClosed:
            return
        except RoomError as error:
            worker.send(control.RelayClosed(error.code, error.message, error.cure))
            return
        worker.send(control.RelayClosed())

    async def _to_caller(self, worker: WorkerProcess) -> None:
        while True:
            while not self._held:
                self._news.clear()
                await self._news.wait()
            packet = self._held.popleft()
            if packet is None:
                await self._port.close()
                return
            self._held_bytes -= len(packet) + _PACKET_BYTES
            await self._port.send(packet)
            if self._paused and self._held_bytes < _RESUME_BYTES:
                self._paused = False
                worker.resume()
