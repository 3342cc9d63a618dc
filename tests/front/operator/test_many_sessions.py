"""A list of 1,500 sessions costs little and says what any other would; uptimes bear a clock that is set."""

from __future__ import annotations

import time
from typing import Any

import pytest

from runtime.clock import SystemClock
from runtime.front.operator import workers
from runtime.front.operator.unchanging import Shown
from runtime.front.server import Server
from runtime.session.exit_reasons import ExitReason
from runtime.session.info import Vitals
from runtime.session.record import SessionRecord
from runtime.session.spec import Limits, SessionSpec, new_session_id
from runtime.settings import load_settings
from tests.fakes import FakePlacement
from tests.front.conftest import Site
from tests.patience import PATIENCE

pytestmark = [pytest.mark.process, pytest.mark.asyncio]

COUNT = 1500
LIMITS = Limits(memory="512MiB", pids=256, files=1024)


def spec(number: int) -> SessionSpec:
    return SessionSpec(
        session_id=new_session_id(),
        bundle="demo",
        endpoint="/chat" if number % 3 else "/task",
        identity="chat",
        room=f"room{number % 300}",
        arguments={"number": number},
        accepted_at=1.7e9 + number,
        limits=LIMITS,
        limit_sources={"memory_bytes": "default", "pids": "default"},
    )


async def test_1500_sessions_are_listed_within_a_fifth_of_a_second(
    serving: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(supervisor={"max_sessions": 2 * COUNT}) as site:
        vitals = Vitals(rss_bytes=20 << 20, pss_bytes=5 << 20, lag_ms=0.4, last_heartbeat=1.7e9)
        monkeypatch.setattr(site.placement, "glance", lambda _: vitals)
        registry = site.server.front.registry
        for number in range(COUNT):
            registry.restore(SessionRecord(spec=spec(number), state="ready", generation=1, pid=1000 + number))
        took_s = []
        for _ in range(5):
            began = time.perf_counter()
            answer = await site.get("/workers")
            took_s.append(time.perf_counter() - began)
        assert min(took_s) < 0.2 * PATIENCE
        listed = answer.json["workers"]
        assert len(listed) == COUNT
        some = listed[7]
        query = f"room={some['room']}&endpoint={some['endpoint']}"
        filtered = (await site.get(f"/workers?{query}")).json["workers"]
        wanted = [
            one["id"] for one in listed if (one["room"], one["endpoint"]) == (some["room"], some["endpoint"])
        ]
        assert [one["id"] for one in filtered] == wanted
        detail = (await site.get(f"/workers/{some['id']}")).json
        same = ("accepted_at", "input", "limits", "limit_sources", "restart", "endpoint", "room", "state")
        assert {key: detail[key] for key in same} == {key: some[key] for key in same}
        assert some["limits"] == LIMITS.plain()
        assert (await site.get("/workers?state=exited")).json["workers"] == []
        began_s = time.process_time()
        for record in registry.live():
            workers.worker_as(workers.Worker, site.server.front, record)
        assert time.process_time() - began_s < 0.1 * PATIENCE


async def test_what_is_remembered_of_sessions_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runtime.front.operator.unchanging._MOST_COUNT", 3)
    shown = Shown()
    specs = [spec(number) for number in range(10)]
    kept = {one.session_id for one in specs}
    first = [shown.of(one, kept) for one in specs]
    assert [shown.of(one, kept) for one in specs] == first
    assert len(shown._known) == 3


async def test_nothing_is_remembered_of_sessions_that_nobody_can_ask_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("runtime.front.operator.unchanging._LOOK_EACH", 4)
    shown = Shown()
    for number in range(100):
        shown.of(one := spec(number), {one.session_id})  # the record of the one before is gone
    assert len(shown._known) < 4


class SteppedClock(SystemClock):
    """The machine's, until somebody sets it."""

    off_s = 0.0

    def wall(self) -> float:
        return super().wall() + self.off_s


@pytest.mark.parametrize("step_s", [-86400.0, 86400.0])
async def test_no_duration_follows_a_clock_that_is_set(tmp_path: Any, step_s: float) -> None:
    clock, placement = SteppedClock(), FakePlacement()
    placement.clock = clock
    flags = {"server.port": 0, "server.state_dir": tmp_path / "state"}
    server = Server(load_settings(flags=flags), [], placement=placement, clock=clock, owns_process=False)
    await server.start()
    try:
        front = server.front
        site = Site(server, placement, front.port)
        sid = (await site.post("/chat")).json["session"]
        await front.registry.wait(sid, until="settled", timeout_s=5 * PATIENCE)
        clock.off_s = step_s
        assert 0 <= (await site.get(f"/workers/{sid}")).json["uptime_s"] < 60
        assert 0 <= (await site.get("/healthz")).json["uptime_s"] < 60
        metrics = (await site.get("/metrics")).body.decode()
        (uptime,) = [line for line in metrics.splitlines() if line.startswith("bulkhead_uptime_seconds ")]
        assert 0 <= float(uptime.split()[1]) < 60
        placement.exit(sid, ExitReason.FINISHED)
        await front.registry.wait(sid, until="exited", timeout_s=5 * PATIENCE)
        clock.off_s = 0.0
        assert 0 <= (await site.get(f"/workers/{sid}")).json["uptime_s"] < 60
        assert front.registry.record(sid).lived_s is not None
    finally:
        await server.stop()
