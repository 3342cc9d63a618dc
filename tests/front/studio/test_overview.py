from __future__ import annotations

import asyncio
from typing import Any

import pytest
from msgspec.structs import replace

from runtime.front.studio.overview import HISTORY_COUNT, MAX_ENDPOINTS, OTHER, Overview
from runtime.session.exit_reasons import ExitReason
from runtime.session.info import BundleInfo, Capacity, Vitals
from runtime.session.spec import SessionId
from tests.fakes import FakePlacement, endpoint
from tests.patience import PATIENCE

pytestmark = [pytest.mark.process, pytest.mark.asyncio]


async def started(site: Any, path: str = "/chat") -> str:
    sid: str = (await site.post(path)).json["session"]
    await site.server.front.registry.wait(sid, until="settled", timeout_s=5)
    return sid


async def test_figures_are_added_up_by_endpoint(serving: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    placement = FakePlacement(listed=[endpoint("/chat"), endpoint("/helper")])
    async with serving(placement) as site:
        overview = Overview(site.server.front)
        one, two, helper = await started(site), await started(site), await started(site, "/helper")
        cpu_s = dict.fromkeys((one, two, helper), 1.0)
        monkeypatch.setattr(
            placement, "glance", lambda sid: Vitals(cpu_s=cpu_s[sid], rss_bytes=100, pss_bytes=40)
        )
        await overview.take()
        cpu_s[helper] = 2.0
        await overview.take()
        now = overview.now()
        assert (now["sessions"], now["by_state"]) == (3, {"ready": 3})
        assert now["memory_by_endpoint"] == {"/chat": 200, "/helper": 100}
        assert now["cpu_by_endpoint"]["/chat"] == 0.0
        assert now["cpu_by_endpoint"]["/helper"] > 0.0
        assert now["saved_bytes"] == 180  # of 60 each
        assert now["starts_per_min"] == 3
        assert now["capacity"]["max_sessions"] == 100
        placement.exit(one, ExitReason.SIGNAL, signal=11)  # type: ignore[arg-type]
        await site.server.front.registry.wait(one, until="exited", timeout_s=5)
        await overview.take()
        assert overview.now()["crashes_per_min"] == 1
        history = overview.history()
        assert history["sessions"] == [3, 3, 2]
        assert history["memory"]["/helper"] == [100, 100, 100]
        assert {len(line) for line in (history["at_ms"], history["lag_ms"], history["cpu"]["/chat"])} == {3}


async def test_sessions_that_were_not_read_page_by_page_are_taken_for_their_like(
    serving: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving() as site:
        overview = Overview(site.server.front)
        known, unknown = await started(site), await started(site)
        read: list[str] = []

        async def vitals(session_id: SessionId) -> None:
            read.append(session_id)

        monkeypatch.setattr(site.placement, "vitals", vitals)
        monkeypatch.setattr(
            site.placement, "glance", lambda sid: Vitals(rss_bytes=100, pss_bytes=40 if sid == known else 0)
        )
        await overview.take()
        assert overview.now()["saved_bytes"] == 120
        assert read == [unknown]


async def test_the_history_and_its_lines_are_bounded(serving: Any) -> None:
    many = [endpoint(f"/e{number}") for number in range(MAX_ENDPOINTS + 1)]
    async with serving(FakePlacement(listed=many)) as site:
        overview = Overview(site.server.front)
        await started(site, f"/e{MAX_ENDPOINTS}")
        for _ in range(HISTORY_COUNT + 5):
            await overview.take()
        history = overview.history()
        assert len(history["at_ms"]) == HISTORY_COUNT
        assert set(history["memory"]) == {OTHER}


async def test_what_is_wrong_is_said_in_words(serving: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(host="0.0.0.0") as site:
        front, overview = site.server.front, Overview(site.server.front)

        def told() -> dict[str, str]:
            return {alert["text"].split(":")[0]: alert["level"] for alert in overview.alerts()}

        assert told() == {
            "No webhook secret is set": "warn",
            "The built-in offline model answers": "info",
        }
        site.placement.listed_bundles = [
            BundleInfo(name="b", source="b.py", generation=1, state="failed", error="no module 'x'")
        ]
        full = Capacity(sessions=100, starting=0, max_sessions=100, max_starting=1)
        monkeypatch.setattr(site.placement, "capacity", lambda: full)
        assert overview.alerts()[0]["text"] == "b cannot be loaded: no module 'x'"
        assert told()["100 sessions run, the most this server takes"] == "warn"
        tight = replace(full, sessions=1, headroom_bytes=1 << 20, session_bytes=1 << 20)
        monkeypatch.setattr(site.placement, "capacity", lambda: tight)
        assert told()["Memory for new sessions is nearly used up"] == "warn"
        monkeypatch.setattr(front.dispatcher, "draining", True)
        assert told()["The server is shutting down"] == "warn"


async def test_an_input_in_quarantine_and_a_session_that_fails_again_are_told(
    serving: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    placement = FakePlacement(listed=[endpoint("/chat", restart="on_failure")])
    async with serving(placement, supervisor={"restart_first_s": 30}) as site:
        front, overview = site.server.front, Overview(site.server.front)
        sid = await started(site)
        placement.exit(sid, ExitReason.SIGNAL, signal=11)  # type: ignore[arg-type]
        async with asyncio.timeout(10 * PATIENCE):
            while front.registry.record(sid).restart_at is None:
                await asyncio.sleep(0)
        monkeypatch.setattr(front.dispatcher.recovery, "quarantine", [1, 2])
        texts = [alert["text"] for alert in overview.alerts()]
        assert texts[:2] == [
            "2 inputs are in quarantine after killing session after session",
            "1 session waits to be started again after a failure",
        ]
