"""What a websocket's peer has sent and nobody has read is bounded in messages and in bytes."""

from __future__ import annotations

import asyncio

import pytest

from runtime.front.http.socket import MAX_WAITING_BYTES, MAX_WAITING_COUNT, Inbox

pytestmark = [pytest.mark.unit, pytest.mark.asyncio]


async def fill(inbox: Inbox, packet: bytes) -> int:
    """How many of these it takes before whoever puts them waits."""
    count = 0
    while not inbox.full():
        await inbox.put(packet)
        count += 1
    return count


async def test_large_packets_wait_at_the_other_end() -> None:
    inbox = Inbox(MAX_WAITING_COUNT)
    assert await fill(inbox, b"x" * (MAX_WAITING_BYTES - 1)) == 2
    waiting = asyncio.create_task(inbox.put(b"last"))
    await asyncio.sleep(0)
    assert not waiting.done()
    await inbox.get()
    await waiting
    await inbox.get()
    assert await inbox.get() == b"last"
    assert inbox.waiting_bytes == 0


async def test_small_ones_are_counted_and_the_end_comes_last() -> None:
    inbox = Inbox(MAX_WAITING_COUNT)
    assert await fill(inbox, b"x") == MAX_WAITING_COUNT
    ending = asyncio.create_task(inbox.put(None))
    read = [await inbox.get() for _ in range(MAX_WAITING_COUNT + 1)]
    await ending
    assert read == [b"x"] * MAX_WAITING_COUNT + [None]
