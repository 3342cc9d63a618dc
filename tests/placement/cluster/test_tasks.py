"""Tasks beside their owner: kept until they are done, told of where they fail."""

from __future__ import annotations

import asyncio

import pytest

from runtime.placement.cluster.tasks import Tasks

pytestmark = [pytest.mark.unit, pytest.mark.asyncio]


async def test_what_fails_is_told_and_what_runs_is_cancelled() -> None:
    told = list[tuple[str, str]]()
    failed, cancelled = asyncio.Event(), asyncio.Event()

    def tell(name: str, error: BaseException) -> None:
        told.append((name, str(error)))
        failed.set()

    async def wrong() -> None:
        raise ValueError("no such thing")

    async def forever() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    tasks = Tasks(tell)
    tasks.spawn(forever(), "forever")
    tasks.spawn(wrong(), "wrong")
    await failed.wait()
    await tasks.aclose()
    assert cancelled.is_set()
    assert told == [("wrong", "no such thing")]
