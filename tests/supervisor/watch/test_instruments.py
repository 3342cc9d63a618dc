from __future__ import annotations

import pytest

from runtime.process.plumbing import Heartbeat
from runtime.process.tree import TreeUse
from runtime.supervisor.watch.instruments import Instruments

pytestmark = pytest.mark.unit


class FixedClock:
    def now(self) -> float:
        return 100.0

    def wall(self) -> float:
        return 5000.0


def use(rss_bytes: int, pss_bytes: int = 0) -> TreeUse:
    return TreeUse(processes=2, threads=3, fds=4, cpu_s=1.5, rss_bytes=rss_bytes, pss_bytes=pss_bytes)


def test_nothing_is_known_before_the_first_reading() -> None:
    assert Instruments(FixedClock()).vitals(None) is None


def test_the_last_reading_is_shown_with_the_time_it_is_of() -> None:
    instruments = Instruments(FixedClock())
    instruments.take(use(80), 99.0)
    vitals = instruments.vitals(Heartbeat(98.0, 0.002))
    assert vitals is not None
    assert (vitals.at, vitals.cpu_s, vitals.rss_bytes, vitals.children) == (99.0, 1.5, 80, 1)
    assert (vitals.lag_ms, vitals.last_heartbeat) == (2.0, 4998.0)
    waiting = instruments.vitals(Heartbeat(50.0, 0.002, asleep_at=50.1))
    assert waiting is not None
    assert waiting.last_heartbeat == 5000.0, "it would answer now"
    assert vitals.pss_bytes == 0  # nobody read it, which is not the same as sharing everything


def test_what_was_shared_once_is_taken_off_until_it_is_read_again() -> None:
    instruments = Instruments(FixedClock())
    instruments.take(use(80, pss_bytes=30), 98.0)
    instruments.take(use(90), 99.0)
    vitals = instruments.vitals(None)
    assert vitals is not None
    assert vitals.pss_bytes == 40
    assert [point.rss_bytes for point in instruments.meter.use().curve] == [80, 90]


def test_memory_counts_up_to_now_though_a_session_that_rests_is_not_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = FixedClock()
    instruments = Instruments(clock)
    instruments.take(use(80), 100.0)
    monkeypatch.setattr(clock, "now", lambda: 105.0)
    vitals = instruments.vitals(None)
    assert vitals is not None
    assert vitals.memory_byte_s == 400.0
    assert instruments.meter.use(105.0).memory_byte_seconds == 400.0
