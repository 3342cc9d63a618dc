"""Decide what happens to one service in one room.  Pure: inputs and the time go in, actions come out.

Theory: what is wanted and what runs are kept apart.  At most one run serves, one more comes (to take its
place, or because there is none), and those that are to end leave.  Whoever obeys feeds inputs with the
current monotonic time, performs the returned actions in order, and calls `tick` when `deadline` has passed.
A word about a run that is over is late, and ignored.

The endpoints of a run are called once it is live and every run before it is gone, so that no identity is in
the room twice.  A new plan that has liveness starts beside the old run and takes its place when it is live;
one that does not get so far is refused, and the old one goes on.  After an end that nobody asked for comes
another start, later each time.

    Input   / IDLE     STARTING WAITING  RUNNING   REPLACING SWITCHING STOPPING BACKOFF
    --------- -------- -------- -------- --------- --------- --------- -------- --------
    Want      STARTING STOPPING STOPPING REPLACING RUNNING   stays     stays    STARTING
    WantNot   stays    STOPPING STOPPING STOPPING  STOPPING  STOPPING  stays    IDLE
    Restart   stays    STOPPING STOPPING STOPPING  STOPPING  STOPPING  stays    STARTING
    Started   ignored  WAITING  ignored  ignored   stays     ignored   ignored  ignored
    NoStart   ignored  BACKOFF  ignored  ignored   RUNNING   ignored   STARTING ignored
    Live      ignored  ignored  RUNNING  ignored   SWITCHING ignored   ignored  ignored
    Exited    ignored  BACKOFF  BACKOFF  BACKOFF   STARTING  STOPPING  STARTING ignored
    Gone      ignored  ignored  ignored  ignored   ignored   RUNNING   STARTING ignored
    time      -        STOPPING STOPPING -         RUNNING   stays     stays    STARTING

    Want: another plan than before, with liveness; without, what serves ends first (STOPPING).  While a run
    that was to come is got rid of, what serves is RUNNING; then the newest plan comes.  NoStart and Live are
    of the run that comes (which has to have started to be live, in REPLACING too), Exited is of the one that
    serves, or else of the only one, Gone of one that leaves.  STOPPING becomes, when the last run is gone,
    what is wanted: STARTING, IDLE, or BACKOFF after a failure.
"""

from __future__ import annotations

from typing import assert_never

import msgspec

from runtime.services import terms
from runtime.services.terms import (
    Action,
    Call,
    Called,
    Demand,
    Discard,
    Exited,
    Gone,
    Input,
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


class Run(msgspec.Struct):
    """One container.

    Attributes:
        deadline: Until when it must have got further; None while it need not.
        calls: When each endpoint is to be called that did not take its call yet; None while it is called.
        tries: Calls of each that failed.
    """

    number: int
    plan: Plan
    deadline: float | None
    is_started: bool = False
    live_at: float | None = None
    calls: dict[str, float | None] = msgspec.field(default_factory=dict)
    tries: dict[str, int] = msgspec.field(default_factory=dict)


class ServiceKeeper:
    """The life of a service in a room.

    Attributes:
        restarts: Ends that nobody asked for since the last change, restart or enabling.
        wanted: The plan that is to run; None for none.
        refused: The revision that did not get live, while an older one goes on; 0 for none.
    """

    def __init__(self) -> None:
        self.restarts = 0
        self.wanted: Plan | None = None
        self.refused = 0
        self._fallback: Plan | None = None
        self.serving: Run | None = None
        self.coming: Run | None = None
        self._leaving: dict[int, float] = {}
        self._numbers = 0
        self._failures = 0
        self._retry_at: float | None = None
        self._is_used = False
        self._idle_at: float | None = None
        self._actions: list[Action] = []

    @property
    def state(self) -> State:
        """As the table has it."""
        if self.serving is not None:
            if self.coming is not None:
                return State.REPLACING
            older = [number for number in self._leaving if number < self.serving.number]
            return State.SWITCHING if older else State.RUNNING
        if self.coming is not None:
            return State.WAITING if self.coming.is_started else State.STARTING
        if self._leaving:
            return State.STOPPING
        return State.BACKOFF if self._retry_at is not None else State.IDLE

    @property
    def runs(self) -> set[int]:
        """The numbers of the runs of which something may be left."""
        there = {one.number for one in (self.serving, self.coming) if one is not None}
        return there | set(self._leaving)

    @property
    def deadline(self) -> float | None:
        """When `tick` has something to do; None while only an input can change anything."""
        times = [*self._leaving.values()]
        for run in (self.serving, self.coming):
            if run is not None and run.deadline is not None:
                times.append(run.deadline)
        if self.serving is not None and not self._leaving:
            times += [at for at in self.serving.calls.values() if at is not None]
        times += [at for at in (self._retry_at, self._idle_at) if at is not None]
        return min(times, default=None)

    def handle(self, event: Input, now: float) -> list[Action]:
        """What is to be done, in this order."""
        match event:
            case Want(plan):
                self._want(plan, now)
            case WantNot():
                self.wanted, self._retry_at, self._failures, self.refused = None, None, 0, 0
                self._is_used = False
                self._end_all(now)
            case Restart():
                if self.wanted is not None:
                    self.restarts, self.refused = 0, 0
                    self._failures, self._retry_at = 0, None
                    self._end_all(now)
            case Demand(is_used):
                self._is_used = is_used
            case Started(number):
                self._started(number, now)
            case NoStart(number, message):
                self._no_start(number, message, now)
            case Live(number):
                self._live(number, now)
            case Called():
                self._called(event, now)
            case Exited(number, message):
                self._exited(number, message, now)
            case Gone(number):
                self._leaving.pop(number, None)
            case _:
                assert_never(event)
        return self._settled(now)

    def tick(self, now: float) -> list[Action]:
        """What is to be done because of the time."""
        for number, at in list(self._leaving.items()):
            if at <= now:
                self._actions.append(Stop(number, by_force=True))
                self._leaving[number] = now + terms.STOP_S
        late = self.coming
        if late is not None and late.deadline is not None and late.deadline <= now:
            what = "did not become live" if late.is_started else "was not started"
            length_s = terms.LIVE_S if late.is_started else terms.ON_PULL_S
            self.coming = None
            self._leave(late, now)
            self._failed(late.plan, f"revision {late.plan.revision} {what} in {length_s:g} s", now)
        if self._retry_at is not None and self._retry_at <= now:
            self._retry_at = None
        if self._idle_at is not None and self._idle_at <= now:
            self._idle_at = None
            self._actions.append(Tell("Stopped", f"nobody used it for {terms.IDLE_S:g} s"))
            self._end_all(now)
        return self._settled(now)

    # ---- inputs

    def _want(self, plan: Plan, now: float) -> None:
        if plan == self.wanted:
            return
        self.wanted = plan
        self.restarts, self._failures, self._retry_at, self.refused = 0, 0, None, 0
        if self.coming is not None:
            self._leave(self.coming, now)
            self.coming = None
        if self.serving is not None and not plan.has_liveness:
            self._actions.append(
                Tell("Updated", "it has no liveness: the old one ends before the new one starts")
            )
            self._end_all(now)

    def _started(self, number: int, now: float) -> None:
        run = self.coming
        if run is not None and run.number == number and not run.is_started:
            run.is_started = True
            run.deadline = now + terms.LIVE_S
            self._actions.append(Tell("Started", f"revision {run.plan.revision}"))

    def _no_start(self, number: int, message: str, now: float) -> None:
        self._leaving.pop(number, None)
        run = self.coming
        if run is not None and run.number == number and not run.is_started:
            self.coming = None
            self._failed(run.plan, message, now)

    def _live(self, number: int, now: float) -> None:
        run = self.coming
        if run is None or run.number != number or not run.is_started:
            return
        old, self.serving, self.coming = self.serving, run, None
        run.live_at, run.deadline = now, None
        run.calls = dict.fromkeys(run.plan.endpoints, now)
        self._actions.append(Tell("Ready", f"revision {run.plan.revision}"))
        if old is not None:
            self._leave(old, now)

    def _called(self, event: Called, now: float) -> None:
        run = self.serving
        if run is None or run.number != event.run or event.endpoint not in run.calls:
            return
        if not event.error:
            del run.calls[event.endpoint]
            self._actions.append(Tell("Called", event.endpoint))
            return
        tries = run.tries[event.endpoint] = run.tries.get(event.endpoint, 0) + 1
        delay_s = min(terms.MOST_CALL_DELAY_S, terms.CALL_DELAY_S * 2 ** min(tries - 1, 10))
        run.calls[event.endpoint] = now + delay_s
        self._actions.append(Tell("CallFailed", f"{event.endpoint}: {event.error}", is_warning=True))

    def _exited(self, number: int, message: str, now: float) -> None:
        if self._leaving.pop(number, None) is not None:
            self._actions.append(Discard(number))  # it was to end, and did before it was made to
            return
        for run in (self.serving, self.coming):
            if run is not None and run.number == number:
                self._actions.append(Discard(number))
                if run is self.serving:
                    self.serving = None
                    self._ended(run, message, now)
                else:
                    self.coming = None
                    self.restarts += 1
                    self._failed(run.plan, message, now)

    def _ended(self, run: Run, message: str, now: float) -> None:
        """The run that served has ended, and nobody asked for it."""
        self.restarts += 1
        if run.live_at is not None and now - run.live_at >= terms.HEALTHY_S:
            self._failures = 0
        self._actions.append(Tell("Exited", message, is_warning=True))
        if self.coming is None:
            self._back_off(now)

    def _failed(self, plan: Plan, message: str, now: float) -> None:
        """A run that came did not get live."""
        self._actions.append(Tell("FailedStart", message, is_warning=True))
        if self.serving is not None:
            self.refused, self._fallback = plan.revision, self.serving.plan
            return
        self._back_off(now)

    def _back_off(self, now: float) -> None:
        delay_s = min(terms.MOST_DELAY_S, terms.FIRST_DELAY_S * 2 ** min(self._failures, 16))
        self._failures += 1
        self._retry_at = now + delay_s
        self._actions.append(Tell("BackOff", f"the next start is in {delay_s:g} s"))

    # ---- what follows

    def _settled(self, now: float) -> list[Action]:
        """Start, call and count down whatever what is wanted and what runs ask for."""
        plan = self._plan_in_force()
        if plan is not None and self.coming is None and self._retry_at is None:
            if self.serving is None:
                if not self._leaving and (self._is_used or not plan.is_on_demand):
                    self._start(plan, now)
            elif self.serving.plan != plan and not self._leaving:
                self._start(plan, now)
        run = self.serving
        if run is not None and not self._leaving:
            for endpoint, at in run.calls.items():
                if at is not None and at <= now:
                    run.calls[endpoint] = None
                    self._actions.append(Call(run.number, endpoint))
        if run is None or not run.plan.is_on_demand or self._is_used:
            self._idle_at = None
        elif self._idle_at is None:
            self._idle_at = now + terms.IDLE_S
        actions, self._actions = self._actions, []
        return actions

    def _plan_in_force(self) -> Plan | None:
        """What is to run now: the plan that is wanted, or the one that goes on because that one failed."""
        if self.wanted is not None and self.refused == self.wanted.revision:
            return self._fallback
        return self.wanted

    def _start(self, plan: Plan, now: float) -> None:
        self._numbers += 1
        self.coming = Run(self._numbers, plan, deadline=now + terms.ON_PULL_S)
        self._actions.append(Start(self._numbers, plan))

    def _end_all(self, now: float) -> None:
        for run in (self.coming, self.serving):
            if run is not None:
                self._leave(run, now)
        self.coming = self.serving = None

    def _leave(self, run: Run, now: float) -> None:
        self._actions.append(Stop(run.number))
        self._leaving[run.number] = now + terms.STOP_S
