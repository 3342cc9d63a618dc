from __future__ import annotations

import pytest

from runtime.errors import InvalidTransition, SessionNotFound
from runtime.session.events import Exited, Placed, Ready, Refused, Released, Started, Status, Stopping
from runtime.session.exit_reasons import ExitReason
from runtime.session.ledger import Ledger
from runtime.session.record import Exit, SessionRecord
from runtime.session.spec import SessionId, SessionSpec

pytestmark = pytest.mark.unit


def record(name: str = "s_1") -> SessionRecord:
    spec = SessionSpec(
        session_id=SessionId(name), bundle="b", endpoint="/a", identity="a", room="r", accepted_at=1.0
    )
    return SessionRecord(spec=spec)


def exited(name: str = "s_1", at: float = 9.0, reason: ExitReason = ExitReason.FINISHED) -> Exited:
    return Exited(
        session_id=SessionId(name),
        at=at,
        exit=Exit(reason=reason, message="m", at=at),
        peak_rss_bytes=5,
        cpu_s=2.0,
    )


def test_a_whole_life() -> None:
    ledger, one = Ledger(history_count=3), record()
    ledger.open(one)
    sid = one.spec.session_id
    ledger.apply(Placed(session_id=sid, at=2.0, generation=2))
    ledger.apply(Started(session_id=sid, at=3.0, pid=77))
    assert (one.state, one.pid, one.generation, one.restarts) == ("starting", 77, 2, 1)
    ledger.apply(Ready(session_id=sid, at=4.0, start_ms=1.0))
    ledger.apply(Status(session_id=sid, at=5.0, values={"messages": 3}))
    assert (one.state, one.ready_at, one.messages) == ("ready", 4.0, 3)
    ledger.apply(Stopping(session_id=sid, at=6.0, reason="stopped"))
    assert one.state == "stopping"
    assert ledger.apply(exited()) is one
    assert (one.state, one.peak_rss_bytes, one.cpu_s) == ("exited", 5, 2.0)
    assert list(ledger.live()) == []
    assert list(ledger.ended()) == [one]


def test_what_ended_stays_as_it_ended() -> None:
    ledger, one = Ledger(history_count=3), record()
    ledger.open(one)
    ledger.apply(exited())
    assert ledger.apply(exited(reason=ExitReason.HANG)) is None
    assert ledger.apply(Ready(session_id=one.spec.session_id, at=4.0, start_ms=1.0)) is None
    assert one.exit is not None
    assert one.exit.reason == "finished"


def test_ready_does_not_undo_stopping() -> None:
    ledger, one = Ledger(history_count=3), record()
    ledger.open(one)
    ledger.apply(Stopping(session_id=one.spec.session_id, at=1.0, reason="stopped"))
    ledger.apply(Ready(session_id=one.spec.session_id, at=4.0, start_ms=1.0))
    assert one.state == "stopping"


def test_events_of_strangers_and_releases_change_nothing() -> None:
    ledger = Ledger(history_count=3)
    assert ledger.apply(exited("s_x")) is None
    ledger.open(record())
    assert ledger.apply(Released(session_id=SessionId("s_1"), at=1.0)) is None
    with pytest.raises(InvalidTransition):
        ledger.open(record())


def test_the_history_is_bounded_and_forgets_the_oldest_end() -> None:
    ledger = Ledger(history_count=2)
    for name in ("s_1", "s_2", "s_3"):
        ledger.open(record(name))
    for name in ("s_2", "s_1", "s_3"):
        ledger.apply(exited(name))
    assert [one.spec.session_id for one in ledger.ended()] == ["s_3", "s_1"]
    with pytest.raises(SessionNotFound):
        ledger.get("s_2")


def test_refusals_are_counted_anew_in_each_attempt() -> None:
    ledger, one = Ledger(history_count=3), record()
    ledger.open(one)
    sid = one.spec.session_id
    ledger.apply(Placed(session_id=sid, at=2.0, generation=1))
    ledger.apply(Started(session_id=sid, at=3.0, pid=77, confinement={"level": "basic"}))
    assert ledger.apply(Refused(session_id=sid, at=4.0, found=(), counts={"files.read": 2})) is one
    assert (one.confinement, one.refused) == ({"level": "basic"}, {"files.read": 2})
    ledger.apply(Started(session_id=sid, at=5.0, pid=78))
    assert (one.confinement, one.refused) == ({}, {})


def test_what_ended_is_kept_within_a_bound_of_bytes_and_the_newest_always() -> None:
    ledger, gone = Ledger(history_count=100, history_bytes=10_000), list[str]()
    ledger.forgotten = lambda one: gone.append(one.spec.session_id)
    for number in range(20):
        one = record(f"s_{number}")
        one.spec.arguments["text"] = "x" * 2_000
        ledger.open(one)
        ledger.end(SessionId(f"s_{number}"), exited().exit)
    assert [one.spec.session_id for one in ledger.ended()] == ["s_19", "s_18", "s_17", "s_16"]
    assert gone == [f"s_{number}" for number in range(16)]
    huge = record("s_huge")
    huge.spec.arguments["text"] = "x" * 20_000
    ledger.open(huge)
    ledger.end(SessionId("s_huge"), exited().exit)
    assert [one.spec.session_id for one in ledger.ended()] == ["s_huge"]
