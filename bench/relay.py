"""Messages of 1 KiB over the control pipe between two processes, against a bare one and LiveKit's."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
import time
from collections.abc import Awaitable, Callable

from bench.report import Effort, Report
from bench.rival import rivals
from bench.rounds import by_rounds
from runtime.errors import ProtocolError
from runtime.process.channel import Channel
from runtime.wire import control

PACKET = control.Packet(b"x" * 1024)
RAW = struct.pack("!I", 1024) + b"x" * 1024
_LENGTH = struct.Struct("!I")

Side = Callable[[socket.socket, int, int], Awaitable[tuple[float, float]]]


def run(effort: Effort) -> list[Report]:
    """Round trip of one message, and messages a second one way."""
    trips, count, rounds = 2000, effort.count(30_000, 10_000), effort.count(7, 3)
    times: dict[str, tuple[list[float], list[float]]] = {}

    def add(name: str, trip_us: float, per_s: float) -> None:
        found = times.setdefault(name, ([], []))
        found[0].append(trip_us)
        found[1].append(per_s)

    with rivals(LiveKit=("--no-pool",)) as pools:
        for _ in range(rounds):
            add("bulkhead's channel", *_measure(_echo_channel, _drive_channel, trips, count))
            add("bare protocol, no codec", *_measure(_echo_bare, _drive_bare, trips, count))
            if pools:
                found = pools["LiveKit"].ask("relay", trips, count)
                add("LiveKit's duplex", found["trip_us"], found["per_s"])
    report = Report("relay", "relay of 1 KiB over the pipe: round trip", "µs")
    for name, measured in times.items():
        report.times(name, measured[0])
    flow = Report("relay_flow", "relay of 1 KiB over the pipe: one way, thousand messages a second", "k/s")
    for name, measured in times.items():
        flow.times(name, (each / 1000 for each in measured[1]))
    ours, bare = times["bulkhead's channel"], times["bare protocol, no codec"]
    report.at_most("over the bare protocol", by_rounds(ours[0], bare[0]), 1.5)
    flow.at_least("over the bare protocol", by_rounds(ours[1], bare[1]), 0.5)
    return [report, flow]


def _measure(
    echo: Callable[[socket.socket, int, int], Awaitable[None]], drive: Side, trips: int, count: int
) -> tuple[float, float]:
    ours, theirs = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        ours.close()
        asyncio.run(echo(theirs, trips, count))
        os._exit(0)
    theirs.close()
    try:
        return asyncio.run(drive(ours, trips, count))
    finally:
        os.waitpid(pid, 0)


# ---- ours: messages, framed and encoded, as between the front and a worker


class _Inbox:
    """Handles messages where they arrive, as the front and a worker do."""

    def __init__(self) -> None:
        self.count = 0
        self.trips = 0
        self.sent_at = 0.0
        self.took: list[float] = []
        self.wanted = 0
        self.reached = asyncio.Event()
        self.channel: Channel[control.ToWorker]
        self.echoes = 0

    async def open(self, sock: socket.socket) -> None:
        self.channel = await Channel.open(
            sock, control.to_worker, self._message, self._ended, max_frame_bytes=1 << 20
        )

    def trip(self) -> None:
        self.sent_at = time.perf_counter()
        self.channel.send(PACKET)

    async def until(self, count: int) -> None:
        self.wanted = count
        while self.count < count:
            self.reached.clear()
            await self.reached.wait()

    def _message(self, message: control.ToWorker) -> None:
        self.count += 1
        if self.count <= self.echoes:
            self.channel.send(message)
        elif self.count <= self.trips:
            self.took.append((time.perf_counter() - self.sent_at) * 1e6)
            if self.count < self.trips:
                self.trip()
        if self.count >= self.wanted:
            self.reached.set()

    def _ended(self, _: ProtocolError | None) -> None:
        self.reached.set()


async def _echo_channel(sock: socket.socket, trips: int, count: int) -> None:
    inbox = _Inbox()
    inbox.echoes = trips
    await inbox.open(sock)
    await inbox.until(trips + count)
    inbox.channel.send(PACKET)
    await inbox.channel.drain()
    inbox.channel.close()
    await asyncio.sleep(0.05)


async def _drive_channel(sock: socket.socket, trips: int, count: int) -> tuple[float, float]:
    inbox = _Inbox()
    inbox.trips = trips
    await inbox.open(sock)
    inbox.trip()
    await inbox.until(trips)
    began = time.perf_counter()
    for _ in range(count):
        inbox.channel.send(PACKET)
        await inbox.channel.drain()
    await inbox.until(trips + 1)
    per_s = count / (time.perf_counter() - began)
    inbox.channel.close()
    return sorted(inbox.took)[len(inbox.took) // 2], per_s


# ---- the limit: length-prefixed bytes on an asyncio protocol, nothing decoded


class _Bare(asyncio.Protocol):
    def __init__(self, echoes: int, trips: int = 0) -> None:
        self._rest, self.count, self._echoes, self._trips = b"", 0, echoes, trips
        self.sent_at, self.took = 0.0, list[float]()
        self.reached = asyncio.Event()
        self.writable = asyncio.Event()
        self.writable.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        data, at = self._rest + data, 0
        while len(data) - at >= 4:
            (length,) = _LENGTH.unpack_from(data, at)
            if len(data) - at - 4 < length:
                break
            at += 4 + length
            self.count += 1
            if self.count <= self._echoes:
                self.transport.write(RAW)
            elif self.count <= self._trips:
                self.took.append((time.perf_counter() - self.sent_at) * 1e6)
                if self.count < self._trips:
                    self.trip()
        self._rest = data[at:]
        self.reached.set()

    def trip(self) -> None:
        self.sent_at = time.perf_counter()
        self.transport.write(RAW)

    def pause_writing(self) -> None:
        self.writable.clear()

    def resume_writing(self) -> None:
        self.writable.set()

    async def until(self, count: int) -> None:
        while self.count < count:
            self.reached.clear()
            await self.reached.wait()


async def _echo_bare(sock: socket.socket, trips: int, count: int) -> None:
    bare = _Bare(trips)
    await asyncio.get_running_loop().create_connection(lambda: bare, sock=sock)
    await bare.until(trips + count)
    bare.transport.write(RAW)
    await asyncio.sleep(0.05)


async def _drive_bare(sock: socket.socket, trips: int, count: int) -> tuple[float, float]:
    bare = _Bare(0, trips)
    await asyncio.get_running_loop().create_connection(lambda: bare, sock=sock)
    bare.trip()
    await bare.until(trips)
    began = time.perf_counter()
    for _ in range(count):
        bare.transport.write(RAW)
        await bare.writable.wait()
    await bare.until(trips + 1)
    return sorted(bare.took)[len(bare.took) // 2], count / (time.perf_counter() - began)
