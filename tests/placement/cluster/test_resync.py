"""A link that loses, repeats and delays: what a front takes is what happened, once and in order."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from runtime.errors import RemoteProtocolError
from runtime.placement.cluster.messages import Synced, Told, decoded, encoded
from runtime.placement.cluster.resync import Came, Holding, Holdings, Inbox, Outbox
from runtime.session.crash import bare
from runtime.session.events import (
    Exited,
    Placed,
    Ready,
    Refused,
    Released,
    SessionEvent,
    Started,
    Status,
    Warned,
)
from runtime.session.exit_reasons import ExitReason
from runtime.session.record import Exit, SessionRecord
from runtime.session.spec import Limits, SessionId, SessionSpec

pytestmark = pytest.mark.unit

SID = SessionId("s_1")


def spec(session: SessionId = SID) -> SessionSpec:
    limits = Limits(memory="1GiB", cpu="unlimited", timeout="2m")
    return SessionSpec(session_id=session, bundle="b", endpoint="/b", identity="b", room="r", limits=limits)


def exited(session: SessionId = SID, *, report: bool = False) -> Exited:
    exit = Exit(reason=ExitReason.SIGNAL, message="over", signal=9)
    found = bare(SessionRecord(spec=spec(session)), exit) if report else None
    return Exited(session_id=session, at=2.0, exit=exit, report=found)


def started(session: SessionId = SID) -> Started:
    return Started(session_id=session, at=1.0, pid=7, confinement={"level": "basic"})


def test_events_and_specs_cross_the_wire_unchanged() -> None:
    box = Outbox("b1")
    found = ({"rule": "r", "what": "w", "message": "m", "cure": "c"},)
    for event in (
        Placed(session_id=SID, at=1.0, generation=2, node_id="n1", boot="b1"),
        started(),
        Ready(session_id=SID, at=1.5, start_ms=3.0),
        Status(session_id=SID, at=1.6, values={"turns": 1, "note": "x"}),
        Warned(session_id=SID, at=1.6, kind="memory", message="near"),
        Refused(session_id=SID, at=1.7, found=found, counts={"r": 1}),
        exited(report=True),
        Released(session_id=SID, at=2.0),
    ):
        one = decoded(Told, encoded(box.put(2, event)))
        assert one.event() == event
    assert decoded(SessionSpec, encoded(spec())) == spec()
    with pytest.raises(RemoteProtocolError, match="not a Told"):
        decoded(Told, b"\x01")
    with pytest.raises(RemoteProtocolError):
        decoded(Told, encoded(box.put(2, started()))[:-3])


def test_ends_are_kept_until_they_are_acknowledged() -> None:
    box = Outbox("b1")
    box.put(1, started())
    box.put(1, exited())
    box.acknowledged(2)
    assert [one.kind for one in box.synced().told] == ["Started", "Exited"]  # it is not released yet
    box.put(1, Released(session_id=SID, at=3.0))
    box.acknowledged(2)
    assert len(box) == 1
    box.acknowledged(3)
    assert (len(box), box.synced().number) == (0, 3)


def test_what_nobody_acknowledges_is_bounded_and_reports_go_first() -> None:
    box = Outbox("b1", max_ends=3, max_bytes=4000)
    for number in range(6):
        session = SessionId(f"s_{number}")
        box.put(1, exited(session, report=True))
        box.put(1, Released(session_id=session, at=3.0))
    ends = [one.event() for one in box.synced().told if one.kind == "Exited"]
    assert [end.session_id for end in ends] == ["s_3", "s_4", "s_5"]
    assert not any(isinstance(end, Exited) and end.report for end in ends[:1])


def test_an_event_of_elsewhere_or_before_changes_nothing() -> None:
    held, box = Holdings(), Outbox("b1")
    held.give(Holding(SID, 2, "n1", turn=1))
    assert not held.takes("n1", box.put(1, exited()))  # an older attempt's
    assert not held.takes("n2", box.put(2, exited()))  # another node's
    assert held.takes("n1", box.put(2, started()))
    assert not held.takes("n1", box.put(2, started()))
    assert not held.takes("n1", Outbox("b2").put(2, exited()))  # another life's
    assert held.takes("n1", box.put(2, exited()))
    assert not held.takes("n1", box.put(2, Ready(session_id=SID, at=9.0, start_ms=1.0)))
    assert held.takes("n1", box.put(2, Released(session_id=SID, at=9.0)))


def test_a_sync_says_what_is_missing_and_what_nobody_wants() -> None:
    held, box = Holdings(), Outbox("b1")
    here, late, gone = (
        Holding(SessionId(f"s_{one}"), 1, "n1", turn=turn) for one, turn in zip("abc", (1, 9, 2), strict=True)
    )
    for one in (here, late, gone):
        held.give(one)
    box.put(1, started(here.session))
    box.put(1, started(SessionId("s_x")))
    box.put(1, started(SessionId("s_y")))
    box.put(1, exited(SessionId("s_y")))
    answer = box.synced()
    assert held.missing("n1", answer, turn=5) == [gone]  # the late one was placed after the question
    assert held.strays("n1", answer) == [("s_x", 1)]


class Link(RuleBasedStateMachine):
    """One node, one front, and a link between them that does what it likes."""

    def __init__(self) -> None:
        super().__init__()
        self.boots = 1
        self.out, self.inbox, self.held = Outbox("b1"), Inbox(), Holdings()
        self.wire: list[Any] = []
        self.truth: dict[tuple[str, int], list[str]] = {}
        self.heard: dict[tuple[str, int], list[str]] = {}
        self.attempts: dict[SessionId, int] = {}
        self.turn = 0

    def _happens(self, session: SessionId, event: SessionEvent) -> None:
        generation = self.attempts[session]
        self.truth[session, generation].append(type(event).__name__)
        self.wire.append(self.out.put(generation, event))

    @rule()
    def place(self) -> None:
        session = SessionId(f"s_{len(self.attempts)}")
        self.turn += 1
        self.attempts[session] = 1
        self.truth[session, 1] = []
        self.held.give(Holding(session, 1, "n1", self.turn))
        self._happens(session, Placed(session_id=session, at=0.0, generation=1))

    @precondition(lambda self: self.attempts)
    @rule(data=st.data())
    def live(self, data: Any) -> None:
        session = data.draw(st.sampled_from(sorted(self.attempts)))
        so_far = self.truth[session, self.attempts[session]]
        following = {
            "Placed": started(session),
            "Started": Ready(session_id=session, at=1.0, start_ms=1.0),
            "Ready": exited(session),
            "Exited": Released(session_id=session, at=2.0),
        }
        if so_far and (event := following.get(so_far[-1])) is not None:
            self._happens(session, event)

    @precondition(lambda self: self.wire)
    @rule(data=st.data(), what=st.sampled_from(["deliver", "deliver", "lose", "repeat"]))
    def move(self, data: Any, what: str) -> None:
        index = data.draw(st.integers(0, len(self.wire) - 1))
        message = self.wire[index] if what == "repeat" else self.wire.pop(index)
        if what != "lose":
            self._arrives(message)

    def _arrives(self, message: Any) -> None:
        if isinstance(message, Synced):
            if self.inbox.synced(message):
                for one in message.told:
                    self._take(one)
        elif self.inbox.take(message) is Came.NEW:
            self._take(message)

    def _take(self, one: Told) -> None:
        if self.held.takes("n1", one):
            self.heard.setdefault((one.session, one.generation), []).append(one.kind)
            if one.kind == "Released" and (held := self.held.get(one.session)) is not None:
                self.held.drop(held)

    @rule()
    def beat(self) -> None:
        if self.inbox.boot == "b1":
            self.out.acknowledged(self.inbox.taken)
        if self.inbox.lacks("b1", self.out.number):
            self.wire.append(self.out.synced())

    @invariant()
    def what_is_heard_happened_once_and_in_order(self) -> None:
        for attempt, kinds in self.heard.items():
            assert kinds == self.truth[attempt][: len(kinds)] or set(kinds) <= set(self.truth[attempt])
            assert len(kinds) == len(set(kinds))
            assert kinds == [kind for kind in self.truth[attempt] if kind in kinds]

    def teardown(self) -> None:
        self.wire.clear()
        self._arrives(self.out.synced())  # the link holds for once: everything is known
        assert {attempt: kinds for attempt, kinds in self.truth.items() if kinds} == self.heard


TestLink = Link.TestCase
TestLink.settings = hypothesis_settings(max_examples=60, stateful_step_count=40, deadline=None)
