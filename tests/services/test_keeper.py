"""The keeper does what its table says, in every cell; and whatever happens, nothing runs twice."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from msgspec.structs import replace

from runtime.services import keeper as module
from runtime.services import terms
from runtime.services.keeper import ServiceKeeper
from runtime.services.terms import (
    Call,
    Called,
    Demand,
    Discard,
    Exited,
    Gone,
    Live,
    NoStart,
    Plan,
    Restart,
    Start,
    Started,
    State,
    Stop,
    Tell,
    Want,
    WantNot,
)

pytestmark = pytest.mark.unit

ONE = Plan(revision=1, endpoints=("/a", "/b"), has_liveness=True)
TWO = replace(ONE, revision=2)
NOW = 1_000.0


def reached(state: str) -> ServiceKeeper:
    """A keeper in a state, by the shortest way there."""
    keeper = ServiceKeeper()
    steps: dict[str, list[Any]] = {
        "IDLE": [],
        "STARTING": [Want(ONE)],
        "WAITING": [Want(ONE), Started(1)],
        "RUNNING": [Want(ONE), Started(1), Live(1)],
        "REPLACING": [Want(ONE), Started(1), Live(1), Want(TWO)],
        "SWITCHING": [Want(ONE), Started(1), Live(1), Want(TWO), Started(2), Live(2)],
        "STOPPING": [Want(ONE), Started(1), Live(1), Restart()],
        "BACKOFF": [Want(ONE), NoStart(1, "no image")],
    }
    for step in steps[state]:
        keeper.handle(step, NOW)
    assert keeper.state is State[state]
    return keeper


def table() -> dict[tuple[str, str], str]:
    lines = [line.strip() for line in (module.__doc__ or "").splitlines()]
    start = next(number for number, line in enumerate(lines) if line.startswith("Input   /"))
    states = lines[start].split()[2:]
    rows = [line.split() for line in lines[start + 2 : start + 11]]
    return {(row[0], state): cell for row in rows for state, cell in zip(states, row[1:], strict=True)}


TABLE = table()
COMING = {"STARTING": 1, "WAITING": 1, "REPLACING": 2}
SERVING = {"STARTING": 1, "WAITING": 1, "RUNNING": 1, "REPLACING": 1, "SWITCHING": 2, "STOPPING": 1}
LEAVING = {"SWITCHING": 1, "STOPPING": 1}
INPUTS: dict[str, Callable[[str], Any]] = {
    "Want": lambda state: Want(replace(ONE, revision=3)),
    "WantNot": lambda state: WantNot(),
    "Restart": lambda state: Restart(),
    "Started": lambda state: Started(COMING.get(state, 1)),
    "NoStart": lambda state: NoStart({**COMING, "STOPPING": 1}.get(state, 9), "no"),
    "Live": lambda state: Live(COMING.get(state, 1)),
    "Exited": lambda state: Exited(SERVING.get(state, 9), "exit code 1"),
    "Gone": lambda state: Gone(LEAVING.get(state, 9)),
}


@pytest.mark.parametrize(("name", "state"), TABLE)
def test_it_does_what_its_table_says(name: str, state: str) -> None:
    keeper, cell = reached(state), TABLE[name, state]
    if (name, state) == ("Live", "REPLACING"):
        keeper.handle(Started(2), NOW)
    if cell == "-":
        return
    if name == "time":
        assert keeper.deadline is not None
        keeper.tick(keeper.deadline)
    elif cell == "ignored":
        before = repr(vars(keeper))
        assert keeper.handle(INPUTS[name](state), NOW) == []
        assert repr(vars(keeper)) == before
    else:
        keeper.handle(INPUTS[name](state), NOW)
    assert keeper.state is State[state if cell in ("stays", "ignored") else cell]


def test_the_table_has_every_state_and_every_input() -> None:
    assert {state for _, state in TABLE} == set(State.__members__)
    named = set(re.findall(r"\w+", str(terms.Input))) & set(vars(terms))
    assert {name for name, _ in TABLE} == (named - {"Called", "Demand", "terms"}) | {"time"}


def test_endpoints_are_called_when_it_is_live_and_again_until_they_take_it() -> None:
    keeper = reached("WAITING")
    assert [one for one in keeper.handle(Live(1), NOW) if isinstance(one, Call)] == [
        Call(1, "/a"),
        Call(1, "/b"),
    ]
    keeper.handle(Called(1, "/b"), NOW)
    actions = keeper.handle(Called(1, "/a", "answered 503"), NOW)
    assert actions == [Tell("CallFailed", "/a: answered 503", is_warning=True)]
    assert keeper.deadline == NOW + 1
    assert keeper.tick(NOW + 1) == [Call(1, "/a")]
    keeper.handle(Called(1, "/a", "answered 503"), NOW + 1)
    assert keeper.deadline == NOW + 3
    keeper.handle(Called(1, "/a"), NOW + 3)
    assert keeper.deadline is None


def test_a_new_one_serves_before_the_old_one_goes_and_is_called_after() -> None:
    keeper = reached("REPLACING")
    keeper.handle(Started(2), NOW)
    assert keeper.handle(Live(2), NOW) == [Tell("Ready", "revision 2"), Stop(1)]
    assert keeper.handle(Gone(1), NOW) == [Call(2, "/a"), Call(2, "/b")]


def test_without_liveness_the_old_one_goes_first() -> None:
    keeper = reached("RUNNING")
    plan = replace(ONE, revision=2, has_liveness=False)
    (told, *actions) = keeper.handle(Want(plan), NOW)
    assert isinstance(told, Tell)
    assert actions == [Stop(1)]
    assert keeper.handle(Gone(1), NOW) == [Start(2, plan)]


def test_one_that_does_not_get_live_is_refused_and_the_old_one_goes_on() -> None:
    keeper = reached("REPLACING")
    keeper.handle(Started(2), NOW)
    actions = keeper.tick(NOW + terms.LIVE_S)
    told = "revision 2 did not become live in 60 s"
    assert actions == [Stop(2), Tell("FailedStart", told, is_warning=True)]
    assert (keeper.state, keeper.refused, keeper.restarts) == (State.RUNNING, 2, 0)
    keeper.handle(Gone(2), NOW + 61)
    assert keeper.handle(Want(TWO), NOW + 61) == []
    keeper.handle(Exited(1, "exit code 1"), NOW + 100)
    assert keeper.deadline is not None
    assert keeper.tick(keeper.deadline) == [Start(3, ONE)], "what went on goes on"
    keeper.handle(Restart(), NOW + 200)
    assert keeper.handle(Gone(3), NOW + 200) == [Start(4, TWO)], "somebody asked for it anew"


def test_starts_come_later_each_time_until_it_is_well() -> None:
    keeper, now, delays = ServiceKeeper(), NOW, []
    keeper.handle(Want(ONE), now)
    for number in range(1, 12):
        keeper.handle(Started(number), now)
        assert Discard(number) in keeper.handle(Exited(number, "exit code 1"), now)
        assert keeper.deadline is not None
        delays.append(round(keeper.deadline - now, 3))
        now = keeper.deadline
        keeper.tick(now)
    assert delays[:5] == [0.6, 1.2, 2.4, 4.8, 9.6]
    assert delays[-1] == terms.MOST_DELAY_S
    assert keeper.restarts == 11
    keeper.handle(Started(12), now)
    keeper.handle(Live(12), now)
    keeper.handle(Exited(12, "exit code 1"), now + terms.HEALTHY_S)
    assert keeper.deadline == now + terms.HEALTHY_S + terms.FIRST_DELAY_S
    keeper.handle(Restart(), now + 61)
    assert keeper.restarts == 0


def test_one_that_does_not_end_is_ended_by_force_again_and_again() -> None:
    keeper = reached("STOPPING")
    assert keeper.tick(NOW + terms.STOP_S) == [Stop(1, by_force=True)]
    assert keeper.tick(NOW + 2 * terms.STOP_S) == [Stop(1, by_force=True)]


def test_on_demand_it_runs_while_it_is_used() -> None:
    keeper, plan = ServiceKeeper(), replace(ONE, is_on_demand=True)
    assert keeper.handle(Want(plan), NOW) == []
    assert keeper.handle(Demand(), NOW) == [Start(1, plan)]
    keeper.handle(Started(1), NOW)
    keeper.handle(Live(1), NOW)
    keeper.handle(Called(1, "/a"), NOW)
    keeper.handle(Called(1, "/b"), NOW)
    assert keeper.deadline is None
    keeper.handle(Demand(is_used=False), NOW + 10)
    assert keeper.deadline == NOW + 10 + terms.IDLE_S
    keeper.handle(Demand(), NOW + 20)
    assert keeper.deadline is None
    keeper.handle(Demand(is_used=False), NOW + 30)
    assert Stop(1) in keeper.tick(NOW + 30 + terms.IDLE_S)
    keeper.handle(Gone(1), NOW + 400)
    assert (keeper.state, keeper.deadline) == (State.IDLE, None)


class Life(RuleBasedStateMachine):
    """A world that answers as it likes: containers that start or do not, end whenever, and are told late."""

    def __init__(self) -> None:
        super().__init__()
        self.keeper = ServiceKeeper()
        self.now = NOW
        self.revision = 0
        self.starting: dict[int, Plan] = {}
        self.running: dict[int, Plan] = {}
        self.live: set[int] = set()
        self.stopping: set[int] = set()
        self.calling: set[tuple[int, str]] = set()
        self.called: set[tuple[int, str]] = set()
        self.unasked = 0

    def do(self, event: Any) -> None:
        self.obey(self.keeper.handle(event, self.now))

    def obey(self, actions: list[Any]) -> None:
        for action in actions:
            match action:
                case Start(number, plan):
                    there = {*self.starting, *self.running}
                    assert len(there) <= 1, "a third one"
                    assert not there or (plan.has_liveness and not there & self.stopping)
                    self.starting[number] = plan
                case Stop(number):
                    self.stopping.add(number)
                case Discard(number):
                    assert number not in self.running
                case Call(number, endpoint):
                    assert number in self.live
                    others = {one for one, _ in self.called | self.calling if one != number}
                    assert not others & {*self.starting, *self.running}, "an identity would be there twice"
                    assert (number, endpoint) not in self.calling | self.called
                    self.calling.add((number, endpoint))
                case Tell():
                    pass

    def forget(self, number: int) -> None:
        self.starting.pop(number, None)
        self.running.pop(number, None)
        self.live.discard(number)
        self.stopping.discard(number)

    @rule(has_liveness=st.booleans(), is_on_demand=st.booleans())
    def want(self, has_liveness: bool, is_on_demand: bool) -> None:
        self.revision += 1
        plan = Plan(
            revision=self.revision, endpoints=("/a",), has_liveness=has_liveness, is_on_demand=is_on_demand
        )
        self.unasked = 0
        self.do(Want(plan))

    @rule()
    def want_again(self) -> None:
        if self.keeper.wanted is not None:
            self.do(Want(self.keeper.wanted))

    @rule()
    def want_not(self) -> None:
        self.do(WantNot())

    @rule()
    def restart(self) -> None:
        if self.keeper.wanted is not None:
            self.unasked = 0
        self.do(Restart())

    @rule(is_used=st.booleans())
    def demand(self, is_used: bool) -> None:
        self.do(Demand(is_used))

    @rule()
    def all_goes_well(self) -> None:
        for number in sorted(self.starting):
            self.running[number] = self.starting.pop(number)
            self.do(Started(number))
        for number in sorted(self.running):
            if number not in self.live:
                self.live.add(number)
                self.do(Live(number))
        for one in sorted(self.calling):
            self.calling.discard(one)
            self.called.add(one)
            self.do(Called(*one))

    @precondition(lambda self: self.starting)
    @rule(data=st.data(), works=st.booleans())
    def start_ends(self, data: st.DataObject, works: bool) -> None:
        number = data.draw(st.sampled_from(sorted(self.starting)))
        plan = self.starting[number]
        if works:
            del self.starting[number]
            self.running[number] = plan
            self.do(Started(number))
        else:
            self.forget(number)
            self.do(NoStart(number, "no image"))

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def goes_live(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(sorted(self.running)))
        self.live.add(number)
        self.do(Live(number))

    @precondition(lambda self: self.calling)
    @rule(data=st.data(), error=st.sampled_from(["", "answered 503"]))
    def call_ends(self, data: st.DataObject, error: str) -> None:
        number, endpoint = data.draw(st.sampled_from(sorted(self.calling)))
        self.calling.discard((number, endpoint))
        if not error:
            self.called.add((number, endpoint))
        self.do(Called(number, endpoint, error))

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def exits(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(sorted(self.running)))
        self.unasked += number not in self.stopping
        self.forget(number)
        self.do(Exited(number, "exit code 1"))

    @precondition(lambda self: self.stopping)
    @rule(data=st.data())
    def stop_ends(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(sorted(self.stopping)))
        self.forget(number)
        self.do(Gone(number))

    @rule(number=st.integers(1, 5), kind=st.sampled_from([Started, Live, Gone]))
    def late_word(self, number: int, kind: Any) -> None:
        if number not in {*self.starting, *self.running}:
            self.do(kind(number))

    @rule(length_s=st.sampled_from([0.0, 0.7, 30.0, 700.0]))
    def time_passes(self, length_s: float) -> None:
        self.now += length_s
        for _ in range(20):
            if self.keeper.deadline is None or self.keeper.deadline > self.now:
                return
            self.obey(self.keeper.tick(self.now))
        raise AssertionError("a deadline that passed stays")

    @invariant()
    def it_knows_what_there_is(self) -> None:
        assert self.keeper.runs == {*self.starting, *self.running}
        assert len(self.keeper.runs) <= 3

    @invariant()
    def ends_that_nobody_asked_for_are_counted(self) -> None:
        if self.keeper.wanted is not None:
            assert self.keeper.restarts <= self.unasked

    @invariant()
    def it_never_waits_for_nothing(self) -> None:
        if self.keeper.state in (State.STARTING, State.WAITING, State.STOPPING, State.BACKOFF):
            assert self.keeper.deadline is not None

    def teardown(self) -> None:
        """In a world that does as it is told, what is wanted comes to run; and what is not, goes."""
        for _ in range(200):
            if self.starting:
                number = min(self.starting)
                if number in self.stopping:
                    self.forget(number)
                    self.do(Gone(number))
                else:
                    self.running[number] = self.starting.pop(number)
                    self.do(Started(number))
            elif self.stopping:
                number = min(self.stopping)
                self.forget(number)
                self.do(Gone(number))
            elif coming := [one for one in self.running if one not in self.live]:
                self.live.add(coming[0])
                self.do(Live(coming[0]))
            elif self.calling:
                one = self.calling.pop()
                self.called.add(one)
                self.do(Called(*one))
            elif self.keeper.deadline is not None:
                self.now = max(self.now, self.keeper.deadline)
                self.obey(self.keeper.tick(self.now))
            else:
                break
        else:
            raise AssertionError("it never comes to rest")
        wanted = self.keeper.wanted
        if wanted is None:
            assert (self.keeper.state, self.keeper.runs) == (State.IDLE, set())
        elif not wanted.is_on_demand and self.keeper.refused != wanted.revision:
            assert self.keeper.serving is not None
            assert self.keeper.serving.plan == wanted
            assert not self.keeper.serving.calls


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=150, stateful_step_count=30, deadline=None)
TestLife.pytestmark = [pytest.mark.unit]
