"""Which ends are followed by another attempt, when, and how often."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from runtime.session.exit_reasons import ExitReason
from runtime.session.record import Exit, Failure
from runtime.session.restart import Again, GivenUp, RestartPolicy, RestartRules, Restarts, wants
from runtime.session.spec import SessionId

pytestmark = pytest.mark.unit

SID = SessionId("s_1")
NEVER, ON_FAILURE, ALWAYS = RestartPolicy.NEVER, RestartPolicy.ON_FAILURE, RestartPolicy.ALWAYS


def end(reason: ExitReason, **more: Any) -> Exit:
    return Exit(reason=reason, message="over", **more)


CRASH = end(ExitReason.SIGNAL, signal=11)


@pytest.mark.parametrize("reason", list(ExitReason))
def test_every_reason_has_an_answer_for_each_policy(reason: ExitReason) -> None:
    failures = {
        "signal", "exit", "hang", "memory", "agent_error", "start_error", "import_error", "room_lost",
        "room_unreachable", "protocol_error", "pids", "files", "disk", "node_lost", "system_short",
        "not_started", "moved",
    }  # fmt: skip
    assert wants(NEVER, end(reason)) is (reason is ExitReason.NOT_STARTED)
    assert wants(ON_FAILURE, end(reason, code=1)) is (reason.value in failures)
    assert wants(ALWAYS, end(reason, code=1)) is (reason.value in failures | {"deadline", "cpu"})


def test_leaving_with_status_0_is_no_failure() -> None:
    assert not wants(ON_FAILURE, end(ExitReason.EXIT, code=0))
    assert wants(ALWAYS, end(ExitReason.EXIT, code=0))


def test_a_room_that_refuses_the_token_is_not_asked_again() -> None:
    refused = Failure(stage="join", kind="RoomRefused", message="no")
    assert not wants(ALWAYS, end(ExitReason.ROOM_UNREACHABLE, failure=refused))


@pytest.mark.parametrize(
    ("kind", "again"),
    [
        *((kind, False) for kind in ("TypeError", "KeyError", "BundleError", "FileNotFoundError", "Mine")),
        *((kind, True) for kind in ("ConnectionRefusedError", "APITimeoutError", "gaierror")),
    ],
)
def test_a_constructor_that_raises_is_final_unless_the_world_around_may_mend(kind: str, again: bool) -> None:
    failure = Failure(stage="construct", kind=kind, message="no")
    for policy in (ON_FAILURE, ALWAYS):
        assert wants(policy, end(ExitReason.START_ERROR, failure=failure)) is again
    later = Failure(stage="start", kind=kind, message="no")
    assert wants(ON_FAILURE, end(ExitReason.START_ERROR, failure=later))
    assert wants(ON_FAILURE, end(ExitReason.MEMORY, failure=failure))


@pytest.mark.parametrize(
    ("reason", "policy"), [(ExitReason.NOT_STARTED, NEVER), (ExitReason.SYSTEM_SHORT, ON_FAILURE)]
)
def test_what_the_system_lacks_is_waited_out_and_uses_up_no_restarts(
    reason: ExitReason, policy: RestartPolicy
) -> None:
    restarts = Restarts(RestartRules(intensity=2, period_s=60, room_s=300), chance=lambda: 0.5)
    for now in range(0, 100_000, 100):
        again = restarts.ended(SID, end(reason), policy=policy, lived_s=0, now=float(now))
        assert isinstance(again, Again)
    for now in (100_001, 100_002):
        assert isinstance(restarts.ended(SID, CRASH, policy=ON_FAILURE, lived_s=0, now=float(now)), Again)


def test_delays_double_with_chance_around_them() -> None:
    for chance, factor in ((0.0, 0.8), (0.5, 1.0), (1.0, 1.2)):
        restarts = Restarts(
            RestartRules(intensity=9, first_s=1.0, most_s=4.0, spread=0.2), chance=lambda c=chance: c
        )
        delays = []
        for now in range(4):
            again = restarts.ended(SID, CRASH, policy=ON_FAILURE, lived_s=0, now=float(now))
            assert isinstance(again, Again)
            delays.append(round(again.delay_s, 3))
        assert delays == [round(one * factor, 3) for one in (1.0, 2.0, 4.0, 4.0)]


def test_too_many_within_the_period_are_given_up_and_a_new_period_begins_anew() -> None:
    restarts = Restarts(RestartRules(intensity=2, period_s=60), chance=lambda: 0.5)

    def crash(now: float) -> Any:
        return restarts.ended(SID, CRASH, policy=ON_FAILURE, lived_s=0, now=now)

    assert [crash(0).attempt, crash(1).attempt] == [1, 2]
    assert crash(2) == GivenUp("given up after 2 restarts within 60 s")
    assert crash(60).attempt == 2  # the first one is a minute ago


def test_a_stable_life_begins_the_delays_anew() -> None:
    restarts = Restarts(RestartRules(first_s=1, stable_s=10), chance=lambda: 0.5)
    delays = [
        restarts.ended(SID, CRASH, policy=ON_FAILURE, lived_s=lived_s, now=now)
        for now, lived_s in ((0.0, 0.0), (1.0, 0.0), (99.0, 50.0))
    ]
    assert [one.delay_s for one in delays if isinstance(one, Again)] == [1, 2, 1]


def test_an_unreachable_room_is_tried_for_its_time_and_does_not_use_up_restarts() -> None:
    restarts = Restarts(RestartRules(intensity=1, room_s=100, most_s=10), chance=lambda: 0.5)
    gone = end(ExitReason.ROOM_UNREACHABLE)
    for now in range(0, 100, 5):
        assert isinstance(restarts.ended(SID, gone, policy=ON_FAILURE, lived_s=0, now=float(now)), Again)
    assert isinstance(restarts.ended(SID, gone, policy=ON_FAILURE, lived_s=0, now=100.0), GivenUp)
    assert isinstance(restarts.ended(SID, CRASH, policy=ON_FAILURE, lived_s=0, now=101.0), Again)


def test_what_is_over_is_forgotten() -> None:
    restarts = Restarts(RestartRules(), chance=lambda: 0.5)
    restarts.ended(SID, CRASH, policy=ON_FAILURE, lived_s=0, now=0)
    restarts.ended(SessionId("s_2"), CRASH, policy=NEVER, lived_s=0, now=0)
    assert len(restarts) == 1
    restarts.forget(SID)
    assert len(restarts) == 0


class Lives(RuleBasedStateMachine):
    """Sessions that end in every way: each waits for a bounded time, and never too many restarts."""

    @initialize(intensity=st.integers(0, 4), period_s=st.floats(1, 100), chance=st.floats(0, 1))
    def begin(self, intensity: int, period_s: float, chance: float) -> None:
        self.rules = RestartRules(intensity=intensity, period_s=period_s, most_s=8.0, room_s=50.0)
        self.restarts = Restarts(self.rules, chance=lambda: chance)
        self.now = 0.0
        self.waits: dict[SessionId, float] = {}  # when each waiting session runs again
        self.over: set[SessionId] = set()
        self.times: dict[SessionId, list[float]] = {}

    @rule(
        number=st.integers(0, 2),
        reason=st.sampled_from(list(ExitReason)),
        policy=st.sampled_from(list(RestartPolicy)),
        lived_s=st.floats(0, 200),
    )
    def one_ends(self, number: int, reason: ExitReason, policy: RestartPolicy, lived_s: float) -> None:
        session_id = SessionId(f"s_{number}")
        if session_id in self.over or session_id in self.waits:
            return
        self.now += lived_s
        decision = self.restarts.ended(session_id, end(reason), policy=policy, lived_s=lived_s, now=self.now)
        if isinstance(decision, Again):
            assert policy is not NEVER or reason is ExitReason.NOT_STARTED
            assert 0 <= decision.delay_s <= self.rules.most_s * (1 + self.rules.spread)
            self.waits[session_id] = self.now + decision.delay_s
            if reason.row.restart not in ("patiently", "passing", "owed", "moved"):
                self.times.setdefault(session_id, []).append(self.now)
        else:
            self.over.add(session_id)
            self.restarts.forget(session_id)

    @rule(seconds=st.floats(0, 20))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        self.waits = {sid: at for sid, at in self.waits.items() if at > self.now}

    @invariant()
    def every_wait_has_an_end(self) -> None:
        if hasattr(self, "waits"):
            assert all(at <= self.now + 8.0 * 1.2 for at in self.waits.values())

    @invariant()
    def never_more_than_the_intensity(self) -> None:
        if not hasattr(self, "times"):
            return
        for times in self.times.values():
            for first in times:
                within = [one for one in times if first <= one < first + self.rules.period_s]
                assert len(within) <= self.rules.intensity

    @invariant()
    def only_the_living_are_remembered(self) -> None:
        if hasattr(self, "over"):
            assert len(self.restarts) <= 3 - len(self.over)


TestLives = Lives.TestCase
TestLives.pytestmark = [pytest.mark.unit]
