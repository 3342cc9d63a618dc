"""A loop that waits says so, one that does something does not; neither is woken for it."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator

import pytest

from runtime.process.plumbing import Box, Heartbeat
from runtime.worker import heartbeat
from tests.patience import PATIENCE

pytestmark = [pytest.mark.process, pytest.mark.asyncio]


@pytest.fixture
def box() -> Iterator[Box]:
    made = Box.create()
    yield made
    made.close()


def now(box: Box) -> Heartbeat:
    beat = box.heartbeat()
    assert beat is not None
    return beat


async def test_it_says_since_when_it_waits_and_that_it_woke(box: Box) -> None:
    seen: list[Heartbeat] = []
    waits = threading.Event()

    def look() -> None:
        """Runs in: a thread, which the loop does not notice."""
        while now(box).asleep_at is None:
            time.sleep(0.001)
        seen.append(now(box))
        waits.set()

    end = heartbeat.begin(box, 1.0)
    assert now(box).asleep_at is None, "it runs this"
    began = time.monotonic()
    other = threading.Thread(target=look)
    other.start()
    async with asyncio.timeout(10 * PATIENCE):
        while not waits.is_set():
            await asyncio.sleep(0.05)
    other.join()
    (slept,) = seen
    assert slept.asleep_at is not None
    assert began <= slept.at <= slept.asleep_at <= time.monotonic()
    assert now(box).asleep_at is None
    assert now(box).at >= slept.at
    end()
    await asyncio.sleep(0.01)
    assert now(box).asleep_at is None, "nobody says it any more"


async def test_a_loop_that_turns_without_a_rest_beats(box: Box) -> None:
    end = heartbeat.begin(box, 1.0)
    before = now(box).at
    for _ in range(3):
        await asyncio.sleep(0)
        assert (now(box).at > before, now(box).asleep_at) == (True, None)
        before = now(box).at
    end()


async def test_a_long_turn_is_told_for_a_while(box: Box) -> None:
    end = heartbeat.begin(box, 60.0)
    time.sleep(0.05)  # this is it
    for _ in range(3):
        await asyncio.sleep(0.001)
    assert now(box).lag_s >= 0.05
    end()
    end = heartbeat.begin(box, 0.0)
    time.sleep(0.05)
    for _ in range(3):
        await asyncio.sleep(0.001)
    assert now(box).lag_s < 0.05
    end()


async def test_what_is_done_beside_it_may_fail(box: Box) -> None:
    times = 0

    def fails() -> None:
        nonlocal times
        times += 1
        raise FileNotFoundError

    end = heartbeat.begin(box, 1.0, fails)
    for _ in range(3):
        await asyncio.sleep(0.001)
    end()
    assert times >= 3


async def test_a_loop_that_cannot_be_asked_has_a_timer(box: Box) -> None:
    loop = asyncio.get_running_loop()
    selector = loop._selector  # type: ignore[attr-defined]
    loop._selector = object()  # type: ignore[attr-defined]
    end = heartbeat.begin(box, 0.001)
    loop._selector = selector  # type: ignore[attr-defined]
    assert "select" not in vars(selector)
    before = time.monotonic()
    async with asyncio.timeout(10 * PATIENCE):
        while (beat := box.heartbeat()) is None or beat.at <= before:
            await asyncio.sleep(0.001)
    assert beat.asleep_at is None
    end()
