from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from runtime.clock import SystemClock
from runtime.dispatch.dispatcher import Accepted, Dispatcher
from runtime.dispatch.session_registry import SessionRegistry
from runtime.errors import BundleImportFailed, EndpointNotFound, JournalUnusable, NotFound, SpawnFailed
from runtime.metrics import Metrics
from runtime.session.admission import Duplicate, Refused
from runtime.session.events import Status
from runtime.session.exit_reasons import ExitReason
from runtime.session.feed import Feed
from runtime.session.info import BundleInfo
from runtime.session.journal.journal import Journal
from runtime.session.ledger import Ledger, usage_row
from runtime.session.spec import SessionId
from runtime.session.usage import total
from runtime.settings import SupervisorSettings
from runtime.wire.webhook import RoomCall
from tests.fakes import FakePlacement, FakeRooms, endpoint

pytestmark = pytest.mark.process

Within = Callable[[float, Awaitable[Any]], Awaitable[Any]]
CALL = RoomCall(room_name="r")


class Parts:
    """A dispatcher with a real journal, and everything around it at hand."""

    def __init__(self, placement: FakePlacement, journal: Journal, **settings: Any) -> None:
        self.placement, self.journal, self.rooms = placement, journal, FakeRooms()
        self.metrics = Metrics(version="t")
        self.registry = SessionRegistry(
            journal=journal,
            ledger=Ledger(history_count=50),
            feed=Feed(keep_count=200, epoch="e"),
            metrics=self.metrics,
            clock=SystemClock(),
        )
        self.dispatcher = Dispatcher(
            placement=placement,
            journal=journal,
            registry=self.registry,
            clock=SystemClock(),
            rooms=self.rooms,
            room_url=lambda room: f"ws://127.0.0.1:1/rooms/{room}",
            settings=SupervisorSettings(**settings),
        )

    async def call(self, path: str = "/chat", call: RoomCall = CALL, **more: Any) -> str:
        outcome = await self.dispatcher.call(path, call, **more)
        assert isinstance(outcome, Accepted)
        return outcome.session_id

    def kinds(self) -> list[str]:
        return [event.kind for event in self.registry.feed.after(0)]


@asynccontextmanager
async def dispatching(
    tmp_path: Path, placement: FakePlacement | None = None, **settings: Any
) -> AsyncIterator[Parts]:
    journal = await Journal.open(tmp_path / "j", history_count=50)
    parts = Parts(placement or FakePlacement(), journal, **settings)
    await parts.dispatcher.start()
    try:
        yield parts
    finally:
        await parts.dispatcher.aclose()
        await journal.aclose()


@pytest.mark.asyncio
async def test_a_call_becomes_a_session_with_our_room_and_a_token_of_its_identity(tmp_path: Path) -> None:
    scope = {"messaging": {}}
    placement = FakePlacement(listed=[endpoint("/chat", permissions=scope)])
    async with dispatching(tmp_path, placement) as parts:
        sid = await parts.call()
        record = await parts.registry.wait(sid, until="settled", timeout_s=5)
        (spec, generation) = placement.placed[0]
        assert generation == 1
        assert (spec.room_url, spec.token) == ("ws://127.0.0.1:1/rooms/r", "token-of-chat-for-r")
        assert parts.rooms.minted == [("r", "chat", scope)]
        assert (record.state, record.pid) == ("ready", 4242)
        assert parts.kinds() == ["session.accepted", "session.placed", "session.started", "session.ready"]


@pytest.mark.asyncio
async def test_a_room_elsewhere_keeps_its_address_and_token(tmp_path: Path) -> None:
    async with dispatching(tmp_path) as parts:
        await parts.call(call=RoomCall(room_name="r", room_url="wss://far/rooms/r", token="theirs"))
        await parts.call(call=RoomCall(room_name="r", token="ours"))
        await parts.call(call=RoomCall(room_name="r", room_url="wss://far/rooms/r"))
        far, own, bare = (spec for spec, _ in parts.placement.placed)
        assert (far.room_url, far.token) == ("wss://far/rooms/r", "theirs")
        assert (own.room_url, own.token) == ("ws://127.0.0.1:1/rooms/r", "ours")
        assert bare.token == ""  # our token is not handed to somebody else's server
        assert parts.rooms.minted == []


@pytest.mark.asyncio
async def test_no_agent_and_a_broken_agent_are_different_errors(tmp_path: Path) -> None:
    async with dispatching(tmp_path) as parts:
        with pytest.raises(EndpointNotFound, match="Known paths: /chat"):
            await parts.call("/nope")
        parts.placement.fail_bundle("no module named numpy")
        with pytest.raises(BundleImportFailed, match="numpy"):
            await parts.call()


@pytest.mark.asyncio
async def test_a_burst_of_one_id_is_one_session(tmp_path: Path) -> None:
    async with dispatching(tmp_path) as parts:
        calls = [parts.dispatcher.call("/chat", CALL, webhook_id="w") for _ in range(20)]
        outcomes = await asyncio.gather(*calls)
        assert len({outcome.session_id for outcome in outcomes if not isinstance(outcome, Refused)}) == 1
        assert [type(outcome) for outcome in outcomes] == [Accepted] + [Duplicate] * 19
        assert len(parts.placement.placed) == 1


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "other",
    [
        RoomCall(room_name="s"),
        RoomCall(room_name="r", arguments={"a": 1}),
        RoomCall(room_name="r", room_url="wss://x"),
    ],
)
async def test_an_id_that_comes_with_another_call_is_refused(tmp_path: Path, other: RoomCall) -> None:
    async with dispatching(tmp_path) as parts:
        first, second = await asyncio.gather(
            parts.dispatcher.call("/chat", CALL, webhook_id="w"),
            parts.dispatcher.call("/chat", other, webhook_id="w"),
        )
        assert isinstance(first, Accepted)
        assert isinstance(second, Refused)
        assert (second.code, second.retry_after_s) == ("id_reused", None)
        assert first.session_id in second.message
        again = await parts.dispatcher.call("/chat", replace(CALL, token="new"), webhook_id="w")
        assert again == Duplicate(first.session_id)
        assert len(parts.placement.placed) == 1


@pytest.mark.asyncio
async def test_a_call_that_cannot_be_written_down_starts_nothing_for_it_and_its_duplicates(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with dispatching(tmp_path) as parts:

        async def fail(_: Any) -> None:
            await asyncio.sleep(0)
            raise JournalUnusable("no space left")

        with monkeypatch.context() as patch:
            patch.setattr(parts.journal, "accept", fail)
            calls = [parts.dispatcher.call("/chat", CALL, webhook_id="w") for _ in range(2)]
            outcomes = await asyncio.gather(*calls, return_exceptions=True)
            assert [type(outcome) for outcome in outcomes] == [JournalUnusable] * 2
        assert parts.placement.placed == []
        await parts.call(webhook_id="w")  # its id was not used up


@pytest.mark.asyncio
async def test_bounds_hold_for_a_burst_that_is_still_being_written(tmp_path: Path) -> None:
    placement = FakePlacement(max_starting=3, on_place="nothing")
    async with dispatching(tmp_path, placement, max_queued=4) as parts:
        outcomes = await asyncio.gather(*(parts.dispatcher.call("/chat", CALL) for _ in range(10)))
        assert sum(isinstance(outcome, Accepted) for outcome in outcomes) == 7
        assert {outcome.code for outcome in outcomes if isinstance(outcome, Refused)} == {"queue_full"}
        assert len(placement.placed) == 3
        assert parts.dispatcher.launcher.queued == 4


@pytest.mark.asyncio
async def test_a_session_that_cannot_be_placed_is_closed_and_its_id_is_free(tmp_path: Path) -> None:
    async with dispatching(tmp_path, FakePlacement(refuse=SpawnFailed("no processes left"))) as parts:
        with pytest.raises(SpawnFailed):
            await parts.call(webhook_id="w")
        (record,) = parts.registry.ended()
        assert record.exit is not None
        assert "no processes left" in record.exit.message
        parts.placement.refuse = None
        await parts.call(webhook_id="w")


@pytest.mark.asyncio
async def test_a_caller_that_hangs_up_does_not_undo_its_call(tmp_path: Path, within: Within) -> None:
    async with dispatching(tmp_path) as parts:
        call = asyncio.create_task(parts.dispatcher.call("/chat", CALL))
        await asyncio.sleep(0)
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
        await within(5, parts.registry.news(3))
        assert len(parts.placement.placed) == 1


@pytest.mark.asyncio
async def test_stopping_waits_for_the_end_and_is_harmless_twice(tmp_path: Path, within: Within) -> None:
    async with dispatching(tmp_path) as parts:
        sid = await parts.call()
        await within(5, parts.dispatcher.stop(sid, grace_s=1.5))
        await within(5, parts.dispatcher.stop(sid))
        assert parts.placement.stopped == [(sid, ExitReason.STOPPED, 1.5)]
        record = parts.registry.record(sid)
        assert record.exit is not None
        assert record.exit.reason == "stopped"


@pytest.mark.asyncio
async def test_the_end_of_a_room_ends_its_sessions_alone(tmp_path: Path, within: Within) -> None:
    async with dispatching(tmp_path) as parts:
        one, two = await parts.call(), await parts.call()
        other = await parts.call(call=RoomCall(room_name="other"))
        assert parts.dispatcher.end_room("r") == 2
        for sid in (one, two):
            record = await within(5, parts.registry.wait(sid, until="exited", timeout_s=None))
            assert record.exit.reason == "room_ended"
        assert parts.registry.record(other).exit is None


@pytest.mark.asyncio
async def test_waiting_has_a_bound_and_wakes_for_either_outcome(tmp_path: Path, within: Within) -> None:
    async with dispatching(tmp_path, FakePlacement(on_place="nothing")) as parts:
        sid = await parts.call()
        assert (await parts.registry.wait(sid, until="settled", timeout_s=0.01)).ready_at is None
        waiting = [
            asyncio.create_task(parts.registry.wait(sid, until="settled", timeout_s=None)) for _ in range(3)
        ]
        await asyncio.sleep(0)
        parts.placement.exit(sid, ExitReason.START_ERROR)  # type: ignore[arg-type]
        for record in await within(5, asyncio.gather(*waiting)):
            assert record.exit.reason == "start_error"
        assert parts.registry._waiters == {}


@pytest.mark.asyncio
async def test_what_a_worker_says_of_itself_is_told_cut_and_plain(tmp_path: Path, within: Within) -> None:
    async with dispatching(tmp_path) as parts:
        sid = await parts.call()
        values = {"note": "x" * 9000, "raw": b"\x00", "nan": float("nan"), "messages": 4}
        parts.placement.emit(Status(session_id=sid, at=1.0, values=values))  # type: ignore[arg-type]
        await within(5, parts.registry.news(4))
        event = parts.registry.feed.after(4)[0]
        assert event.data["status"] == {"note": "x" * 500, "messages": 4}
        assert parts.registry.record(sid).messages == 4


@pytest.mark.asyncio
async def test_draining_refuses_calls_and_drains_the_placement_after_what_was_admitted(
    tmp_path: Path,
) -> None:
    async with dispatching(tmp_path) as parts:
        await parts.call()
        admitted = asyncio.create_task(parts.dispatcher.call("/chat", CALL))
        await asyncio.sleep(0)
        await parts.dispatcher.drain(3.0)
        assert admitted.done()
        assert parts.placement.drained == [3.0]
        refused = await parts.dispatcher.call("/chat", CALL)
        assert isinstance(refused, Refused)
        assert refused.code == "draining"


@pytest.mark.asyncio
async def test_a_worker_that_never_stops_talking_leaves_the_feed_room(tmp_path: Path, within: Within) -> None:
    async with dispatching(tmp_path) as parts:
        sid = await parts.call()
        for count in range(1000):
            said = {"turns": count}
            parts.placement.emit(Status(session_id=sid, at=count / 1000, values=said))  # type: ignore[arg-type]
        parts.placement.exit(sid, ExitReason.FINISHED)  # type: ignore[arg-type]
        record = await within(5, parts.registry.wait(sid, until="exited", timeout_s=None))
        assert parts.kinds().count("session.status") == 2
        assert record.usage.turns == 999
        assert parts.registry._status_at == {}


# ---- over a restart


@pytest.mark.asyncio
async def test_ends_that_happened_are_written_down_before_closing(tmp_path: Path) -> None:
    async with dispatching(tmp_path) as parts:
        sids = [await parts.call() for _ in range(3)]
        await asyncio.sleep(0)
        await parts.dispatcher.drain(1.0)
        await parts.dispatcher.aclose(settle_s=5.0)
    placement = FakePlacement()
    async with dispatching(tmp_path, placement) as parts:
        reasons = [record.exit.reason for record in parts.registry.ended() if record.exit is not None]
        assert reasons == ["drained"] * len(sids)
        assert placement.placed == []


@pytest.mark.asyncio
async def test_restored_history_is_forgotten_in_the_order_of_the_ends(tmp_path: Path, within: Within) -> None:
    async with dispatching(tmp_path) as parts:
        first, second, third = [await parts.call() for _ in range(3)]
        for sid in (third, first, second):
            parts.placement.exit(sid, ExitReason.FINISHED)  # type: ignore[arg-type]
            await within(5, parts.registry.wait(sid, until="exited", timeout_s=None))
    async with dispatching(tmp_path) as parts:
        assert [record.spec.session_id for record in parts.registry.ended()] == [second, first, third]


@pytest.mark.asyncio
async def test_after_a_restart_unready_calls_run_and_ready_sessions_are_lost(
    tmp_path: Path, within: Within
) -> None:
    placement = FakePlacement(on_place="nothing")
    async with dispatching(tmp_path, placement) as parts:
        accepted = await parts.call(webhook_id="w1")
        started = await parts.call(webhook_id="w2")
        ready = await parts.call(webhook_id="w3")
        over = await parts.call(webhook_id="w4")
        relayed = await parts.call(relay=object())
        placement.started(started)  # type: ignore[arg-type]
        placement.started(ready)  # type: ignore[arg-type]
        placement.ready(ready)  # type: ignore[arg-type]
        placement.exit(over, ExitReason.FINISHED)  # type: ignore[arg-type]
        await within(5, parts.registry.wait(over, until="exited", timeout_s=None))
        await parts.journal.flush()
    fresh = FakePlacement()
    async with dispatching(tmp_path, fresh) as parts:
        for sid in (accepted, started):
            record = await within(5, parts.registry.wait(sid, until="settled", timeout_s=None))
            assert record.state == "ready"
        assert {spec.session_id: generation for spec, generation in fresh.placed} == {accepted: 1, started: 2}
        assert all(spec.token == "token-of-chat-for-r" for spec, _ in fresh.placed)
        for sid, reason in ((ready, "front_lost"), (relayed, "front_lost"), (over, "finished")):
            record = parts.registry.record(sid)
            assert record.exit is not None
            assert record.exit.reason == reason
        again = await parts.dispatcher.call("/chat", CALL, webhook_id="w1")
        assert again == Duplicate(accepted)  # type: ignore[arg-type]


@pytest.mark.asyncio
async def test_a_call_that_takes_the_server_down_each_time_is_given_up(
    tmp_path: Path, within: Within
) -> None:
    placement = FakePlacement(on_place="started")
    async with dispatching(tmp_path, placement) as parts:
        sid = await parts.call()
        await within(5, parts.registry.news(2))
        await parts.journal.flush()
    for attempt in (2, 3, 4):
        placement = FakePlacement(on_place="started")
        async with dispatching(tmp_path, placement) as parts:
            if attempt <= 3:
                await within(5, parts.registry.news(1))
                assert placement.placed[0][1] == attempt
                await parts.journal.flush()
            else:
                record = parts.registry.record(sid)
                assert record.exit is not None
                assert record.exit.reason == "front_lost"


@pytest.mark.asyncio
async def test_a_replay_keeps_to_the_bound_on_starting_sessions(tmp_path: Path, within: Within) -> None:
    async with dispatching(tmp_path, FakePlacement(on_place="nothing")) as parts:
        for _ in range(5):
            await parts.call()
    placement = FakePlacement(on_place="nothing", max_starting=2)
    async with dispatching(tmp_path, placement) as parts:
        await within(5, parts.registry.news(1))
        assert len(placement.placed) == 2
        placement.ready(placement.placed[0][0].session_id)
        await within(5, parts.registry.news(3))
        assert len(placement.placed) == 3


# ---- sessions that come back with their server


def returning(**more: Any) -> FakePlacement:
    return FakePlacement(listed=[endpoint("/chat", restart="on_failure", **more)])


async def _ready(parts: Parts, sid: str) -> Any:
    record = parts.registry.record(sid)
    while record.state != "ready":
        await parts.registry.news(parts.registry.feed.last)
    return record


@pytest.mark.asyncio
async def test_what_was_ready_when_the_server_died_is_ready_again_under_its_id(
    tmp_path: Path, within: Within
) -> None:
    async with dispatching(tmp_path, returning()) as parts:
        mine = await parts.call(webhook_id="w1")
        theirs = await parts.call(call=RoomCall(room_name="f", room_url="wss://far/rooms/f", token="theirs"))
        relayed = await parts.call(relay=object())
        for sid in (mine, theirs, relayed):
            await within(5, _ready(parts, sid))
        await parts.journal.flush()
    fresh = returning()
    async with dispatching(tmp_path, fresh) as parts:
        for sid in (mine, theirs):
            record = await within(5, _ready(parts, sid))
            assert (record.generation, record.restarts, record.takeovers) == (2, 1, 1)
            assert record.last_exit.reason == "front_lost"
        assert parts.registry.record(relayed).exit.reason == "front_lost"
        tokens = {spec.session_id: spec.token for spec, _ in fresh.placed}
        assert tokens == {mine: "token-of-chat-for-r", theirs: "theirs"}
        assert await parts.dispatcher.call("/chat", CALL, webhook_id="w1") == Duplicate(mine)  # type: ignore[arg-type]
        (told,) = [event for event in parts.registry.feed.after(0) if event.kind == "server.resumed"]
        assert (told.data["sessions"], told.data["lost"]) == (2, 1)
        assert "without being stopped" in told.data["reason"]


@pytest.mark.asyncio
async def test_what_was_drained_comes_back_and_what_had_ended_or_was_stopped_does_not(
    tmp_path: Path, within: Within
) -> None:
    async with dispatching(tmp_path, returning()) as parts:
        drained = await parts.call(call=RoomCall(room_name="f", room_url="wss://far/rooms/f", token="theirs"))
        crashing, over, stopped = [await parts.call() for _ in range(3)]
        for sid in (drained, crashing, over, stopped):
            await within(5, _ready(parts, sid))
        parts.placement.exit(over, ExitReason.FINISHED)  # type: ignore[arg-type]
        await within(5, parts.registry.wait(over, until="exited", timeout_s=None))
        await parts.dispatcher.stop(stopped)
        parts.dispatcher.draining = True
        parts.placement.exit(crashing, ExitReason.SIGNAL)  # type: ignore[arg-type]
        await within(5, parts.registry.wait(crashing, until="exited", timeout_s=None))
        await parts.dispatcher.drain(1.0)
        await parts.dispatcher.aclose(settle_s=5.0)
    fresh = returning()
    async with dispatching(tmp_path, fresh) as parts:
        for sid in (drained, crashing):
            assert (await within(5, _ready(parts, sid))).takeovers == 0
        assert {spec.session_id for spec, _ in fresh.placed} == {drained, crashing}
        assert next(spec.token for spec, _ in fresh.placed if spec.session_id == drained) == "theirs"
        assert parts.registry.record(over).exit.reason == "finished"
        assert parts.registry.record(stopped).exit.reason == "stopped"
        await parts.journal.flush()


@pytest.mark.asyncio
async def test_a_server_that_does_not_resume_settles_what_was_drained_for_good(
    tmp_path: Path, within: Within
) -> None:
    async with dispatching(tmp_path, returning()) as parts:
        sid = await parts.call(call=RoomCall(room_name="f", room_url="wss://far/rooms/f", token="theirs"))
        await within(5, _ready(parts, sid))
        await parts.dispatcher.drain(1.0)
        await parts.dispatcher.aclose(settle_s=5.0)
    for resumes in (False, True):
        fresh = returning()
        async with dispatching(tmp_path, fresh, resume=resumes) as parts:
            record = parts.registry.record(sid)
            assert (record.exit.reason, record.is_due, fresh.placed) == ("drained", False, [])
            await parts.journal.flush()
    assert b"theirs" not in (tmp_path / "j").read_bytes()


@pytest.mark.asyncio
async def test_more_drained_sessions_than_the_history_holds_all_come_back(
    tmp_path: Path, within: Within
) -> None:
    async with dispatching(tmp_path, returning()) as parts:
        sids = [await parts.call() for _ in range(60)]  # the history holds 50
        for sid in sids:
            await within(30, _ready(parts, sid))
        await parts.dispatcher.drain(1.0)
        await parts.dispatcher.aclose(settle_s=5.0)
    fresh = returning()
    async with dispatching(tmp_path, fresh, queue_s=0.1) as parts:
        for sid in sids:
            await within(60, _ready(parts, sid))
        assert total(usage_row(parts.registry.record(sid), 0.0) for sid in sids).sessions == 60


@pytest.mark.asyncio
async def test_a_parked_input_does_not_come_back(tmp_path: Path, within: Within) -> None:
    call = RoomCall(room_name="r", arguments={"a": 1})
    async with dispatching(tmp_path, returning(), restart_first_s=0, quarantine_deaths=1) as parts:
        first, second = await parts.call(call=call), await parts.call(call=call)
        for sid in (first, second):
            await within(5, _ready(parts, sid))
        parts.placement.exit(first, ExitReason.SIGNAL)  # type: ignore[arg-type]
        await within(5, parts.registry.wait(first, until="exited", timeout_s=None))
        await parts.journal.flush()
    async with dispatching(tmp_path, returning(), quarantine_deaths=1) as parts:
        record = await within(5, parts.registry.wait(second, until="exited", timeout_s=None))
        assert record.exit.reason == "quarantined"


@pytest.mark.asyncio
async def test_a_session_that_takes_the_server_down_each_time_is_given_up(
    tmp_path: Path, within: Within
) -> None:
    async with dispatching(tmp_path, returning()) as parts:
        sid = await parts.call()
        await within(5, _ready(parts, sid))
        await parts.journal.flush()
    for _ in range(2):
        async with dispatching(tmp_path, returning(), restart_intensity=2) as parts:
            await within(5, _ready(parts, sid))
            await parts.journal.flush()
    async with dispatching(tmp_path, returning(), restart_intensity=2) as parts:
        exit = parts.registry.record(sid).exit
        assert exit.reason == "front_lost"
        assert "given up after 2 deaths of the server" in exit.message


async def _left_ready(tmp_path: Path, within: Within) -> SessionId:
    """A session that was ready when its server was ended in order."""
    async with dispatching(tmp_path, returning()) as parts:
        sid = await parts.call()
        await within(5, _ready(parts, sid))
        await parts.dispatcher.drain(1.0)
        await parts.dispatcher.aclose(settle_s=5.0)
    return sid


@pytest.mark.asyncio
async def test_sessions_of_a_bundle_that_is_broken_now_wait_until_it_is_mended(
    tmp_path: Path, within: Within
) -> None:
    sid = await _left_ready(tmp_path, within)
    broken = returning()
    broken.listed_bundles = [BundleInfo(name="demo", source="demo.py", generation=0, state="failed")]
    broken.refuse = EndpointNotFound("no agent at /chat")
    async with dispatching(tmp_path, broken) as parts:
        while not parts.dispatcher.launcher.queued:
            await asyncio.sleep(0)
        assert parts.registry.record(sid).exit is None
        broken.refuse, broken.listed_bundles = None, []
        parts.dispatcher.launcher.bundles_changed()
        await within(5, _ready(parts, sid))


@pytest.mark.asyncio
async def test_what_waits_for_its_bundle_holds_no_slot_and_has_one_again_before_it_starts(
    tmp_path: Path, within: Within
) -> None:
    sid = await _left_ready(tmp_path, within)
    broken = returning()
    broken.max_sessions = 1
    broken.listed_bundles = [BundleInfo(name="demo", source="demo.py", generation=0, state="failed")]
    broken.refuse = EndpointNotFound("no agent at /chat")
    async with dispatching(tmp_path, broken) as parts:
        launcher = parts.dispatcher.launcher
        while not launcher._waived:
            await asyncio.sleep(0)
        broken.refuse = None
        other = await parts.call()  # which has the one slot that there is
        await within(5, _ready(parts, other))
        broken.listed_bundles = []
        launcher.bundles_changed()
        with pytest.raises(AssertionError):
            await parts.call()
        assert launcher.queued == 1
        assert parts.registry.record(sid).exit is None
        await parts.dispatcher.stop(other)
        await within(5, _ready(parts, sid))


# ---- restarts, turns, parked inputs


def failing(**more: Any) -> FakePlacement:
    return FakePlacement(listed=[endpoint("/chat", restart="on_failure", **more)])


async def _die(parts: Parts, sid: str, reason: ExitReason = ExitReason.SIGNAL) -> None:
    before = parts.registry.feed.last
    parts.placement.exit(sid, reason)  # type: ignore[arg-type]
    while not {"session.restarting", "session.exited"} & {e.kind for e in parts.registry.feed.after(before)}:
        await parts.registry.news(parts.registry.feed.last)


@pytest.mark.asyncio
async def test_a_failed_session_is_placed_again_with_a_fresh_token(tmp_path: Path, within: Within) -> None:
    async with dispatching(tmp_path, failing(), restart_first_s=0) as parts:
        sid = await parts.call()
        await within(5, parts.registry.wait(sid, until="settled", timeout_s=None))
        await within(5, _die(parts, sid))
        record = parts.registry.record(sid)
        while record.generation < 2 or record.state != "ready":
            await within(5, parts.registry.news(parts.registry.feed.last))
        assert [generation for _, generation in parts.placement.placed] == [1, 2]
        assert len(parts.rooms.minted) == 2
        assert record.restarts == 1
        assert parts.dispatcher.launcher.restarting == 0


@pytest.mark.asyncio
async def test_whoever_waits_for_ready_hears_of_the_first_failure(tmp_path: Path, within: Within) -> None:
    placement = failing()
    placement.on_place = "fail"
    async with dispatching(tmp_path, placement, restart_first_s=600, restart_most_s=600) as parts:
        sid = await parts.call()
        record = await within(5, parts.registry.wait(sid, until="settled", timeout_s=None))
        assert (record.exit, record.last_exit.reason, record.state) == (None, "start_error", "starting")


@pytest.mark.asyncio
@pytest.mark.parametrize("reason", ["stopped", "drained", "finished", "dismissed", "room_ended", "idle"])
async def test_ends_that_were_meant_are_final(tmp_path: Path, within: Within, reason: str) -> None:
    placement = FakePlacement(listed=[endpoint("/chat", restart="always")])
    async with dispatching(tmp_path, placement) as parts:
        sid = await parts.call()
        await within(5, _die(parts, sid, ExitReason(reason)))
        assert parts.registry.record(sid).exit is not None


@pytest.mark.asyncio
async def test_a_relayed_session_is_never_started_again(tmp_path: Path, within: Within) -> None:
    async with dispatching(tmp_path, failing(), restart_first_s=0) as parts:
        sid = await parts.call(relay=object())
        await within(5, _die(parts, sid))
        assert parts.registry.record(sid).exit is not None
        assert len(parts.placement.placed) == 1


@pytest.mark.asyncio
async def test_a_session_that_crashes_while_it_is_stopped_stays_ended(
    tmp_path: Path, within: Within, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with dispatching(tmp_path, failing(), restart_first_s=0) as parts:
        sid = await parts.call()

        async def crash_first(session_id: Any, *_: Any, **__: Any) -> None:
            parts.placement.exit(session_id, ExitReason.SIGNAL)

        monkeypatch.setattr(parts.placement, "stop", crash_first)
        await within(5, parts.dispatcher.stop(sid))
        record = parts.registry.record(sid)
        assert record.exit is not None
        assert record.exit.reason == "signal"


@pytest.mark.asyncio
async def test_a_session_that_waits_for_its_restart_keeps_its_slot(tmp_path: Path, within: Within) -> None:
    placement = failing()
    placement.max_sessions = 1
    async with dispatching(tmp_path, placement, restart_first_s=600, restart_most_s=600) as parts:
        sid = await parts.call()
        await within(5, _die(parts, sid))
        refused = await parts.dispatcher.call("/chat", CALL)
        assert isinstance(refused, Refused)
        assert refused.code == "too_many_sessions"
        await parts.dispatcher.stop(sid)
        await parts.call()


@pytest.mark.asyncio
async def test_the_end_of_a_room_ends_what_waits_there(tmp_path: Path, within: Within) -> None:
    async with dispatching(tmp_path, failing(), restart_first_s=600, restart_most_s=600) as parts:
        sid = await parts.call()
        await within(5, _die(parts, sid))
        assert parts.dispatcher.end_room("r") == 1
        assert parts.registry.record(sid).exit.reason == "room_ended"  # type: ignore[union-attr]
        assert parts.dispatcher.launcher.restarting == 0


@pytest.mark.asyncio
async def test_a_session_that_waited_for_its_restart_runs_under_the_next_server(
    tmp_path: Path, within: Within
) -> None:
    async with dispatching(tmp_path, failing(), restart_first_s=600, restart_most_s=600) as parts:
        sid = await parts.call()
        await within(5, _die(parts, sid))
        await parts.journal.flush()
    placement = failing()
    async with dispatching(tmp_path, placement) as parts:
        record = parts.registry.record(sid)
        while record.state != "ready":
            await within(5, parts.registry.news(parts.registry.feed.last))
        assert placement.placed[0][1] == 2
        assert record.last_exit.reason == "signal"  # type: ignore[union-attr]


@pytest.mark.asyncio
async def test_a_call_that_waited_too_long_for_its_turn_has_an_end(tmp_path: Path, within: Within) -> None:
    placement = FakePlacement(on_place="nothing", max_starting=1)
    async with dispatching(tmp_path, placement, queue_s=0.1) as parts:
        await parts.call()
        late = await parts.call()
        record = await within(5, parts.registry.wait(late, until="exited", timeout_s=None))
        assert record.exit.reason == "start_error"
        assert "waited 0.1 s for its start" in record.exit.message
        assert parts.dispatcher._admission.count("/chat") == 1


@pytest.mark.asyncio
async def test_turns_are_kept_over_a_drain_but_not_those_of_a_socket(tmp_path: Path) -> None:
    placement = FakePlacement(on_place="nothing", max_starting=1)
    async with dispatching(tmp_path, placement) as parts:
        await parts.call()
        waiting = await parts.call()
        relayed = await parts.call(relay=object())
        await parts.dispatcher.drain(0.0)
        assert parts.registry.record(waiting).exit is None
        assert parts.registry.record(relayed).exit.reason == "drained"  # type: ignore[union-attr]
        await parts.journal.flush()
    placement = FakePlacement()
    async with dispatching(tmp_path, placement) as parts:
        record = await parts.registry.wait(waiting, until="settled", timeout_s=5)
        assert record.state == "ready"


@pytest.mark.asyncio
async def test_a_storm_starts_as_many_at_once_as_the_processors_can_take(
    tmp_path: Path, within: Within, monkeypatch: pytest.MonkeyPatch
) -> None:
    placement = FakePlacement(on_place="nothing", fresh=2)
    async with dispatching(tmp_path, placement) as parts:
        monkeypatch.setattr("runtime.dispatch.launcher.FRESH_S", 600.0)
        calls = await within(5, asyncio.gather(*(parts.call() for _ in range(5))))
        assert (len(calls), len(placement.placed)) == (5, 2)
        placement.ready(placement.placed[0][0].session_id)
        while len(placement.placed) < 3:
            await within(5, parts.registry.news(parts.registry.feed.last))
        # Those that take long wait for somebody else, not for a processor.
        monkeypatch.setattr("runtime.dispatch.launcher.FRESH_S", 0.0)
        placement.ready(placement.placed[1][0].session_id)
        while len(placement.placed) < 5:
            await within(5, parts.registry.news(parts.registry.feed.last))


@pytest.mark.asyncio
async def test_one_in_its_turn_can_be_stopped(tmp_path: Path) -> None:
    placement = FakePlacement(on_place="nothing", max_starting=1)
    async with dispatching(tmp_path, placement) as parts:
        await parts.call()
        waiting = await parts.call()
        await parts.dispatcher.stop(waiting)
        assert parts.registry.record(waiting).exit.reason == "stopped"  # type: ignore[union-attr]
        assert parts.dispatcher.launcher.queued == 0


@pytest.mark.asyncio
async def test_sessions_that_share_a_deadly_input_are_parked_together(tmp_path: Path, within: Within) -> None:
    poison = RoomCall(room_name="r", arguments={"n": 1})
    async with dispatching(tmp_path, FakePlacement()) as parts:
        for _ in range(3):
            sid = await parts.call(call=poison)
            await within(5, _die(parts, sid))
        refused = await parts.dispatcher.call("/chat", poison, webhook_id="w")
        assert isinstance(refused, Refused)
        assert (refused.code, refused.retry_after_s) == ("quarantined", None)
        await parts.call()  # a call without an input of its own
        (parked,) = parts.dispatcher.recovery.quarantine.parked()
        parts.dispatcher.recovery.release(parked.hash)
        await parts.call(call=poison, webhook_id="w")  # its id was not used up
        with pytest.raises(NotFound):
            parts.dispatcher.recovery.release(parked.hash)


@pytest.mark.asyncio
async def test_sums_of_use_outlive_the_records(tmp_path: Path, within: Within) -> None:
    for run in range(2):
        async with dispatching(tmp_path, FakePlacement()) as parts:
            for _ in range(60):
                sid = await parts.call()
                said = {"tokens_in": 10}
                parts.placement.emit(Status(session_id=sid, at=1.0, values=said))  # type: ignore[arg-type]
                parts.placement.exit(sid, ExitReason.FINISHED)  # type: ignore[arg-type]
                await within(5, parts.registry.wait(sid, until="exited", timeout_s=None))
            kept = [usage_row(record, 0.0) for record in parts.registry.ended()]
            everything = total([*kept, *parts.registry.book.rows(0)])
            assert (everything.sessions, everything.tokens_in) == (60 * (run + 1), 600 * (run + 1))
            assert len(kept) == 50


@pytest.mark.asyncio
async def test_an_id_is_remembered_across_restarts_though_its_session_is_forgotten(
    tmp_path: Path, within: Within
) -> None:
    async with dispatching(tmp_path) as parts:
        first = await parts.call(webhook_id="w")
        await parts.dispatcher.stop(first)
        for _ in range(60):  # more than are kept
            await parts.dispatcher.stop(await parts.call())
        assert first not in parts.registry
        assert await parts.dispatcher.call("/chat", CALL, webhook_id="w") == Duplicate(SessionId(first))
    for _ in range(2):
        async with dispatching(tmp_path) as parts:
            assert first not in parts.registry
            assert await parts.dispatcher.call("/chat", CALL, webhook_id="w") == Duplicate(SessionId(first))
            other = await parts.dispatcher.call("/chat", RoomCall(room_name="s"), webhook_id="w")
            assert isinstance(other, Refused)
            assert other.code == "id_reused"
            assert parts.placement.placed == []


@pytest.mark.asyncio
async def test_the_id_of_a_call_that_could_not_be_placed_is_free_in_the_next_run_too(tmp_path: Path) -> None:
    placement = FakePlacement(refuse=BundleImportFailed("its file is gone"))
    async with dispatching(tmp_path, placement) as parts:
        with pytest.raises(BundleImportFailed):
            await parts.call(webhook_id="w")
    async with dispatching(tmp_path) as parts:
        assert await parts.call(webhook_id="w")
