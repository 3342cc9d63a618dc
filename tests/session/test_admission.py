from __future__ import annotations

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from runtime.errors import LocalProtocolError
from runtime.session.admission import Admission, Admitted, Duplicate, Refused
from runtime.session.calls.call_ids import CallId, digest
from runtime.session.calls.start_rate import Pace, StartRate
from runtime.session.info import Capacity
from runtime.session.spec import SessionId

pytestmark = pytest.mark.unit


def load(sessions: int = 0, starting: int = 0, most: int = 2, draining: bool = False) -> Capacity:
    return Capacity(
        sessions=sessions, starting=starting, max_sessions=most, max_starting=most, draining=draining
    )


def sid(number: int) -> SessionId:
    return SessionId(f"s_{number}")


def called(endpoint: str, webhook_id: str, number: int = 1, *, room: str = "r") -> CallId:
    return CallId(endpoint, webhook_id, sid(number), digest(room, "", {}), at=0.0)


def test_a_slot_is_taken_before_the_placement_counts_it() -> None:
    admission = Admission()
    two = Capacity(sessions=0, starting=0, max_sessions=9, max_starting=2)
    assert admission.admit(sid(1), two, endpoint="/a") == Admitted(sid(1))
    assert admission.admit(sid(2), two, endpoint="/a") == Admitted(sid(2))
    third = admission.admit(sid(3), two, endpoint="/a")
    assert isinstance(third, Refused)
    assert (third.code, third.retry_after_s) == ("queue_full", 1)
    admission.settle(sid(1), accepted=False)
    assert admission.admit(sid(3), load(), endpoint="/a") == Admitted(sid(3))


def test_a_full_server_says_so() -> None:
    full = Capacity(sessions=2, starting=0, max_sessions=2, max_starting=9)
    refused = Admission().admit(sid(1), full, endpoint="/a")
    assert isinstance(refused, Refused)
    assert refused.code == "too_many_sessions"


def test_without_a_machine_nobody_is_told_of_a_bound() -> None:
    none = Capacity(sessions=0, starting=0, max_sessions=0, max_starting=0)
    refused = Admission().admit(sid(1), none, endpoint="/a")
    assert isinstance(refused, Refused)
    assert (refused.code, "bulkhead node" in refused.cure) == ("no_resources", True)


def test_the_same_id_at_the_same_endpoint_is_the_same_session() -> None:
    admission = Admission()
    admission.admit(sid(1), load(), endpoint="/a", called=called("/a", "x", 1))
    assert admission.admit(sid(2), load(), endpoint="/a", called=called("/a", "x", 2)) == Duplicate(sid(1))
    assert admission.admit(sid(2), load(), endpoint="/b", called=called("/b", "x", 2)) == Admitted(sid(2))


class Rooms:
    """Rooms of which somebody is in these."""

    max_rooms = 3

    def __init__(self, *names: str, empty: int = 0) -> None:
        self.names, self.open_count = set(names), len(names) + empty

    def occupied(self) -> set[str]:
        return self.names


def test_rooms_that_sessions_will_need_count_from_their_admission() -> None:
    rooms = Rooms("taken")
    admission = Admission(rooms=rooms)
    many = Capacity(sessions=0, starting=0, max_sessions=99, max_starting=99)

    def admit(number: int, room: str) -> Admitted | Refused | Duplicate:
        return admission.admit(sid(number), many, endpoint="/a", room=room)

    for number, room in enumerate(("one", "two", "one", "taken", "", "")):
        assert admit(number, room) == Admitted(sid(number))
    refused = admit(9, "three")
    assert isinstance(refused, Refused)
    assert (refused.code, refused.retry_after_s) == ("too_many_rooms", 10)
    rooms.names, rooms.open_count = {"one"}, 3  # who was in the other room left; empty rooms give way
    assert admit(9, "three") == Refused("too_many_rooms", 10, refused.message, refused.cure)
    admission.ended(sid(3))  # the one in "taken"
    assert admit(9, "three") == Admitted(sid(9))
    admission.ended(sid(0))
    admission.ended(sid(0))
    assert isinstance(admit(10, "four"), Refused)  # another session is in that room still
    admission.restore(sid(11), endpoint="/a", room="restored")
    admission.ended(sid(2))
    admission.ended(sid(9))
    assert isinstance(admit(12, "five"), Refused)


def test_calls_without_an_id_are_never_the_same() -> None:
    admission = Admission()
    assert admission.admit(sid(1), load(), endpoint="/a") == Admitted(sid(1))
    assert admission.admit(sid(2), load(), endpoint="/a") == Admitted(sid(2))


def test_a_duplicate_is_answered_while_draining_and_a_new_call_is_not() -> None:
    admission = Admission()
    admission.admit(sid(1), load(), endpoint="/a", called=called("/a", "x", 1))
    draining = load(draining=True)
    assert admission.admit(sid(2), draining, endpoint="/a", called=called("/a", "x", 2)) == Duplicate(sid(1))
    refused = admission.admit(sid(2), draining, endpoint="/a", called=called("/a", "y", 2))
    assert isinstance(refused, Refused)
    assert refused.code == "draining"


def test_a_refused_or_failed_call_may_come_again_with_its_id() -> None:
    admission = Admission()
    assert isinstance(
        admission.admit(sid(1), load(sessions=2), endpoint="/a", called=called("/a", "x", 1)), Refused
    )
    assert admission.admit(sid(2), load(), endpoint="/a", called=called("/a", "x", 2)) == Admitted(sid(2))
    admission.settle(sid(2), accepted=False)
    assert admission.admit(sid(3), load(), endpoint="/a", called=called("/a", "x", 3)) == Admitted(sid(3))


def test_ids_of_an_earlier_run_are_remembered_and_tell_another_call() -> None:
    admission = Admission()
    admission.ids.restore([called("/a", "x", 3)])
    assert admission.admit(sid(9), load(), endpoint="/a", called=called("/a", "x", 9)) == Duplicate(sid(3))
    other = called("/a", "x", 9, room="elsewhere")
    outcome = admission.admit(sid(9), load(), endpoint="/a", called=other)
    assert outcome == Duplicate(sid(3), is_same=False)


def test_admitting_one_session_twice_is_our_mistake() -> None:
    admission = Admission()
    admission.admit(sid(1), load(), endpoint="/a")
    with pytest.raises(LocalProtocolError):
        admission.admit(sid(1), load(), endpoint="/a")


class Admissions(RuleBasedStateMachine):
    """Whatever comes in whatever order: within bounds, and one session per remembered id."""

    @initialize(most=st.integers(1, 4), starting=st.integers(1, 4))
    def begin(self, most: int, starting: int) -> None:
        self.calls = 0
        self.admission = Admission()
        self.most, self.most_starting = most, starting
        self.reserved: dict[SessionId, str] = {}
        self.starting: set[SessionId] = set()
        self.ready: set[SessionId] = set()
        self.by_id: dict[str, SessionId] = {}

    def load(self) -> Capacity:
        return Capacity(
            sessions=len(self.starting) + len(self.ready),
            starting=len(self.starting),
            max_sessions=self.most,
            max_starting=self.most_starting,
        )

    @rule(webhook_id=st.sampled_from(["", "a", "b", "c"]))
    def call(self, webhook_id: str) -> None:
        # Counted, not random: what is drawn below depends on the order of the ids.
        self.calls += 1
        session_id = SessionId(f"s_{self.calls:08}")
        one = CallId("/x", webhook_id, session_id, b"", at=0.0) if webhook_id else None
        outcome = self.admission.admit(session_id, self.load(), endpoint="/x", called=one)
        known = self.by_id.get(webhook_id)
        if known is not None:
            assert outcome == Duplicate(known)
        elif isinstance(outcome, Admitted):
            self.reserved[session_id] = webhook_id
            if webhook_id:
                self.by_id[webhook_id] = session_id
        else:
            assert isinstance(outcome, Refused)
            full = len(self.reserved) + len(self.starting) + len(self.ready) >= self.most
            assert full or len(self.reserved) + len(self.starting) >= self.most_starting

    @rule(data=st.data(), accepted=st.booleans())
    def settle(self, data: st.DataObject, accepted: bool) -> None:
        if not self.reserved:
            return
        session_id = data.draw(st.sampled_from(sorted(self.reserved)))
        webhook_id = self.reserved.pop(session_id)
        self.admission.settle(session_id, accepted=accepted)
        if accepted:
            self.starting.add(session_id)
        elif webhook_id:
            del self.by_id[webhook_id]

    @rule()
    def become_ready(self) -> None:
        if self.starting:
            self.ready.add(self.starting.pop())

    @rule()
    def end(self) -> None:
        if self.ready:
            self.ready.pop()

    @invariant()
    def within_bounds(self) -> None:
        if not hasattr(self, "admission"):
            return
        assert self.admission.reserved == len(self.reserved)
        assert len(self.reserved) + len(self.starting) <= self.most_starting
        assert len(self.reserved) + len(self.starting) + len(self.ready) <= self.most


TestAdmissions = Admissions.TestCase
TestAdmissions.pytestmark = [pytest.mark.unit]


def test_an_endpoint_takes_no_more_than_its_own_bound_from_admission_to_end() -> None:
    admission = Admission(max_queued=9)
    for number in (1, 2):
        assert isinstance(admission.admit(sid(number), load(most=9), endpoint="/a", concurrency=2), Admitted)
    admission.settle(sid(1), accepted=True)
    refused = admission.admit(sid(3), load(most=9), endpoint="/a", concurrency=2)
    assert isinstance(refused, Refused)
    assert refused.code == "endpoint_busy"
    assert isinstance(admission.admit(sid(4), load(most=9), endpoint="/b", concurrency=1), Admitted)
    admission.ended(sid(1))
    admission.ended(sid(1))  # saying so again changes nothing
    assert isinstance(admission.admit(sid(3), load(most=9), endpoint="/a", concurrency=2), Admitted)


def test_sessions_under_way_are_counted_into_the_memory_that_is_left() -> None:
    admission = Admission()
    bounds = {"sessions": 1, "starting": 1, "max_sessions": 9, "max_starting": 9}
    left = Capacity(**bounds, headroom_bytes=300 << 20, session_bytes=100 << 20)
    assert isinstance(admission.admit(sid(1), left, endpoint="/a"), Admitted)
    assert isinstance(admission.admit(sid(2), left, endpoint="/a"), Admitted)
    refused = admission.admit(sid(3), left, endpoint="/a")
    assert isinstance(refused, Refused)
    assert refused.code == "no_memory"
    assert "300 MiB" in refused.message


def test_when_to_come_again_follows_the_measured_rate() -> None:
    rate = StartRate()
    assert (rate.per_s, rate.wait_s(100)) == (None, 1)
    for now in range(5):
        rate.note(now / 10)
    assert rate.per_s == pytest.approx(10)
    assert [rate.wait_s(ahead) for ahead in (1, 25, 10_000)] == [1, 3, 60]
    rate.note(100.0)  # after a pause nothing is known
    assert rate.wait_s(100) == 1


def test_a_session_that_waits_for_its_restart_keeps_its_slot() -> None:
    admission = Admission()
    admission.hold(sid(1))
    refused = admission.admit(sid(2), load(sessions=1, most=2), endpoint="/a")
    assert isinstance(refused, Refused)
    assert refused.code == "too_many_sessions"
    admission.ended(sid(1))
    assert isinstance(admission.admit(sid(2), load(sessions=1, most=2), endpoint="/a"), Admitted)


def test_the_pace_of_a_line_is_measured_only_while_somebody_stands_in_it() -> None:
    pace = Pace()
    for now in range(0, 50, 10):
        pace.note(float(now), waiting=False)  # calls that come every ten seconds
    assert pace.wait_s(100) is None
    for now in range(100, 106):
        pace.note(float(now), waiting=True)
    assert pace.wait_s(100) == pytest.approx(100)
    pace.note(106.0, waiting=False)
    assert pace.wait_s(100) is None


def test_what_cannot_start_in_time_is_refused_at_its_endpoint_alone() -> None:
    admission = Admission(max_queued=1000, queue_s=60.0)
    for number in range(50):
        assert isinstance(admission.admit(sid(number), load(most=100), endpoint="/slow"), Admitted)
    for now in range(6):
        admission.start_over("/slow", float(now), waiting=True)
    late = admission.admit(sid(100), load(most=100), endpoint="/slow")
    assert isinstance(late, Refused)
    assert (late.code, late.retry_after_s) == ("queue_full", 5)
    assert isinstance(admission.admit(sid(101), load(most=100), endpoint="/quick"), Admitted)
    admission.start_over("/slow", 7.0, waiting=False)
    assert isinstance(admission.admit(sid(102), load(most=100), endpoint="/slow"), Admitted)
