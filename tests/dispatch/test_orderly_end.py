"""An orderly end keeps what was accepted: the next run of the server starts it, as after a kill."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from runtime.session.admission import Refused
from runtime.session.record import SessionRecord
from runtime.wire.webhook import RoomCall
from tests.dispatch.test_dispatcher import CALL, Parts, dispatching
from tests.fakes import FakePlacement, endpoint

pytestmark = [pytest.mark.process, pytest.mark.asyncio]

Within = Callable[[float, Awaitable[Any]], Awaitable[Any]]
ELSEWHERE = RoomCall(room_name="r", room_url="wss://far/rooms/r", token="theirs")


async def _waiting(parts: Parts, session_id: str) -> asyncio.Task[SessionRecord]:
    wait = asyncio.create_task(parts.registry.wait(session_id, until="settled", timeout_s=None))
    await asyncio.sleep(0)
    return wait


async def _told(parts: Parts, kind: str) -> None:
    while kind not in parts.kinds():
        await parts.registry.news(parts.registry.feed.last)


@pytest.mark.parametrize("restart", ["never", "on_failure"])
async def test_what_was_not_ready_at_the_end_runs_under_the_next_server(
    tmp_path: Path, within: Within, restart: str
) -> None:
    listed = [endpoint("/chat", restart=restart)]
    async with dispatching(tmp_path, FakePlacement(listed=listed, on_place="started"), resume=False) as parts:
        sid = await parts.call(call=ELSEWHERE)
        await within(5, _told(parts, "session.started"))
        wait = await _waiting(parts, sid)
        await parts.dispatcher.drain(0.0)
        record = await within(5, wait)
        assert (record.state, record.exit, record.pid, record.stopping) == ("accepted", None, None, "")
        assert "session.exited" not in parts.kinds()
    async with dispatching(tmp_path, FakePlacement(listed=listed), resume=False) as parts:
        record = await within(5, parts.registry.wait(sid, until="settled", timeout_s=None))
        assert (record.state, record.generation, record.takeovers) == ("ready", 2, 0)
        assert [spec.token for spec, _ in parts.placement.placed] == ["theirs"]


async def test_whoever_waits_for_one_in_its_turn_is_told_of_the_end(tmp_path: Path, within: Within) -> None:
    async with dispatching(tmp_path, FakePlacement(on_place="nothing", max_starting=1)) as parts:
        await parts.call()
        wait = await _waiting(parts, await parts.call())
        await parts.dispatcher.drain(0.0)
        record = await within(5, wait)
        assert (record.state, record.exit) == ("accepted", None)


async def test_what_had_run_or_had_a_socket_is_over(tmp_path: Path, within: Within) -> None:
    listed = [endpoint("/chat", restart="never")]
    async with dispatching(tmp_path, FakePlacement(listed=listed)) as parts:
        ran = await parts.call()
        await within(5, parts.registry.wait(ran, until="settled", timeout_s=None))
        parts.placement.on_place = "started"
        relayed = await parts.call(relay=object())
        await parts.dispatcher.drain(0.0)
        for sid in (ran, relayed):
            record = await within(5, parts.registry.wait(sid, until="exited", timeout_s=None))
            assert record.exit.reason == "drained"


async def test_nothing_waits_too_long_while_the_server_ends(tmp_path: Path, within: Within) -> None:
    placement = FakePlacement(on_place="nothing", max_starting=1, drain_waits=True)
    async with dispatching(tmp_path, placement, queue_s=0.2) as parts:
        await parts.call()
        kept = await parts.call()
        draining = asyncio.create_task(parts.dispatcher.drain(60.0))
        await asyncio.sleep(0.4)  # twice what it may wait for its turn
        assert parts.registry.record(kept).exit is None
        placement.none_left.set()
        await within(5, draining)


async def test_a_queue_that_is_taken_over_does_not_expire(tmp_path: Path, within: Within) -> None:
    async with dispatching(tmp_path, FakePlacement(on_place="nothing", max_starting=1)) as parts:
        old = [await parts.call() for _ in range(5)]
        await parts.dispatcher.drain(0.0)
    placement = FakePlacement(on_place="nothing", max_starting=1)
    async with dispatching(tmp_path, placement, queue_s=0.1) as parts:
        late = await parts.call()
        await within(5, parts.registry.wait(late, until="exited", timeout_s=None))
        assert [parts.registry.record(sid).exit for sid in old] == [None] * 5
        while len(placement.placed) < 5:  # each in its turn
            placement.ready(placement.placed[-1][0].session_id)
            await within(5, parts.registry.news(parts.registry.feed.last))
        assert {spec.session_id for spec, _ in placement.placed} == set(old)


async def test_a_call_that_could_not_start_in_time_is_refused_before_it_is_written_down(
    tmp_path: Path, within: Within
) -> None:
    placement = FakePlacement(
        listed=[endpoint("/chat"), endpoint("/other")], on_place="nothing", max_starting=4
    )
    async with dispatching(tmp_path, placement, queue_s=2.0, max_queued=1000) as parts:
        calls = [await parts.call() for _ in range(60)]
        for number in range(6):  # a start takes 50 ms here, so half a hundred take two seconds and a half
            await asyncio.sleep(0.05)
            placement.ready(placement.placed[number][0].session_id)
        while len(placement.placed) < 9:
            await within(5, parts.registry.news(parts.registry.feed.last))
        refused = await parts.dispatcher.call("/chat", CALL)
        assert isinstance(refused, Refused)
        assert (refused.code, refused.retry_after_s) == ("queue_full", pytest.approx(2, abs=3))
        assert "a call may wait 2 s" in refused.message
        assert len(await parts.journal.load()) == len(calls)
        await parts.call("/other")  # whose line is its own
