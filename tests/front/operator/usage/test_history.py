"""Metrics over hours, as ``/metrics/history`` tells them: also of the server that ran before."""

from __future__ import annotations

from typing import Any

import pytest

from runtime.front.studio.overview import Overview
from runtime.session.exit_reasons import ExitReason

pytestmark = [pytest.mark.process, pytest.mark.asyncio]


async def test_figures_are_there_after_a_restart(serving: Any) -> None:
    async with serving() as site:
        front = site.server.front
        session = (await site.post("/chat")).json["session"]
        await front.registry.wait(session, until="settled", timeout_s=5)
        await Overview(front).take()
        site.placement.exit(session, ExitReason.MEMORY)
        await front.registry.wait(session, until="exited", timeout_s=5)
        before = (await site.get("/metrics/history?hours=1")).json
    async with serving() as site:
        after = (await site.get("/metrics/history?hours=1")).json
        week = (await site.get("/metrics/history?hours=168")).json
        refused = await site.get("/metrics/history?hours=9000")
    for told in (before, after):
        assert (told["step_s"], len(told["at_ms"])) == (60, 60)
        assert sum(filter(None, told["crashes"]["memory"])) == 1
        assert sum(filter(None, told["webhooks"]["accepted"])) == 1
        assert sum(filter(None, told["starts"])) == 1
        assert max(filter(None, told["sessions_most"])) == 1
        assert all(0 < value < 10 for value in told["answer_s"]["p95"] if value is not None)
        assert told["sessions"][0] is None  # no server ran an hour ago
    assert (week["step_s"], len(week["at_ms"]), week["failing"]) == (3600, 168, "")
    assert sum(filter(None, week["crashes"]["memory"])) == 1
    assert refused.status == 400
