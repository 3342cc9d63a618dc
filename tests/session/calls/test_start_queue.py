"""Turns to start: in order within an endpoint, endpoints in turn, nobody starved."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from runtime.session.admission import Admission, Admitted
from runtime.session.calls.start_queue import StartQueue, Turn, share_of
from runtime.session.info import Capacity
from runtime.session.spec import SessionId

pytestmark = pytest.mark.unit


def turn(name: str, endpoint: str = "/a", until: float = 10.0) -> Turn:
    return Turn(SessionId(name), endpoint, until)


def popped(queue: StartQueue, count: int = 99, **starting: int) -> list[str]:
    found = []
    for _ in range(count):
        one = queue.pop(starting={f"/{k}": v for k, v in starting.items()}, total=0, max_starting=8)
        if one is None:
            break
        found.append(str(one.session_id))
    return found


def test_endpoints_take_turns_and_each_keeps_its_order() -> None:
    queue = StartQueue()
    for number in range(3):
        queue.push(turn(f"a{number}"))
    queue.push(turn("b0", "/b"))
    assert popped(queue) == ["a0", "b0", "a1", "a2"]
    assert len(queue) == 0


def test_an_endpoint_that_hangs_leaves_a_quarter_of_the_starts_to_the_others() -> None:
    assert [share_of(most) for most in (1, 2, 3, 4, 64)] == [1, 2, 3, 3, 48]
    queue = StartQueue()
    queue.push(turn("a0"))
    queue.push(turn("b0", "/b"))
    assert popped(queue, a=6) == ["b0"]
    assert popped(queue, a=5) == ["a0"]


def test_leaving_and_waiting_too_long() -> None:
    queue = StartQueue()
    for name, until in (("a0", 5.0), ("a1", 6.0), ("a2", 7.0)):
        queue.push(turn(name, until=until))
    queue.push(turn("a1", until=1.0))  # it stands there already
    assert queue.remove(SessionId("a1"))
    assert not queue.remove(SessionId("a1"))
    assert queue.next_expiry() == 5.0
    assert [str(one.session_id) for one in queue.expired(5.0)] == ["a0"]
    assert popped(queue) == ["a2"]
    assert queue.next_expiry() is None


class Starts(RuleBasedStateMachine):
    """Admission and queue together, as the launcher uses them."""

    @initialize(most=st.integers(1, 6), starting=st.integers(1, 5), queued=st.integers(0, 4))
    def begin(self, most: int, starting: int, queued: int) -> None:
        self.most, self.most_starting, self.most_queued = most, starting, queued
        self.admission, self.queue = Admission(max_queued=queued), StartQueue()
        self.calls = 0
        self.now = 0.0
        self.lines: dict[str, list[SessionId]] = {}
        self.starting: dict[SessionId, str] = {}
        self.ready: list[SessionId] = []

    def load(self) -> Capacity:
        return Capacity(
            sessions=len(self.starting) + len(self.ready),
            starting=len(self.starting),
            max_sessions=self.most,
            max_starting=self.most_starting,
        )

    @rule(endpoint=st.sampled_from(["/a", "/b"]), concurrency=st.sampled_from([None, 1, 3]))
    def call(self, endpoint: str, concurrency: int | None) -> None:
        self.calls += 1
        session_id = SessionId(f"s_{self.calls:06}")
        before = self.admission.count(endpoint)
        outcome = self.admission.admit(session_id, self.load(), endpoint=endpoint, concurrency=concurrency)
        if isinstance(outcome, Admitted):
            assert concurrency is None or before < concurrency
            self.queue.push(Turn(session_id, endpoint, self.now + 10))
            self.lines.setdefault(endpoint, []).append(session_id)

    @rule()
    def start_one(self) -> None:
        one = self.queue.pop(
            starting=Counter(self.starting.values()),
            total=len(self.starting),
            max_starting=self.most_starting,
        )
        if one is None:
            hung = Counter(self.starting.values())
            full = len(self.starting) >= self.most_starting
            assert full or all(
                not line or hung[endpoint] >= share_of(self.most_starting)
                for endpoint, line in self.lines.items()
            )
            return
        assert self.lines[one.endpoint].pop(0) == one.session_id  # first come, first served
        self.admission.settle(one.session_id, accepted=True)
        self.starting[one.session_id] = one.endpoint

    @rule(seconds=st.floats(0, 6))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        for one in self.queue.expired(self.now):
            self.lines[one.endpoint].remove(one.session_id)
            self.admission.ended(one.session_id)

    @rule()
    def become_ready(self) -> None:
        if self.starting:
            session_id = min(self.starting)
            del self.starting[session_id]
            self.ready.append(session_id)

    @rule()
    def end(self) -> None:
        if self.ready:
            self.admission.ended(self.ready.pop())

    @rule()
    def fall_and_wait_for_a_restart(self) -> None:
        if self.ready:
            session_id = self.ready.pop()
            self.admission.hold(session_id)
            self.admission.ended(session_id)

    @invariant()
    def within_bounds(self) -> None:
        if not hasattr(self, "queue"):
            return
        assert len(self.queue) == sum(map(len, self.lines.values())) == self.admission.reserved
        assert len(self.starting) <= self.most_starting
        assert self.admission.reserved + len(self.starting) + len(self.ready) <= self.most
        assert len(self.queue) + len(self.starting) <= self.most_starting + self.most_queued


TestStarts = Starts.TestCase
TestStarts.pytestmark = [pytest.mark.unit]
