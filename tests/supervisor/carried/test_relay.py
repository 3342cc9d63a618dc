"""What a worker relays is held within a bound, also when it is nothing at all, over and over."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from runtime.supervisor.carried.relay import Relay

pytestmark = [pytest.mark.unit, pytest.mark.asyncio]


class Caller:
    """One that reads nothing until it is told to."""

    def __init__(self) -> None:
        self.reads = asyncio.Event()
        self.got: list[bytes] = []
        self.is_closed = False

    async def receive(self) -> bytes | None:
        await asyncio.Event().wait()
        return None

    async def send(self, packet: bytes) -> None:
        await self.reads.wait()
        self.got.append(packet)

    async def close(self) -> None:
        self.is_closed = True


class Worker:
    """Counts when it is not read."""

    pauses = resumes = 0

    def pause(self) -> None:
        self.pauses += 1

    def resume(self) -> None:
        self.resumes += 1


async def test_a_flood_of_empty_packets_stops_its_worker_and_ends_in_order() -> None:
    caller, worker = Caller(), Worker()
    relay = Relay(caller)
    given: Any = worker
    relay.connect(given)
    count = 0
    while not worker.pauses:
        relay.from_worker(b"")
        count += 1
        assert count < 100_000
    caller.reads.set()
    relay.from_worker(b"last")
    await relay.close()
    assert caller.got[-1] == b"last"
    assert len(caller.got) == count + 1
    assert (worker.pauses, worker.resumes) == (1, 1)


async def test_the_end_is_said_once_however_often_the_worker_says_it() -> None:
    caller = Caller()
    relay = Relay(caller)
    for _ in range(1000):
        relay.from_worker(None)
    relay.from_worker(b"too late")
    assert len(relay._held) == 1
    await relay.close()
    assert caller.is_closed
