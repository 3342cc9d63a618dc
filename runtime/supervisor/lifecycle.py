"""Decide what happens to one worker process.  Pure: inputs and the time go in, actions come out.

Theory: one state, one deadline.  The driver feeds inputs with the current monotonic time, performs the
returned actions in order, and calls `tick` when `deadline` has passed.  A late input (a message that was
under way when the process died) is ignored; an impossible one raises LocalProtocolError and leaves the
state unchanged.  Why a session ends is decided once, by the first cause (`_cause`): what follows from it,
such as the signal that we sent ourselves, does not change it.

    Input / FORKING  STARTING  READY    ENDING    DUMPING      TERMINATING  KILLING
    ------- -------- --------- -------- --------- ------------ ------------ --------
    Forked  STARTING -         -        *         *            *            *
    NoFork  EXITED   EXITED    -        EXITED    EXITED       EXITED       EXITED
    Ready   -        READY     ignored  ignored   ignored      ignored      ignored
    Ended   -        ENDING    ENDING   stays     ignored      ignored      ignored
    Stop    ENDING   ENDING    ENDING   sooner    stays        stays        stays
    Broken  -        KILLING   KILLING  KILLING   KILLING      KILLING      KILLING
    Closed  -        ENDING    ENDING   stays     stays        stays        stays
    Gone    -        EXITED    EXITED   EXITED    EXITED       EXITED       EXITED
    time    -        ENDING    -        DUMPING   TERMINATING  KILLING      KILLING

    *  a process that came after the decision to end it is told at once
"""

from __future__ import annotations

from enum import Enum
from typing import assert_never

import msgspec
from msgspec.structs import replace

from runtime.errors import LocalProtocolError
from runtime.session.exit_reasons import ExitReason
from runtime.session.record import Exit
from runtime.settings import SupervisorSettings
from runtime.supervisor import verdict
from runtime.wire.control import Ended, Failed

_KILL_AGAIN_S = 1.0
_AFTER_LAST_WORD_S = 7.0  # its program ends now: a worker cuts that after five (`worker.program.leaving`)
_AFTER_PIPE_S = 2.0
_DUMP_S = 0.2
_LAST_LOOK_S = 0.03  # between asking for stacks and a kill that cannot wait


class State(Enum):
    FORKING = "forking"
    STARTING = "starting"
    READY = "ready"
    ENDING = "ending"
    DUMPING = "dumping"
    TERMINATING = "terminating"
    KILLING = "killing"
    EXITED = "exited"


# ---- inputs


class Forked(msgspec.Struct, frozen=True):
    """The process exists and has got its `Start`."""

    pid: int
    parked: bool


class NoFork(msgspec.Struct, frozen=True):
    """There will be no process, or none that was handed its call."""

    message: str


class ReadySaid(msgspec.Struct, frozen=True):
    """The worker says that its agent is in the room."""

    participant_id: str


class LastWord(msgspec.Struct, frozen=True):
    """The worker says how it ends, and ends next."""

    said: Ended | Failed


class StopRequested(msgspec.Struct, frozen=True):
    """Somebody wants the session to end; `grace_s` None takes the setting, 0 kills at once."""

    reason: ExitReason
    grace_s: float | None = None
    finish_s: float | None = None  # as in `runtime.wire.control.Stop`


class LimitExceeded(msgspec.Struct, frozen=True):
    """The session passed one of its limits."""

    reason: ExitReason
    message: str


class Hung(msgspec.Struct, frozen=True):
    """Nothing was heard from the worker for too long; the message says what it does instead."""

    message: str


class PipeBroken(msgspec.Struct, frozen=True):
    """The worker broke the protocol of its pipe."""

    message: str


class PipeClosed(msgspec.Struct, frozen=True):
    """The worker's end of the pipe is closed; nothing more will be heard."""


class Gone(msgspec.Struct, frozen=True):
    """The process has exited.

    Attributes:
        status: Its exit code, or minus a signal; None when nobody could learn it.
        signal_name: Such as ``SIGSEGV``; empty when no signal ended it.
        stack: What faulthandler wrote before the end; empty when nothing.
    """

    status: int | None
    signal_name: str = ""
    stack: str = ""


Input = (
    Forked
    | NoFork
    | ReadySaid
    | LastWord
    | StopRequested
    | LimitExceeded
    | Hung
    | PipeBroken
    | PipeClosed
    | Gone
)


# ---- actions


class Force(Enum):
    TERM = "term"
    KILL = "kill"


class SendStop(msgspec.Struct, frozen=True):
    reason: ExitReason
    grace_s: float
    finish_s: float | None = None


class DumpStacks(msgspec.Struct, frozen=True):
    """Have the process write where it is, before it is killed."""


class SendSignal(msgspec.Struct, frozen=True):
    """Signal the worker's whole tree."""

    force: Force


class PublishStarted(msgspec.Struct, frozen=True):
    pid: int
    parked: bool


class PublishReady(msgspec.Struct, frozen=True):
    participant_id: str


class PublishStopping(msgspec.Struct, frozen=True):
    reason: ExitReason


class PublishExited(msgspec.Struct, frozen=True):
    """Exactly once, and last."""

    exit: Exit


Action = SendStop | DumpStacks | SendSignal | PublishStarted | PublishReady | PublishStopping | PublishExited


class WorkerLifecycle:
    """The states of one worker.

    Attributes:
        deadline: Monotonic seconds at which `tick` wants to be called; None when only an input can
            change anything.
        finishes_until: Until then a session that makes way for new code may do what it was doing.
    """

    def __init__(self, settings: SupervisorSettings) -> None:
        self._settings = settings
        self._cause: Exit | None = None
        self._pipe_open = True
        self.state = State.FORKING
        self.finishes_until = 0.0
        self.deadline: float | None = None  # a fork is answered, or given up by the driver, in its own time

    def handle(self, event: Input, now: float) -> list[Action]:
        """Take an input; return what to do, in order.

        Raises:
            LocalProtocolError: The driver fed something that cannot have happened.
        """
        if self.state is State.EXITED:
            if isinstance(event, Gone | Forked | NoFork):
                raise LocalProtocolError(f"{type(event).__name__} after the exit")
            return []
        match event:
            case Forked():
                return self._forked(event, now)
            case NoFork():
                if self.state is State.READY:
                    raise LocalProtocolError("NoFork for a worker that was ready")
                return self._exit(self._cause or Exit(reason=ExitReason.NOT_STARTED, message=event.message))
            case ReadySaid():
                if self.state is not State.STARTING:
                    return []
                self._enter(State.READY, None)
                return [PublishReady(event.participant_id)]
            case LastWord():
                return self._last_word(event.said, now)
            case StopRequested():
                return self._stop(event, now)
            case LimitExceeded():
                return self._limit_exceeded(event, now)
            case Hung():
                if self.state not in (State.STARTING, State.READY):
                    return []
                self._because(ExitReason.HANG, event.message)
                return self._kill_after_a_look(now)
            case PipeBroken():
                self._because(
                    ExitReason.PROTOCOL_ERROR, f"it broke the protocol of its pipe: {event.message}"
                )
                self._pipe_open = False
                return self._kill(now)
            case PipeClosed():
                self._pipe_open = False
                return self._pipe_closed(now)
            case Gone():
                return self._gone(event)
        assert_never(event)

    def tick(self, now: float) -> list[Action]:
        """Act on the deadline if it has passed."""
        if self.deadline is None or now < self.deadline:
            return []
        match self.state:
            case State.STARTING:
                self._because(ExitReason.START_ERROR, f"was not ready within {self._settings.start_s:g} s")
                return self._end(now, SendStop(ExitReason.START_ERROR, self._settings.stop_s), dump=True)
            case State.ENDING:
                # Without a cause so far it cut itself off and lives on; the signals that follow are ours.
                self._because(ExitReason.PROTOCOL_ERROR, verdict.PIPE_CUT)
                # A pending signal that ends the process would win over the one that makes it write.
                self._enter(State.DUMPING, now + _DUMP_S)
                return [DumpStacks()]
            case State.DUMPING:
                self._enter(State.TERMINATING, now + self._settings.term_s)
                return [SendSignal(Force.TERM)]
            case State.TERMINATING | State.KILLING:
                return self._kill(now)
            case State.FORKING | State.READY | State.EXITED:
                return []
        assert_never(self.state)

    # ---- one method per input that needs more than a line

    def _forked(self, event: Forked, now: float) -> list[Action]:
        started = PublishStarted(event.pid, event.parked)
        match self.state:
            case State.FORKING:
                self._enter(State.STARTING, now + self._settings.start_s)
                return [started]
            case State.ENDING:
                assert self._cause is not None
                self._enter(State.ENDING, now + self._settings.stop_s)
                return [started, SendStop(self._cause.reason, self._settings.stop_s)]
            case State.DUMPING | State.TERMINATING | State.KILLING:
                return [started, *self._kill(now)]
            case _:
                raise LocalProtocolError(f"Forked in state {self.state.value}")

    def _last_word(self, said: Ended | Failed, now: float) -> list[Action]:
        if self.state in (State.DUMPING, State.TERMINATING, State.KILLING):
            return []
        if isinstance(said, Failed):
            self._cause = self._cause or verdict.of_failure(said)
        elif said.reason != "stopped" or self._cause is None:
            self._cause = self._cause or verdict.of_last_word(said)
        self._enter(State.ENDING, now + _AFTER_LAST_WORD_S)
        return []

    def _stop(self, event: StopRequested, now: float) -> list[Action]:
        grace_s = self._settings.stop_s if event.grace_s is None else event.grace_s
        if self.state in (State.DUMPING, State.TERMINATING, State.KILLING):
            return []
        if self.state is State.ENDING:
            assert self.deadline is not None  # a second asker shares it, or brings it forward
            if grace_s <= 0:
                return self._kill(now)
            self.deadline = min(self.deadline, now + (event.finish_s or 0.0) + grace_s)
            if event.finish_s or not self._pipe_open or now >= self.finishes_until:
                return []
            self.finishes_until = now
            return [SendStop(event.reason, grace_s, 0.0)]
        self._because(event.reason, verdict.of_stop(event.reason))
        if grace_s <= 0:
            return [PublishStopping(event.reason), *self._kill(now)]
        finish_s = None if self.state in (State.FORKING, State.STARTING) else event.finish_s
        self.finishes_until = now + (finish_s or 0.0)
        stop = SendStop(event.reason, grace_s, finish_s)
        return [PublishStopping(event.reason), *self._end(now, stop)]

    def _limit_exceeded(self, event: LimitExceeded, now: float) -> list[Action]:
        if self.state in (State.FORKING, State.KILLING):
            return []
        limit = event.reason.row.limit
        if limit is None:
            raise LocalProtocolError(f"{event.reason} is no limit")
        if limit == "asked":
            if self.state not in (State.STARTING, State.READY):
                return []
            self._because(event.reason, event.message)
            return [
                PublishStopping(event.reason),
                *self._end(now, SendStop(event.reason, self._settings.stop_s)),
            ]
        self._because(event.reason, event.message)
        if limit == "at_once":
            return self._kill(now)  # what forks wildly is not given another moment
        return self._kill_after_a_look(now)

    def _pipe_closed(self, now: float) -> list[Action]:
        if self.state is State.FORKING:
            raise LocalProtocolError("the pipe closed before the fork")
        if self.state in (State.STARTING, State.READY):
            # Either the process is just ending, and Gone follows, or it cut itself off and cannot be asked.
            self._enter(State.ENDING, now + _AFTER_PIPE_S)
        return []

    def _gone(self, event: Gone) -> list[Action]:
        cause = self._cause or verdict.of_status(event.status, event.signal_name, event.stack)
        cause = verdict.with_line(cause, event.stack)
        code, number = verdict.code_and_signal(event.status)
        return self._exit(replace(cause, code=code, signal=number))

    # ---- steps

    def _end(self, now: float, stop: SendStop, *, dump: bool = False) -> list[Action]:
        forking, until = self.state is State.FORKING, now + (stop.finish_s or 0.0) + stop.grace_s
        self._enter(State.ENDING, until)
        if forking:
            return []
        if not self._pipe_open:
            return self.tick(until)
        return [DumpStacks(), stop] if dump else [stop]

    def _kill(self, now: float) -> list[Action]:
        self._enter(State.KILLING, now + _KILL_AGAIN_S)
        return [SendSignal(Force.KILL)]

    def _kill_after_a_look(self, now: float) -> list[Action]:
        self._enter(State.KILLING, now + _LAST_LOOK_S)
        return [DumpStacks()]

    def _exit(self, how: Exit) -> list[Action]:
        self._enter(State.EXITED, None)
        return [PublishExited(how)]

    def _because(self, reason: ExitReason, message: str) -> None:
        if self._cause is None:
            self._cause = Exit(reason=reason, message=message)

    def _enter(self, state: State, deadline: float | None) -> None:
        self.state, self.deadline = state, deadline
