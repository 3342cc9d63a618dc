"""What becomes of sessions of an earlier run; every case is a record as the journal has it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from runtime.dispatch.fate import MAX_TAKEOVERS, Callers, Fate, Takeover
from runtime.front.autocall import BY_COMMAND, called_anew
from runtime.session.exit_reasons import ExitReason
from runtime.session.record import Exit, SessionRecord
from runtime.session.spec import SessionId, SessionSpec

pytestmark = pytest.mark.unit

SPEC = SessionSpec(
    session_id=SessionId("s_1"), bundle="b", endpoint="/a", identity="a", room="r", restart="on_failure"
)
NOW = 1000.0


def record(state: str = "ready", *, spec: dict[str, Any] | None = None, **more: Any) -> SessionRecord:
    given: dict[str, Any] = {"started_at": 900.0, "ready_at": 901.0 if state == "ready" else None}
    return SessionRecord(spec=replace(SPEC, **(spec or {})), state=state, **(given | more))  # type: ignore[arg-type]


def ended(reason: ExitReason, **more: Any) -> SessionRecord:
    return record("exited", exit=Exit(reason=reason, message="m", at=950.0), **more)


@pytest.mark.parametrize(
    ("one", "fate"),
    [
        (record(), Fate.RESUMED),
        (record(spec={"restart": "always"}), Fate.RESUMED),
        (record(spec={"restart": "never"}), Fate.LOST),
        (record(spec={"relay": True}), Fate.LOST),
        (record("stopping", stopping="drained"), Fate.RESUMED),
        (record("stopping", stopping="stopped"), Fate.LOST),
        (record("stopping", stopping="room_ended"), Fate.LOST),
        (record("stopping", stopping="idle"), Fate.LOST),
        (record("accepted", started_at=None), Fate.OWED),
        (record("starting"), Fate.OWED),
        (record("starting", spec={"restart": "never"}), Fate.OWED),
        (record("starting", spec={"relay": True}), Fate.LOST),
        (record("starting", takeovers=MAX_TAKEOVERS), Fate.GIVEN_UP),
        (record("starting", takeovers=MAX_TAKEOVERS, was_ready=True), Fate.OWED),
        (ended(ExitReason.DRAINED, is_due=True), Fate.RESUMED),
        (ended(ExitReason.SIGNAL, is_due=True), Fate.RESUMED),
        (ended(ExitReason.DRAINED), Fate.OVER),
        *((ended(reason), Fate.OVER) for reason in ExitReason),
    ],
)
def test_each_record_has_one_fate(one: SessionRecord, fate: Fate) -> None:
    assert Takeover().fate(one, NOW) is fate


@pytest.mark.parametrize(
    "rules", [Takeover(resumes=False), Takeover(callers=Callers(is_wanted=lambda _: False))]
)
def test_where_nothing_comes_back_only_what_was_never_ready_is_owed(rules: Takeover) -> None:
    assert rules.fate(record(), NOW) is Fate.LOST
    assert rules.fate(ended(ExitReason.DRAINED, is_due=True), NOW) is Fate.OVER
    assert rules.fate(record("starting"), NOW) is Fate.OWED
    lost = Exit(reason=ExitReason.FRONT_LOST, message="m")
    assert rules.fate(record("starting", last_exit=lost), NOW) is Fate.LOST


def test_a_call_that_the_next_run_makes_itself_is_not_owed() -> None:
    rules = Takeover(resumes=False, callers=Callers(is_called_anew=called_anew("r")))
    mine = {"request_id": BY_COMMAND}
    assert rules.fate(record("accepted", spec=mine, started_at=None), NOW) is Fate.CALLED_ANEW
    assert rules.fate(record("starting", spec=mine), NOW) is Fate.CALLED_ANEW
    assert rules.fate(record("starting", spec={**mine, "room": "other"}), NOW) is Fate.OWED
    assert rules.fate(record("starting", spec={"request_id": "a-caller's"}), NOW) is Fate.OWED
    again = Takeover(callers=Callers(is_called_anew=called_anew("")))
    assert again.fate(record("starting", spec=mine), NOW) is Fate.OWED, "the same run, whose server died"


def test_deaths_of_the_server_are_counted_until_a_session_has_lived_for_a_while() -> None:
    rules = Takeover(most=5, stable_s=60.0)
    young = record(ready_at=NOW - 10, takeovers=4)
    assert rules.fate(young, NOW) is Fate.RESUMED
    assert rules.count(young, NOW) == 5
    assert rules.fate(msgspec.structs.replace(young, takeovers=5), NOW) is Fate.GIVEN_UP
    old = record(ready_at=NOW - 60, takeovers=5)
    assert rules.fate(old, NOW) is Fate.RESUMED
    assert rules.count(old, NOW) == 1
