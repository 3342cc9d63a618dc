"""Tell a front that stands still from one that is slow, held by a debugger, or not let run.  Pure.

Theory: the front's event loop beats once a second.  Its silence is added up look by look, and a look counts
only as much as its watcher itself was awake for: a machine that slept, or had no time for anybody, has not
let the front speak either.  Nor does a look count in which the front waited for a processor, a disk, a
debugger, or for whoever reads its log.  At half of the time it is told, at the whole of it killed.

From the moment it is asked to end it has a deadline as well, which nothing excuses: whoever asked has one.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

import msgspec

TICK_S: Final = 1.0
"""Seconds between two looks."""
LOADING_S: Final = 120.0
"""What a front may take to its first beat."""
ENDING_HANG_S: Final = 10.0
"""Silence that is borne of a front that was asked to end."""
ENDING_EXTRA_S: Final = 10.0
"""What the end of a server may take beyond the time that its sessions are given."""
_STARVED_RAN_PART: Final = 0.1
_STARVED_WAITED_PART: Final = 0.5


class Verdict(Enum):
    LATE = "late"
    STUCK = "stuck"
    OVERDUE = "overdue"


class Sight(msgspec.Struct, frozen=True, kw_only=True):
    """One look at the front's main thread.

    Attributes:
        state: The kernel's letter of its state.
        ran_s: Processor time it had.
        waited_s: What it was ready and waited for a processor.
        traced: A debugger holds it.
        log_full: Nobody reads what it writes, so it may wait for that.
    """

    state: str
    ran_s: float = 0.0
    waited_s: float = 0.0
    traced: bool = False
    log_full: bool = False


class FrontWatch:
    """The watch over one front, from its start to its end.

    Args:
        drain_s: What its sessions get to end, until it says so itself.

    Attributes:
        listens: It has beaten, so it handles its signals.
        silent_s: How long it could have spoken and did not.
        stopped: When it was seen last, a signal kept it stopped.
    """

    def __init__(self, *, now: float, drain_s: float = 30.0) -> None:
        self._hang_s = LOADING_S
        self._drain_s = drain_s
        self._looked_at = now
        self._last: Sight | None = None
        self._told = False
        self._ending_s: float | None = None
        self.listens = False
        self.silent_s = 0.0
        self.stopped = False

    def introduced(self, *, hang_s: float, drain_s: float) -> None:
        """It says how long it may be silent (0: for ever), and how long its sessions get to end."""
        self._hang_s, self._drain_s = hang_s, drain_s
        self.beat()

    def beat(self) -> bool:
        """Its loop turns; True when it had been told that it did not."""
        was_told, self._told = self._told, False
        self.listens, self.silent_s = True, 0.0
        return was_told

    def ending(self) -> None:
        """It was asked to end; saying so again changes nothing."""
        if self._ending_s is None:
            self._ending_s = 0.0

    @property
    def hang_s(self) -> float:
        """The silence after which it is stuck; 0 for none."""
        if self._ending_s is None or not self._hang_s:
            return self._hang_s
        return min(self._hang_s, ENDING_HANG_S)

    @property
    def deadline_s(self) -> float:
        """What its end may take."""
        return self._drain_s + ENDING_EXTRA_S

    def look(self, sight: Sight, now: float) -> Verdict | None:
        """Judge what is seen; call it every `TICK_S`, late as that may be."""
        gap_s = max(0.0, now - self._looked_at)
        self._looked_at = now
        last, self._last = self._last, sight
        self.stopped = sight.state == "T" and not sight.traced
        awake_s = min(gap_s, 2 * TICK_S)
        if self._ending_s is not None:
            self._ending_s += gap_s
            if self._ending_s >= self.deadline_s:
                return Verdict.OVERDUE
        if not _is_excused(sight, last, gap_s):
            self.silent_s += awake_s
        if not self.hang_s:
            return None
        if self.silent_s >= self.hang_s:
            return Verdict.STUCK
        if self.silent_s >= self.hang_s / 2 and not self._told:
            self._told = True
            return Verdict.LATE
        return None


def _is_excused(sight: Sight, last: Sight | None, gap_s: float) -> bool:
    if sight.traced or sight.log_full or sight.state == "D":
        return True
    if last is None or gap_s <= 0 or sight.state == "T":
        return False
    starved = sight.waited_s - last.waited_s >= _STARVED_WAITED_PART * gap_s
    # The kernel adds a wait up when it ends: one that goes on shows as ready, and yet not running.
    starved = starved or sight.state == "R"
    return starved and sight.ran_s - last.ran_s <= _STARVED_RAN_PART * gap_s
