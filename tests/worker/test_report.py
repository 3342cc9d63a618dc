"""What a worker tells of its counts: soon, together, and once more at the end."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from runtime.errors import ChannelClosed
from runtime.sdk.meter import Meter
from runtime.worker.telling import report
from runtime.worker.telling.report import Reporter
from tests.patience import PATIENCE

pytestmark = [pytest.mark.unit, pytest.mark.asyncio]


async def test_changes_are_told_together_and_the_rest_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "TELL_S", 0.01)
    meter, told, came = Meter(), [], asyncio.Event()
    meter.add(turns=9)  # while the bundle was imported: not this session's

    def send(message: Any) -> None:
        told.append(message.values)
        came.set()

    reporter = Reporter(meter, send)
    for _ in range(50):
        meter.add(messages=1, tokens_in=2, tokens_out=-5)
    async with asyncio.timeout(5 * PATIENCE):
        await came.wait()
    assert told == [{"messages": 50, "tokens_in": 100}]
    meter.add(turns=1)
    reporter.close()
    reporter.close()
    meter.add(turns=1)
    assert told[1:] == [{"messages": 50, "tokens_in": 100, "turns": 1}]


async def test_an_idle_session_tells_nothing_and_a_lost_front_does_not_matter() -> None:
    def send(message: Any) -> None:
        raise ChannelClosed("gone")

    meter = Meter()
    reporter = Reporter(meter, send)
    reporter.close()
    reporter = Reporter(meter, send)
    meter.add(turns=1)
    reporter.close()
