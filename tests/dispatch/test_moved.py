"""A session whose machine is emptied goes on at another one, at once and under its id."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from msgspec.structs import replace
from structlog.testing import capture_logs

from runtime.session.crash import CrashReport, bare
from runtime.session.events import Exited
from runtime.session.exit_reasons import ExitReason
from runtime.session.record import Exit
from tests.dispatch.test_dispatcher import dispatching
from tests.fakes import FakePlacement, endpoint

pytestmark = [pytest.mark.unit, pytest.mark.asyncio]


async def test_it_is_placed_again_at_once_and_was_not_restarted(tmp_path: Path) -> None:
    listed = [endpoint("/chat", restart="on_failure")]
    async with dispatching(tmp_path, FakePlacement(listed=listed)) as parts:
        sid = await parts.call()
        record = await parts.registry.wait(sid, until="settled", timeout_s=5)
        for attempt in range(2, 10):  # more often than a session may be restarted
            parts.placement.exit(sid, ExitReason.MOVED)
            while (record.generation, record.state) != (attempt, "ready"):
                await parts.registry.news(parts.registry.feed.last)
        assert (record.restarts, record.moves, record.exit) == (0, 8, None)
        assert parts.registry.crashed_count == 0


async def test_one_that_is_never_started_again_ends_unless_it_was_not_ready_yet(tmp_path: Path) -> None:
    placement = FakePlacement(listed=[endpoint("/chat", restart="never")])
    async with dispatching(tmp_path, placement) as parts:
        ran = await parts.call()
        await parts.registry.wait(ran, until="settled", timeout_s=5)
        placement.on_place = "started"
        owed = await parts.call()
        placement.on_place = "ready"
        for sid in (ran, owed):
            placement.exit(sid, ExitReason.MOVED)
        over = await parts.registry.wait(ran, until="exited", timeout_s=5)
        assert over.exit is not None
        assert over.exit.reason is ExitReason.MOVED
        record = parts.registry.record(owed)
        while (record.generation, record.state) != (2, "ready"):
            await parts.registry.news(parts.registry.feed.last)


async def test_where_a_session_runs_is_in_its_record_and_its_events(tmp_path: Path) -> None:
    async with dispatching(tmp_path, FakePlacement(node_id="n1")) as parts:
        sid = await parts.call()
        record = await parts.registry.wait(sid, until="settled", timeout_s=5)
        assert (record.node_id, record.boot) == ("n1", "b1")
        accepted, *others = parts.registry.feed.after(0)
        assert accepted.data["node"] == ""
        assert {(event.data["node"], event.data["boot"]) for event in others} == {("n1", "b1")}


async def test_what_went_on_at_other_machines_is_told_by_the_next_server(tmp_path: Path) -> None:
    listed = [endpoint("/chat", restart="on_failure")]
    async with dispatching(tmp_path, FakePlacement(listed=listed)) as parts:
        stays, ends = await parts.call(), await parts.call()
        for sid in (stays, ends):
            await parts.registry.wait(sid, until="settled", timeout_s=5)
    with capture_logs() as logs:
        async with dispatching(tmp_path, FakePlacement(adopts={stays})):
            pass
    (told,) = (line["detail"] for line in logs if line["event"] == "server.was_lost")
    why = "the server ended without being stopped"
    assert told == f"{why}: 1 goes on at other machines, 1 session is started again"


async def test_a_report_is_that_of_the_session_that_ended_whatever_it_says(tmp_path: Path) -> None:
    async with dispatching(tmp_path) as parts:
        kept = list[CrashReport]()
        parts.registry._crashes = SimpleNamespace(keep=kept.append)
        sid, other = await parts.call(), await parts.call()
        for one in (sid, other):
            await parts.registry.wait(one, until="settled", timeout_s=5)
        end = Exit(reason=ExitReason.SIGNAL, message="over", at=1.0)
        forged = bare(parts.registry.record(other), end)
        parts.registry.take(Exited(session_id=sid, at=1.0, exit=end, report=replace(forged, endpoint="/x")))
        assert [(one.session_id, one.endpoint) for one in kept] == [(sid, "/chat")]
