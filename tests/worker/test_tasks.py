"""Where asyncio tasks stand."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from runtime.worker.tasks import MAX_FRAMES, MAX_TASKS, OURS, tasks_now

pytestmark = [pytest.mark.unit, pytest.mark.asyncio]

HERE = Path(__file__).resolve().parent


async def waits(event: asyncio.Event, depth: int = 0) -> None:
    if depth:
        await waits(event, depth - 1)
    else:
        await event.wait()


async def test_a_task_is_followed_down_to_the_line_that_waits() -> None:
    event = asyncio.Event()
    task = asyncio.create_task(waits(event, 1), name="news")
    other = asyncio.create_task(event.wait(), name="library")
    ours = asyncio.create_task(event.wait(), name=f"{OURS}hidden")
    await asyncio.sleep(0)
    found = tasks_now(HERE)
    assert [(one.name, one.own) for one in found] == [("news", True), ("library", False)]
    assert [line.split(" in ")[1] for line in found[0].frames] == ["waits", "waits", "wait"]
    assert found[0].frames[0].startswith(f"{HERE}/test_tasks.py:")
    assert found[0].waits_for == "Future"
    event.set()
    await asyncio.gather(task, other, ours)


async def test_their_number_and_depth_are_bounded() -> None:
    event = asyncio.Event()
    tasks = [asyncio.create_task(waits(event, 50)) for _ in range(MAX_TASKS + 10)]
    await asyncio.sleep(0)
    found = tasks_now(HERE)
    assert len(found) == MAX_TASKS
    assert all(len(one.frames) <= MAX_FRAMES for one in found)
    event.set()
    await asyncio.gather(*tasks)


async def test_one_that_has_not_begun_is_shown_where_it_will() -> None:
    task = asyncio.create_task(waits(asyncio.Event()), name="new")
    assert [one.name for one in tasks_now(HERE)] == ["new"]
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
