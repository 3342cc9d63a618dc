"""Where asyncio tasks stand."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from runtime.process.plumbing import TASKS_SIGNAL, Box
from runtime.wire.trace import TaskTrace, tasks_from_bytes
from runtime.worker.tasks import MAX_FRAMES, MAX_TASKS, OURS, answer_in, tasks_now

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


@pytest.fixture
def ask() -> Iterator[Callable[[], None]]:
    """Ask as the front does; the answer is in `told`."""
    box, before = Box.create(), signal.getsignal(TASKS_SIGNAL)
    answer_in(box, HERE)

    def asking() -> None:
        box.ask_for_tasks()
        assert box.told_tasks() is None
        os.kill(os.getpid(), TASKS_SIGNAL)

    asking.told = lambda: box.told_tasks()  # type: ignore[attr-defined]
    yield asking
    signal.signal(TASKS_SIGNAL, before)
    box.close()


def told(ask: Callable[[], None]) -> list[TaskTrace]:
    raw = ask.told()  # type: ignore[attr-defined]
    assert raw is not None
    assert len(raw) < 64 << 10
    return tasks_from_bytes(raw)


async def test_tasks_are_told_without_a_turn_of_the_loop(ask: Callable[[], None]) -> None:
    async def blocks() -> list[TaskTrace]:
        ask()
        return told(ask)

    event = asyncio.Event()
    waiting = asyncio.create_task(waits(event, 1), name="news")
    await asyncio.sleep(0)
    running, *others = await asyncio.create_task(blocks(), name="blocker")
    assert (running.name, running.running, running.own) == ("blocker", True, True)
    assert "in blocks" in running.frames[0]
    news = next(one for one in others if one.name == "news")
    assert (news.running, news.waits_for) == (False, "Future")
    event.set()
    await waiting


async def test_however_many_they_are_the_answer_has_its_bound(ask: Callable[[], None]) -> None:
    event = asyncio.Event()
    tasks = [asyncio.create_task(waits(event, 50), name="x" * 5_000) for _ in range(3_000)]
    await asyncio.sleep(0)
    ask()
    assert 1 < len(told(ask)) <= MAX_TASKS
    event.set()
    await asyncio.gather(*tasks)


async def test_a_name_that_cannot_be_written_down_is_told_in_part(ask: Callable[[], None]) -> None:
    task = asyncio.create_task(waits(asyncio.Event()), name="ann\ud800")
    await asyncio.sleep(0)
    ask()
    assert "ann\ufffd" in [one.name for one in told(ask)]
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_what_cannot_be_told_is_not_raised_in_the_agent(
    ask: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asyncio, "all_tasks", None)
    ask()
    assert told(ask) == []


async def test_what_is_no_answer_is_taken_for_none() -> None:
    box = Box.create()
    assert box.told_tasks() is None
    box.ask_for_tasks()
    box.tell_tasks(b"\xc1 no message")
    assert tasks_from_bytes(box.told_tasks() or b"") == []
    os.pwrite(box.fd, b"\xff" * 64, 4096)
    assert box.told_tasks() is None
    box.close()
