from __future__ import annotations

import asyncio

import pytest

from runtime.clock import SystemClock
from runtime.supervisor.pings import MAX_WAITING, Pings
from runtime.wire.control import Ping, Pong

pytestmark = [pytest.mark.unit, pytest.mark.asyncio]


async def test_each_answer_finds_its_question() -> None:
    pings, sent = Pings(SystemClock()), list[Ping]()

    def send(ping: Ping) -> bool:
        sent.append(ping)
        return True

    first = asyncio.create_task(pings.ping(send, 60))
    second = asyncio.create_task(pings.ping(send, 60))
    await asyncio.sleep(0)
    pings.answered(Pong(sent[1].seq))
    pings.answered(Pong(99))
    assert await second is not None
    assert not first.done()
    pings.answered(Pong(sent[0].seq))
    assert await first is not None


async def test_no_answer_and_no_pipe_are_none() -> None:
    pings = Pings(SystemClock())
    assert await pings.ping(lambda _: True, 0.01) is None
    assert await pings.ping(lambda _: False, 60) is None


async def test_the_questions_on_their_way_are_bounded() -> None:
    pings = Pings(SystemClock())
    waiting = [asyncio.create_task(pings.ping(lambda _: True, 60)) for _ in range(MAX_WAITING)]
    await asyncio.sleep(0)
    assert await pings.ping(lambda _: True, 60) is None
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
