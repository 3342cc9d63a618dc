"""Decide whom to look at when, with one timer for all sessions.  Runs in: the front's event loop.

Each guard says after a look how long the next one may wait.  Between looks two figures of the whole
machine, read twenty times a second for 6 µs, tell whether anybody began to fork or to allocate wildly; then
all are looked at at once, and those that rest asked, so that a session far from its limits need not be looked
at often.

One that rests (`runtime.supervisor.watch.rest`) is not looked at for minutes.  Meanwhile the kernel is only
asked whether it moved, which is one number: a microsecond.

A turn takes at most a few milliseconds and goes on in the next turn of the loop: the front answers in
between.  When the loop itself ran late by a second (the machine slept, or had no time for us), nothing can
be said about the workers for that time, and every guard is told.
"""

from __future__ import annotations

import asyncio
import heapq
import math
from collections.abc import Callable
from typing import Final, Protocol

import structlog

from runtime.clock import Clock
from runtime.process.procfs import Machine, machine
from runtime.supervisor.watch.memory_files import shared_bytes

log = structlog.get_logger("supervisor")

TICK_S: Final = 0.05
CALM_TICK_S: Final = 0.2
"""While all of them rest: who does not run makes no storm."""
TURN_S: Final = 0.004
SLEPT_S: Final = 1.0
_STORM_TASKS: Final = 48
_STORM_BYTES: Final = 48 << 20
_CALM_S: Final = 1.0
_ALARM_EACH_S: Final = 2.4e-3
"""Time between two looks at all, for each of them: 60 µs a look, and a fortieth of a core at most."""
_ASKED_EACH_S: Final = 40e-6
"""The same for each that rests and is only asked: a microsecond."""
_FILES_EACH_S: Final = 10e-3
"""And for looks at those that rest: a hundredth of a core, as it may be somebody else who fills files."""
_ASKED_AT_ONCE: Final = 200
_ALARM_LATEST_S: Final = 2.0


class Watched(Protocol):
    """One whose turn it is from time to time."""

    def look(self, now: float) -> float | None:
        """Look now; return the seconds until the next look, None when there is nothing more to look at."""
        ...

    @property
    def peek_s(self) -> float:
        """How often to ask whether it moved, where the next look may wait longer."""
        ...

    def moved(self) -> bool:
        """Whether something happened to it since the last look; asked of thousands each second."""
        ...

    def front_slept(self, now: float) -> None:
        """Nobody looked for a while, through no fault of the one looked at."""
        ...


class Sampler:
    """Looks at everybody in time.

    Args:
        clock: Monotonic seconds.
        read_machine: How the figures of the machine are had.
        read_files: How much of its memory lies in files is had, in bytes.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        read_machine: Callable[[], Machine] = machine,
        read_files: Callable[[], int] = shared_bytes,
    ) -> None:
        self._clock = clock
        self._read_machine, self._read_files = read_machine, read_files
        self._due: list[tuple[float, int, Watched]] = []
        self._turns: dict[Watched, int] = {}
        self._count = 0
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        self._calm = Machine(0, 0)
        self._calm_at = 0.0
        self._alarm_at = 0.0
        self._files_bytes, self._files_at = 0, -math.inf
        self._resting: dict[float, dict[Watched, None]] = {}
        self._peek_at: dict[float, float] = {}
        self._to_ask: list[Watched] = []

    def watch(self, who: Watched, *, within_s: float = 0.0) -> None:
        """Look at somebody from now on, until it says that it is over or `forget`."""
        now = self._clock.now()
        if not self._turns:
            self._calm, self._calm_at = self._read_machine(), now
            self._files_bytes = self._read_files()
        self._put(who, now + within_s)
        self._arm(now)

    def forget(self, who: Watched) -> None:
        """Look at it no more."""
        self._turns.pop(who, None)
        self._no_rest(who)
        if not self._turns:
            self._due.clear()
            self._to_ask.clear()
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None

    @property
    def watched_count(self) -> int:
        return len(self._turns)

    def _put(self, who: Watched, at: float) -> None:
        self._count += 1
        self._turns[who] = self._count  # older entries of the heap are void
        heapq.heappush(self._due, (at, self._count, who))

    def _arm(self, now: float) -> None:
        if not self._turns:
            return
        at = now if self._to_ask else min(now + self._tick_s(), self._next_peek())
        if self._due:
            at = min(at, self._due[0][0])
        if self._timer is not None:
            if self._timer_at <= at:
                return
            self._timer.cancel()
        self._timer_at = max(at, now)
        self._timer = asyncio.get_running_loop().call_later(max(0.0, at - now), self._turn)

    def _tick_s(self) -> float:
        return CALM_TICK_S if sum(map(len, self._resting.values())) == len(self._turns) else TICK_S

    def _next_peek(self) -> float:
        return min((self._peek_at.get(s, 0.0) for s, who in self._resting.items() if who), default=math.inf)

    def _turn(self) -> None:
        self._timer = None
        now = self._clock.now()
        if now - self._timer_at >= SLEPT_S:
            log.warning("supervisor.slept", late_s=round(now - self._timer_at, 3), sessions=len(self._turns))
            for who in list(self._turns):
                who.front_slept(now)
        self._look_out(now)
        until = now + TURN_S
        self._peek(now, until)
        while self._due and self._due[0][0] <= now:
            _, count, who = heapq.heappop(self._due)
            if self._turns.get(who) != count:
                continue
            self._look_at(who, now)
            if self._clock.now() >= until:
                break
        self._arm(self._clock.now())

    def _look_at(self, who: Watched, now: float) -> None:
        try:
            next_s = who.look(now)
        except Exception:  # one that cannot be looked at must not keep the others from it
            log.exception("supervisor.look_failed")
            next_s = 1.0
        if next_s is None:
            self.forget(who)
        elif who in self._turns:
            self._put(who, now + next_s)
            self._no_rest(who)
            if next_s > (peek_s := who.peek_s):
                self._resting.setdefault(peek_s, {})[who] = None

    def _who_rest(self) -> list[Watched]:
        return [who for some in self._resting.values() for who in some]

    def _no_rest(self, who: Watched) -> None:
        for resting in self._resting.values():
            resting.pop(who, None)

    def _peek(self, now: float, until: float) -> None:
        """Have those looked at who moved; goes on in the next turn where it takes too long."""
        if not self._to_ask:
            for peek_s, resting in self._resting.items():
                if resting and now >= self._peek_at.get(peek_s, 0.0):
                    self._peek_at[peek_s] = now + peek_s
                    self._to_ask += resting
        while self._to_ask and self._clock.now() < until:
            some = self._to_ask[-_ASKED_AT_ONCE:]
            del self._to_ask[-_ASKED_AT_ONCE:]
            for who in some:
                if who in self._turns and who.moved():
                    self._no_rest(who)
                    self._put(who, now)

    def _look_out(self, now: float) -> None:
        """See a storm coming."""
        state = self._read_machine()
        stormy = (
            state.tasks - self._calm.tasks > _STORM_TASKS
            or self._calm.available_bytes - state.available_bytes > _STORM_BYTES
        )
        # It may be somebody else's storm, such as another container's, and go on: so what the looks cost is
        # bounded, and not how often there are any.  A bomb makes thousands of processes in two seconds.
        resting = self._who_rest() if stormy else []
        every_s = _ALARM_EACH_S * (len(self._turns) - len(resting)) + _ASKED_EACH_S * len(resting)
        every_s = min(_ALARM_LATEST_S, every_s)
        alarmed = stormy and now - self._alarm_at >= every_s
        if alarmed:
            self._alarm_at = now
            self._to_ask = resting
            for who in self._turns.keys() - set(resting):
                self._put(who, now)
        if alarmed or (not stormy and now - self._calm_at >= _CALM_S):
            self._calm, self._calm_at = state, now
        self._look_for_files(now)

    def _look_for_files(self, now: float) -> None:
        """Files in memory are filled: one that others fill may be counted to a session that rests."""
        files_bytes = self._read_files()
        self._files_bytes = min(self._files_bytes, files_bytes)
        if files_bytes - self._files_bytes <= _STORM_BYTES:
            return
        resting = self._who_rest()
        if now - self._files_at >= _FILES_EACH_S * len(resting):
            self._files_bytes, self._files_at = files_bytes, now
            for who in resting:
                self._put(who, now)
