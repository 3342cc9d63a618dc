"""A flood is a trickle in the server's own log, and says that it is."""

from __future__ import annotations

from typing import Any

import pytest
import structlog
from structlog.testing import capture_logs

from runtime.clock import SystemClock
from runtime.settings import SupervisorSettings
from runtime.supervisor.server_lines import ALL_TOGETHER, BURST_S, Allowance, ServerLines

pytestmark = pytest.mark.unit

PER_S = 1000
SETTINGS = SupervisorSettings(log_echo_bytes_per_s=PER_S)


class SetClock(SystemClock):
    at = 100.0

    def now(self) -> float:
        return self.at


def _lines(clock: SetClock, together: Allowance | None = None) -> ServerLines:
    return ServerLines(structlog.get_logger(), "worker.printed", SETTINGS, clock, together)


def _size(told: list[Any]) -> int:
    return sum(len(one["line"]) for one in told if one["event"] == "worker.printed")


def test_a_flood_of_an_hour_is_bounded_and_counted() -> None:
    clock = SetClock()
    lines = _lines(clock)
    with capture_logs() as told:
        for _ in range(3600):
            clock.at += 1.0
            for _ in range(20):
                lines.write("x" * 10_000)
    assert _size(told) <= (3600 + BURST_S) * PER_S + 10_000
    left_out = [one["count"] for one in told if one["event"] == "worker.lines_left_out"]
    assert len(left_out) <= 361
    assert 3600 * 20 * 0.99 < sum(left_out) + sum(1 for one in told if "line" in one) <= 3600 * 20


def test_who_prints_little_loses_nothing_and_keeps_level_and_fields() -> None:
    clock = SetClock()
    lines = _lines(clock)
    with capture_logs() as told:
        for _ in range(1000):
            clock.at += 1.0
            lines.write("hello", "warning", stream="log")
    assert len(told) == 1000
    assert told[0] == {
        "event": "worker.printed",
        "line": "hello",
        "stream": "log",
        "log_level": "warning",
    }


def test_many_sources_share_what_all_may_print() -> None:
    clock = SetClock()
    together = Allowance(ALL_TOGETHER * PER_S, clock)
    sources = [_lines(clock, together) for _ in range(100)]
    with capture_logs() as told:
        for _ in range(60):
            clock.at += 1.0
            for source in sources:
                source.write("x" * 1000)
    assert _size(told) <= (60 + BURST_S) * ALL_TOGETHER * PER_S + 1000


def test_nothing_at_all_is_a_setting() -> None:
    none = ServerLines(
        structlog.get_logger(), "worker.printed", SupervisorSettings(log_echo_bytes_per_s=0.0), SetClock()
    )
    with capture_logs() as told:
        none.write("hello")
    assert [one["event"] for one in told] == ["worker.lines_left_out"]
