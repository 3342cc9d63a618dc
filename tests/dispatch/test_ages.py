"""How long a session has lived is told by the clock that nobody sets; of earlier runs by what is known."""

from __future__ import annotations

import pytest

from runtime.clock import SystemClock
from runtime.dispatch.ages import Ages
from runtime.session.exit_reasons import ExitReason
from runtime.session.record import Exit, SessionRecord
from runtime.session.spec import SessionId, SessionSpec

pytestmark = pytest.mark.unit

ONE = SessionId("s_1")


class SetClock(SystemClock):
    at, off_s = 100.0, 1e9

    def now(self) -> float:
        return self.at

    def wall(self) -> float:
        return self.at + self.off_s


def record() -> SessionRecord:
    return SessionRecord(spec=SessionSpec(session_id=ONE, bundle="b", endpoint="/a", identity="a", room="r"))


def test_a_life_is_measured_from_its_process_and_from_ready() -> None:
    clock = SetClock()
    ages, one = Ages(clock), record()
    assert (ages.of(one), ages.since_ready_s(ONE), ages.ended(ONE)) == (0.0, 0.0, None)
    ages.started(ONE)
    clock.at += 2
    assert ages.since_ready_s(ONE) == 0.0
    ages.ready(ONE)
    clock.at += 3
    clock.off_s -= 86400
    assert (ages.of(one), ages.since_ready_s(ONE)) == (5.0, 3.0)
    assert ages.ended(ONE) == 5.0
    assert ages.since_ready_s(ONE) == 0.0


def test_of_earlier_runs_it_tells_what_was_measured_then_or_what_the_times_say() -> None:
    ages, one = Ages(SetClock()), record()
    one.lived_s = 7.0
    assert ages.of(one) == 0.0  # it waits to be started again
    one.started_at, one.exit = 1000.0, Exit(reason=ExitReason.FINISHED, message="", at=1009.0)
    assert ages.of(one) == 7.0
    one.lived_s = None
    assert ages.of(one) == 9.0
    one.exit = Exit(reason=ExitReason.FINISHED, message="", at=900.0)
    assert ages.of(one) == 0.0
