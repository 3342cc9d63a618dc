"""Tell a worker that hangs from one that waits, is stopped, or was not let run.  Pure.

Theory: a worker's event loop beats into shared memory when it turns, and says there since when it waits for
something to do.  Silence counts from the last beat, not while it waits, and only while the worker could have
beaten: time in which it was stopped, in which it was ready to run and got no processor, or in which the front
itself did not run, does not count.  At the soft deadline somebody should take its stacks, at the hard one end
it.  What kind of silence it is, its processor time says.

That a loop waits is what the session says, so it is believed only as long as its main thread uses no
processor: one that burns while it says so has been silent for as long as it burned.

One that a signal keeps stopped, which is not of our sending, is told as soon as it is seen twice, and has a
time of its own after which it is ended; one that a debugger holds is told at the soft deadline and stays.

Answering is not progress: a worker that beats and yet does not come to the end of its start, or of its stop,
is told, once; those have deadlines of their own.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

import msgspec

_BUSY_PART: Final = 0.3
_STARVED_RAN_PART: Final = 0.1
_STARVED_WAITED_PART: Final = 0.5
_LONGEST_LOOK_S: Final = 1.0
_SHORTEST_LOOK_S: Final = 0.02
_AFTER_WARNING_S: Final = 0.5
_SEEN_AGAIN_S: Final = 0.1


class Silence(Enum):
    """Why a worker says nothing; the value is how it is told."""

    CPU_BOUND = "busy without a break"
    BLOCKED = "blocked"
    STOPPED = "stopped from outside"
    AWAITING = "awaiting without end"


class Phase(Enum):
    STARTING = "start"
    RUNNING = "run"
    ENDING = "stop"


class Pulse(msgspec.Struct, frozen=True, kw_only=True):
    """One look at a worker's main process.

    Attributes:
        beat_at: Monotonic seconds of its last beat; None before the first.
        state: The kernel's letter of its state.
        cpu_s: Processor time of the process.
        ran_s: Of its main thread alone.
        waited_s: What its main thread was ready and waited for a processor.
        asleep_at: Since when its loop says that it waits, in monotonic seconds; None while it does not.
    """

    beat_at: float | None
    state: str
    cpu_s: float
    ran_s: float = 0.0
    waited_s: float = 0.0
    asleep_at: float | None = None


class Late(msgspec.Struct, frozen=True):
    """Nothing was heard for longer than the soft deadline; told once for each silence."""

    kind: Silence
    silent_s: float


class Hung(msgspec.Struct, frozen=True):
    """Nothing was heard for longer than the hard deadline."""

    kind: Silence
    silent_s: float


class Awake(msgspec.Struct, frozen=True):
    """It beats again, after a warning."""

    silent_s: float


Sign = Late | Hung | Awake


class HangDetector:
    """Watch over one worker's pulse.

    Args:
        warn_s: The soft deadline.
        kill_s: The hard one; 0 for none.
        stopped_kill_s: How long a signal may keep it stopped; 0 for ever.
        now: Monotonic seconds at which the worker was given its session.

    Attributes:
        next_s: How long the next look may wait.
        is_stopped: A signal that is not ours keeps it stopped, and that was told.
    """

    def __init__(self, *, warn_s: float, kill_s: float, now: float, stopped_kill_s: float = 0.0) -> None:
        self._warn_s, self._kill_s, self._stopped_kill_s = warn_s, kill_s, stopped_kill_s
        self._stopped_looks = 0
        self.is_stopped = False
        self._began = now
        self._beat_at = now
        self._last: Pulse | None = None
        self._last_at = now
        self._excused_s = 0.0
        self._stopped_s = 0.0
        self._cpu_at_beat = 0.0
        self._doubted = False
        self._warned: Silence | None = None
        self._phase = Phase.STARTING
        self._phase_at = now
        self._phase_told = False
        self.next_s = _LONGEST_LOOK_S

    @property
    def is_calm(self) -> bool:
        """Nothing is told of it, and nothing to be seen that might have to be."""
        return not (self._doubted or self._stopped_looks or self.is_stopped) and self._warned is None

    def is_silent(self, beat_at: float | None, now: float) -> bool:
        """Whether the silence is long enough for the dearer figures of a pulse to matter."""
        return now - max(self._beat_at, beat_at or 0.0) > min(self._warn_s / 2, 1.2)

    def front_slept(self, now: float) -> None:
        """The one who looks did not run: nothing can be said about that time, so all clocks begin anew."""
        self._beat_at = max(self._beat_at, now)
        self._last, self._last_at = None, now
        self._excused_s = self._stopped_s = 0.0
        self._stopped_looks = 0
        self._phase_at = now

    def held(self, now: float) -> None:
        """Since the last look we kept it stopped: that is neither its silence nor a stop from outside."""
        self._excused_s += max(0.0, now - self._last_at)
        self._last, self._last_at = None, now
        self._stopped_s, self._stopped_looks, self.is_stopped = 0.0, 0, False

    def look(self, pulse: Pulse, now: float, phase: Phase) -> list[Sign]:
        """Judge a pulse; returns at most one sign of each kind."""
        signs: list[Sign] = []
        if pulse.beat_at is None:
            self._beat_at = now  # a fresh interpreter still imports its bundle; its start has a deadline
        gap_s = max(0.0, now - self._last_at)
        self._excuse(pulse, gap_s)
        beat_at = self._turned_at(pulse, gap_s, now)
        if beat_at is not None and beat_at > self._beat_at:
            if self._warned is not None and self._warned is not Silence.AWAITING:
                signs.append(Awake(beat_at - self._beat_at))
            self._warned = None
            self._beat_at, self._excused_s, self._cpu_at_beat = beat_at, 0.0, pulse.cpu_s
        self._last, self._last_at = pulse, now
        silent_s = now - self._beat_at - self._excused_s
        self.next_s = _LONGEST_LOOK_S
        if phase is not self._phase:
            self._phase, self._phase_at, self._phase_told = phase, now, False
        self._stopped_looks = self._stopped_looks + 1 if pulse.state == "T" else 0
        if self._stopped_looks == 1:
            self._stopped_s, self.next_s = 0.0, _SEEN_AGAIN_S  # it may have been stopped only just now
        is_told = self._stopped_looks > 1 or self._stopped_s >= self._warn_s
        if is_told and self._warned is not Silence.STOPPED and phase is not Phase.ENDING:
            self._warned = Silence.STOPPED
            signs.append(Late(Silence.STOPPED, self._stopped_s))
        self.is_stopped = self._stopped_looks > 1
        if self.is_stopped and self._stopped_kill_s and phase is not Phase.ENDING:
            if self._stopped_s >= self._stopped_kill_s:
                signs.append(Hung(Silence.STOPPED, self._stopped_s))
            self.next_s = min(self.next_s, max(_SHORTEST_LOOK_S, self._stopped_kill_s - self._stopped_s))
        if phase is Phase.ENDING or pulse.state in ("T", "t"):
            self._too_long(phase, pulse, silent_s, now, signs)
            return signs
        kind = self._kind(pulse, now)
        if self._kill_s and silent_s >= self._kill_s:
            signs.append(Hung(kind, silent_s))
        elif silent_s >= self._warn_s and self._warned in (None, Silence.STOPPED):
            self._warned = kind
            signs.append(Late(kind, silent_s))
        self._too_long(phase, pulse, silent_s, now, signs)
        for deadline_s in (self._warn_s, self._kill_s):
            if deadline_s > silent_s:
                self.next_s = max(_SHORTEST_LOOK_S, min(self.next_s, deadline_s - silent_s))
        if self._warned is not None:
            self.next_s = min(self.next_s, _AFTER_WARNING_S)
        return signs

    def _turned_at(self, pulse: Pulse, gap_s: float, now: float) -> float | None:
        """When its loop turned last: now, where it waits and that can be believed."""
        last = self._last
        if pulse.asleep_at is None or pulse.state in ("T", "t"):
            self._doubted = False
            return pulse.beat_at
        if last is not None and last.asleep_at == pulse.asleep_at and last.ran_s and gap_s > 0:
            busy_s = pulse.ran_s - last.ran_s + pulse.waited_s - last.waited_s
            if busy_s >= _BUSY_PART * gap_s:
                if not self._doubted:
                    self._doubted = True
                    self._beat_at = max(self._beat_at, now - busy_s)
                return self._beat_at
            if self._doubted and pulse.state == "R":
                return self._beat_at
        self._doubted = False
        return now

    def _excuse(self, pulse: Pulse, gap_s: float) -> None:
        """Take off what it could not help."""
        if pulse.state in ("T", "t"):
            self._excused_s += gap_s
            self._stopped_s += gap_s
            return
        self._stopped_s = 0.0
        last = self._last
        if last is None or gap_s <= 0 or not (last.ran_s or pulse.ran_s):
            return
        ran_s, waited_s = pulse.ran_s - last.ran_s, pulse.waited_s - last.waited_s
        if not last.ran_s or ran_s > _STARVED_RAN_PART * gap_s:
            return
        # The kernel adds a wait up when it ends; one that goes on shows as ready and yet not running.
        if pulse.state == "R" or waited_s >= _STARVED_WAITED_PART * gap_s:
            self._excused_s += gap_s

    def _kind(self, pulse: Pulse, now: float) -> Silence:
        elapsed_s = max(1e-3, now - self._beat_at)
        # On a crowded machine one that never rests gets little time, but it is always seen ready to run.
        busy = pulse.state == "R" or (pulse.cpu_s - self._cpu_at_beat) / elapsed_s >= _BUSY_PART
        return Silence.CPU_BOUND if busy else Silence.BLOCKED

    def _too_long(self, phase: Phase, pulse: Pulse, silent_s: float, now: float, signs: list[Sign]) -> None:
        """A start or a stop that goes on although the loop turns."""
        most_s = self._warn_s if phase is Phase.ENDING else self._kill_s or 5 * self._warn_s
        if phase is Phase.RUNNING or self._phase_told or silent_s >= self._warn_s:
            return
        if pulse.beat_at is not None and now - self._phase_at >= most_s:
            self._phase_told = True
            signs.append(Late(Silence.AWAITING, now - self._phase_at))
