"""A room connection within one process: bounded both ways, and closed from either end."""

from __future__ import annotations

import asyncio

import pytest

from runtime.front.model.by_pipe.pair import MAX_HELD_BYTES, Pair

pytestmark = [pytest.mark.unit, pytest.mark.asyncio]


async def test_packets_go_both_ways_in_order_and_what_was_said_before_the_end_is_read() -> None:
    pair = Pair()
    for packet in (b"1", b"2"):
        await pair.room.send(packet)
        await pair.send(packet * 2)
    await pair.room.close(1001)
    assert [await pair.receive() for _ in range(3)] == [b"1", b"2", None]
    assert [await pair.room.receive() for _ in range(3)] == [b"11", b"22", None]
    assert pair.code == 1001
    await pair.room.close(1008)
    assert pair.code == 1001, "the first word counts"


async def test_a_session_that_leaves_has_no_code() -> None:
    pair = Pair()
    reading = asyncio.create_task(pair.room.receive())
    await asyncio.sleep(0)
    pair.close()
    assert await reading is None
    assert pair.code is None
    await pair.send(b"late")
    assert await pair.room.receive() is None


@pytest.mark.parametrize("packet", [b"x" * 1000, b""], ids=["large", "empty"])
async def test_who_is_not_read_waits(packet: bytes) -> None:
    pair, sent = Pair(), 0

    async def flood() -> None:
        nonlocal sent
        while True:
            await pair.send(packet)
            sent += 1

    flooding = asyncio.create_task(flood())
    for _ in range(20_000):
        await asyncio.sleep(0)
    first = sent
    assert 0 < first * max(64, len(packet)) <= 2 * MAX_HELD_BYTES
    for _ in range(10):
        assert await pair.room.receive() == packet
        await asyncio.sleep(0)
    assert first < sent <= first + 11
    flooding.cancel()
