"""Tasks beside their owner: kept until they are done, told of where they fail."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from runtime.tasks import Tasks, or_undone

pytestmark = [pytest.mark.unit, pytest.mark.asyncio]


class Told:
    """A log that keeps what it was told."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str, str]] = []
        self.heard = asyncio.Event()

    def error(self, event: str, **said: Any) -> None:
        self.events.append((event, said["task"], str(said["exc_info"])))
        self.heard.set()


async def _wrong() -> None:
    raise ValueError("no such thing")


async def _forever(ended: list[str], name: str) -> None:
    try:
        await asyncio.Event().wait()
    finally:
        ended.append(name)


async def test_what_fails_is_told_and_what_runs_is_cancelled() -> None:
    log, ended = Told(), list[str]()
    tasks = Tasks(log, "owner.task_failed")
    tasks.spawn(_forever(ended, "forever"), "forever")
    tasks.spawn(_wrong(), "wrong")
    await log.heard.wait()
    await tasks.aclose()
    assert ended == ["forever"]
    assert log.events == [("owner.task_failed", "wrong", "no such thing")]


async def test_only_what_is_named_is_cancelled() -> None:
    ended = list[str]()
    tasks = Tasks(Told(), "owner.task_failed")
    goes_on = tasks.spawn(_forever(ended, "first"), "first")
    tasks.spawn(_forever(ended, "second"), "second")
    await asyncio.sleep(0)  # both have begun
    tasks.cancel("second")
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert ended == ["second"]
    assert not goes_on.done()
    await tasks.aclose()


@pytest.mark.parametrize("fails", [False, True])
async def test_what_comes_of_work_is_undone_where_nobody_waits_for_it_any_more(fails: bool) -> None:
    working, undone = asyncio.get_running_loop().create_future(), list[int]()
    waiting = asyncio.create_task(or_undone(working, undone.append))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait([waiting])
    assert not working.done()
    if fails:
        working.set_exception(OSError())
    else:
        working.set_result(7)
    await asyncio.sleep(0)
    assert undone == ([] if fails else [7])


async def test_what_comes_of_work_stays_where_somebody_waited() -> None:
    working, undone = asyncio.get_running_loop().create_future(), list[int]()
    working.set_result(7)
    assert await or_undone(working, undone.append) == 7
    await asyncio.sleep(0)
    assert undone == []
