"""The life of one worker, decided without a process: each cell of the table, and what holds for all."""

from __future__ import annotations

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from runtime.errors import LocalProtocolError
from runtime.session.exit_reasons import ExitReason
from runtime.settings import SupervisorSettings
from runtime.supervisor.lifecycle import (
    Action,
    DumpStacks,
    Force,
    Forked,
    Gone,
    Hung,
    LastWord,
    LimitExceeded,
    NoFork,
    PipeBroken,
    PipeClosed,
    PublishExited,
    PublishReady,
    PublishStarted,
    PublishStopping,
    ReadySaid,
    SendSignal,
    SendStop,
    State,
    StopRequested,
    WorkerLifecycle,
)
from runtime.wire.control import Ended, Failed

pytestmark = pytest.mark.unit

API = ExitReason.STOPPED
SETTINGS = SupervisorSettings(start_s=10.0, stop_s=5.0, term_s=2.0)


def starting() -> WorkerLifecycle:
    worker = WorkerLifecycle(SETTINGS)
    assert worker.handle(Forked(7, False), now=0.0) == [PublishStarted(7, False)]
    return worker


def ready() -> WorkerLifecycle:
    worker = starting()
    assert worker.handle(ReadySaid("p1"), now=1.0) == [PublishReady("p1")]
    return worker


def ended(actions: list[Action]) -> PublishExited:
    (action,) = actions
    assert isinstance(action, PublishExited)
    return action


def test_worker_that_ignores_stop_is_killed_after_its_grace() -> None:
    worker = ready()
    assert worker.handle(StopRequested(API), now=2.0) == [PublishStopping(API), SendStop(API, 5.0)]
    assert worker.tick(now=6.9) == []
    assert worker.tick(now=7.0) == [DumpStacks()]
    assert worker.tick(now=7.2) == [SendSignal(Force.TERM)]
    assert worker.tick(now=9.1) == []
    assert worker.tick(now=9.2) == [SendSignal(Force.KILL)]
    assert worker.tick(now=10.2) == [SendSignal(Force.KILL)]
    exit_ = ended(worker.handle(Gone(-9, "SIGKILL"), now=10.3)).exit
    assert (exit_.reason, exit_.signal, exit_.code) == (API, 9, None)


def test_one_that_makes_way_for_new_code_may_finish_before_its_grace_begins() -> None:
    worker = ready()
    actions = worker.handle(StopRequested(API, 5.0, finish_s=30.0), now=2.0)
    assert actions == [PublishStopping(API), SendStop(API, 5.0, 30.0)]
    assert (worker.finishes_until, worker.deadline) == (32.0, 37.0)
    assert worker.handle(StopRequested(API, 5.0, finish_s=60.0), now=2.5) == []  # loaded once more
    assert (worker.finishes_until, worker.deadline) == (32.0, 37.0)
    told = worker.handle(StopRequested(ExitReason.DRAINED, 1.0), now=3.0)  # the server ends: no time for that
    assert told == [SendStop(ExitReason.DRAINED, 1.0, 0.0)]
    assert (worker.finishes_until, worker.deadline) == (3.0, 4.0)
    assert worker.handle(StopRequested(ExitReason.DRAINED, 1.0), now=3.5) == []  # told once


def test_a_grace_of_zero_kills_at_once() -> None:
    worker = ready()
    actions = worker.handle(StopRequested(API, 0), now=2.0)
    assert actions == [PublishStopping(API), SendSignal(Force.KILL)]


def test_a_second_stop_only_brings_the_deadline_forward() -> None:
    worker = ready()
    worker.handle(StopRequested(API, 5.0), now=2.0)
    assert worker.handle(StopRequested(ExitReason.DRAINED, 60.0), now=3.0) == []
    assert worker.deadline == 7.0
    worker.handle(StopRequested(ExitReason.DRAINED, 1.0), now=3.0)
    assert worker.deadline == 4.0
    assert worker.handle(StopRequested(ExitReason.DRAINED, 0), now=3.5) == [SendSignal(Force.KILL)]
    assert ended(worker.handle(Gone(-9), now=4.0)).exit.reason is API


def test_one_that_is_never_ready_is_asked_then_killed_and_says_why() -> None:
    worker = starting()
    assert worker.tick(now=10.0) == [DumpStacks(), SendStop(ExitReason.START_ERROR, 5.0)]
    assert worker.tick(now=15.0) == [DumpStacks()]
    assert worker.tick(now=15.2) == [SendSignal(Force.TERM)]
    exit_ = ended(worker.handle(Gone(-15, "SIGTERM"), now=15.3)).exit
    assert exit_.reason is ExitReason.START_ERROR
    assert "within 10 s" in exit_.message


@pytest.mark.parametrize(
    ("stage", "reason"),
    [
        ("import", ExitReason.IMPORT_ERROR),
        ("construct", ExitReason.START_ERROR),
        ("start", ExitReason.START_ERROR),
        ("run", ExitReason.AGENT_ERROR),
        ("stop", ExitReason.AGENT_ERROR),
        ("nonsense", ExitReason.AGENT_ERROR),
    ],
)
def test_a_failure_has_the_reason_of_its_stage(stage: str, reason: ExitReason) -> None:
    worker = starting()
    said = Failed(stage, "ValueError", "no model", "main.py:4 in f", "Traceback …")
    assert worker.handle(LastWord(said), now=1.0) == []
    exit_ = ended(worker.handle(Gone(71), now=1.1)).exit
    assert (exit_.reason, exit_.code) == (reason, 71)
    assert exit_.failure is not None
    assert exit_.failure.where == "main.py:4 in f"
    assert "ValueError: no model" in exit_.message


def test_a_room_that_cannot_be_reached_is_its_own_reason() -> None:
    worker = starting()
    worker.handle(
        LastWord(Failed("join", "RoomUnreachable", "no server", reason="room_unreachable")), now=1.0
    )
    exit_ = ended(worker.handle(Gone(71), now=1.1)).exit
    assert (exit_.reason, exit_.message) == (ExitReason.ROOM_UNREACHABLE, "no server")


@pytest.mark.parametrize("reason", ["finished", "dismissed", "room_ended", "room_lost"])
def test_the_workers_own_word_is_the_reason(reason: str) -> None:
    worker = ready()
    worker.handle(LastWord(Ended(reason, "because")), now=2.0)
    assert ended(worker.handle(Gone(0), now=2.1)).exit.reason.value == reason


def test_a_worker_cannot_claim_a_reason_that_is_ours_to_give() -> None:
    worker = ready()
    worker.handle(LastWord(Ended("memory")), now=2.0)
    assert ended(worker.handle(Gone(0), now=2.1)).exit.reason is ExitReason.FINISHED


def test_one_that_said_its_last_word_and_stays_is_made_to_end() -> None:
    worker = ready()
    worker.handle(LastWord(Ended("finished")), now=2.0)
    assert worker.tick(now=8.9) == []
    assert worker.tick(now=9.0) == [DumpStacks()]
    assert ended(worker.handle(Gone(-15), now=4.3)).exit.reason is ExitReason.FINISHED


def test_the_first_cause_stays_the_reason() -> None:
    worker = ready()
    worker.handle(StopRequested(API), now=2.0)
    worker.handle(LastWord(Failed("stop", "ValueError", "late trouble")), now=2.1)
    assert ended(worker.handle(Gone(71), now=2.2)).exit.reason is API


def test_a_signal_nobody_of_us_sent_is_named_with_its_line() -> None:
    worker = ready()
    stack = (
        "Fatal Python error\n\nCurrent thread 0x1 (most recent call first):\n"
        '  File "/a/agents/x.py", line 41 in on_chat\n'
    )
    exit_ = ended(worker.handle(Gone(-11, "SIGSEGV", stack), now=2.0)).exit
    assert (exit_.reason, exit_.signal) == (ExitReason.SIGNAL, 11)
    assert exit_.message == "ended by signal 11 (SIGSEGV) at /a/agents/x.py:41 in on_chat"


def test_an_exit_nobody_announced_is_an_exit_with_its_code() -> None:
    exit_ = ended(ready().handle(Gone(139), now=2.0)).exit
    assert (exit_.reason, exit_.code) == (ExitReason.EXIT, 139)
    assert "139" in exit_.message


def test_a_broken_pipe_protocol_kills() -> None:
    worker = ready()
    assert worker.handle(PipeBroken("not a message"), now=2.0) == [SendSignal(Force.KILL)]
    assert ended(worker.handle(Gone(-9), now=2.1)).exit.reason is ExitReason.PROTOCOL_ERROR


def test_a_closed_pipe_alone_leads_to_the_end() -> None:
    worker = ready()
    assert worker.handle(PipeClosed(), now=2.0) == []
    assert worker.tick(now=4.0) == [DumpStacks()]


def test_a_limit_kills_after_one_look_at_where_it_was() -> None:
    worker = ready()
    assert worker.handle(LimitExceeded(ExitReason.MEMORY, "used too much"), now=2.0) == [DumpStacks()]
    assert worker.tick(now=2.03) == [SendSignal(Force.KILL)]
    assert worker.handle(LimitExceeded(ExitReason.MEMORY, "still"), now=2.06) == []
    stack = 'Current thread 0x1 (most recent call first):\n  File "/a/agents/x.py", line 41 in grow\n'
    exit_ = ended(worker.handle(Gone(-9, "SIGKILL", stack), now=2.1)).exit
    assert exit_.reason is ExitReason.MEMORY
    assert exit_.message == "used too much at /a/agents/x.py:41 in grow"


def test_what_forks_wildly_gets_no_further_moment() -> None:
    worker = ready()
    assert worker.handle(LimitExceeded(ExitReason.PIDS, "too many"), now=2.0) == [SendSignal(Force.KILL)]


@pytest.mark.parametrize("reason", [ExitReason.DEADLINE, ExitReason.IDLE])
def test_a_limit_of_time_asks_first(reason: ExitReason) -> None:
    worker = ready()
    actions = worker.handle(LimitExceeded(reason, "is over"), now=2.0)
    assert actions == [PublishStopping(reason), SendStop(reason, 5.0)]
    assert worker.handle(LimitExceeded(reason, "is over"), now=2.5) == []
    worker.handle(LastWord(Ended("stopped")), now=3.0)
    exit_ = ended(worker.handle(Gone(0), now=3.1)).exit
    assert (exit_.reason, exit_.message) == (reason, "is over")


def test_a_bomb_during_the_stop_is_killed_and_the_first_cause_stays() -> None:
    worker = ready()
    worker.handle(StopRequested(API), now=2.0)
    assert worker.handle(LimitExceeded(ExitReason.MEMORY, "much"), now=2.1) == [DumpStacks()]
    assert worker.tick(now=2.2) == [SendSignal(Force.KILL)]
    assert ended(worker.handle(Gone(-9), now=2.3)).exit.reason is API


def test_a_hang_is_killed_and_says_where_unless_it_is_ending_anyway() -> None:
    worker = ready()
    assert worker.handle(Hung("blocked for 10.0 s at x.py:1 in f"), now=2.0) == [DumpStacks()]
    assert worker.tick(now=2.03) == [SendSignal(Force.KILL)]
    exit_ = ended(worker.handle(Gone(-9), now=2.1)).exit
    assert (exit_.reason, exit_.message) == (ExitReason.HANG, "blocked for 10.0 s at x.py:1 in f")
    stopping = ready()
    stopping.handle(StopRequested(API), now=2.0)
    assert stopping.handle(Hung("blocked"), now=3.0) == []
    assert stopping.state is State.ENDING


def test_no_process_is_an_end_too() -> None:
    worker = WorkerLifecycle(SETTINGS)
    exit_ = ended(worker.handle(NoFork("no more processes"), now=1.0)).exit
    assert (exit_.reason, exit_.code, exit_.signal) == (ExitReason.NOT_STARTED, None, None)


def test_a_stop_before_the_fork_is_sent_when_there_is_somebody_to_ask() -> None:
    worker = WorkerLifecycle(SETTINGS)
    assert worker.handle(StopRequested(API), now=0.0) == [PublishStopping(API)]
    assert worker.handle(Forked(7, True), now=0.1) == [PublishStarted(7, True), SendStop(API, 5.0)]
    assert ended(worker.handle(Gone(0), now=0.2)).exit.reason is API


def test_a_stop_before_a_fork_that_fails_stays_the_reason() -> None:
    worker = WorkerLifecycle(SETTINGS)
    worker.handle(StopRequested(API), now=0.0)
    assert ended(worker.handle(NoFork("gone"), now=0.1)).exit.reason is API


@pytest.mark.parametrize("event", [Gone(0), Forked(1, False), NoFork("x")])
def test_what_cannot_happen_raises_and_changes_nothing(event: Gone | Forked | NoFork) -> None:
    worker = ready()
    worker.handle(Gone(0), now=2.0)
    with pytest.raises(LocalProtocolError):
        worker.handle(event, now=3.0)
    assert worker.state is State.EXITED


def test_late_messages_are_ignored() -> None:
    worker = ready()
    worker.handle(Gone(0), now=2.0)
    for late in (ReadySaid("p"), LastWord(Ended("finished")), PipeClosed(), StopRequested(API)):
        assert worker.handle(late, now=3.0) == []


class AnyOrder(RuleBasedStateMachine):
    """Whatever comes, in whatever order: one exit, nothing but silence after it, and an end in sight."""

    def __init__(self) -> None:
        super().__init__()
        self.worker = WorkerLifecycle(SETTINGS)
        self.now = 0.0
        self.forked = False
        self.performed: list[Action] = []

    def feed(self, actions: list[Action]) -> None:
        self.performed += actions

    @precondition(lambda self: not self.forked and self.worker.state is not State.EXITED)
    @rule(parked=st.booleans())
    def fork(self, parked: bool) -> None:
        self.forked = True
        self.feed(self.worker.handle(Forked(7, parked), self.now))

    @precondition(lambda self: not self.forked and self.worker.state is not State.EXITED)
    @rule()
    def no_fork(self) -> None:
        self.feed(self.worker.handle(NoFork("no"), self.now))

    @precondition(lambda self: self.forked)
    @rule(
        event=st.sampled_from(
            [
                ReadySaid("p"),
                LastWord(Ended("finished")),
                LastWord(Failed("start", "E", "m")),
                PipeBroken("x"),
                PipeClosed(),
                LimitExceeded(ExitReason.MEMORY, "m"),
                LimitExceeded(ExitReason.PIDS, "p"),
                LimitExceeded(ExitReason.IDLE, "i"),
                Hung("h"),
            ]
        )
    )
    def hear(self, event: ReadySaid | LastWord | PipeBroken | PipeClosed | LimitExceeded | Hung) -> None:
        self.feed(self.worker.handle(event, self.now))

    @rule(grace_s=st.sampled_from([None, 0.0, 1.0, 30.0]))
    def stop(self, grace_s: float | None) -> None:
        self.feed(self.worker.handle(StopRequested(API, grace_s), self.now))

    @precondition(lambda self: self.forked and self.worker.state is not State.EXITED)
    @rule(status=st.sampled_from([0, 71, -9, -11, None]))
    def die(self, status: int | None) -> None:
        self.feed(self.worker.handle(Gone(status), self.now))

    @rule(seconds=st.sampled_from([0.0, 0.1, 1.0, 5.0, 60.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.feed(self.worker.tick(self.now))

    @invariant()
    def one_exit_and_it_is_last(self) -> None:
        exits = [i for i, action in enumerate(self.performed) if isinstance(action, PublishExited)]
        assert len(exits) <= 1
        if exits:
            assert exits[0] == len(self.performed) - 1
            assert self.worker.state is State.EXITED

    @invariant()
    def ending_has_a_deadline(self) -> None:
        quiet = (State.FORKING, State.READY, State.EXITED)
        assert (self.worker.deadline is None) == (self.worker.state in quiet)

    @invariant()
    def ready_at_most_once(self) -> None:
        assert sum(isinstance(action, PublishReady) for action in self.performed) <= 1

    def teardown(self) -> None:
        # If time goes on, whatever is to end is killed, again and again.
        if self.forked and self.worker.state not in (State.EXITED, State.READY):
            for _ in range(10):
                self.now = (self.worker.deadline or self.now) + 0.001
                self.feed(self.worker.tick(self.now))
            assert SendSignal(Force.KILL) in self.performed


TestAnyOrder = AnyOrder.TestCase


@pytest.mark.parametrize("line", ["468 in select", "??? in run"])
def test_a_signal_that_came_while_it_waited_is_placed_nowhere(line: str) -> None:
    stack = (
        "Fatal Python error: Segmentation fault\n\nCurrent thread 0x1 (most recent call first):\n"
        f'  File "/usr/lib/python3.13/selectors.py", line {line}\n'
        '  File "/opt/lib/python3.13/site-packages/runtime/sdk/loading.py", line 103 in reached\n'
        '  File "/a/agents/main.py", line 11 in <module>\n'
    )
    exit_ = ended(ready().handle(Gone(-11, "SIGSEGV", stack), now=2.0)).exit
    assert exit_.message == "ended by signal 11 (SIGSEGV)"
