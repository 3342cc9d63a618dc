"""How much a session may keep on the disk, and when to count it.  Pure.

To count is dear, the more the more there is: so it is done when the disk has filled since by half of what is
left to the session, when it would have reached its limit at the pace of the last two counts, and now and
then: soon after the start, so that it can be shown, and every half a minute while it is far from its limit.
"""

from __future__ import annotations

from typing import Final

from runtime.session.exit_reasons import ExitReason
from runtime.supervisor.watch.budget import SOFT, Excess, Finding, NearLimit, in_mib
from runtime.supervisor.watch.disk_use import DiskUse

_FIRST_S: Final = 3.0
_CALM_S: Final = 30.0
_NEAR_S: Final = 2.0
_SHORTEST_S: Final = 0.05
_IDLE_LOOK_S: Final = 1.0
_REST: Final = 10.0
_REARM: Final = 0.7
_LEAST_BYTES: Final = 1 << 20


class DiskBudget:
    """The limit of one session.

    Args:
        most_bytes: None for no limit; then it is counted to be shown.
        now: Monotonic seconds at which the session began.

    Attributes:
        next_s: How long it may take until `wants` is asked again.
    """

    def __init__(self, most_bytes: int | None, now: float) -> None:
        self._most = most_bytes
        self._at = now
        self._bytes = 0
        self._pace = 0.0
        self._filled: int | None = None
        self._due, self._not_before = now + _FIRST_S, now
        self._warned = False
        self.next_s = _IDLE_LOOK_S

    def wants(self, now: float, filled_bytes: int | None) -> bool:
        """Whether to count now.

        Args:
            filled_bytes: What is in use of the whole disk; None where nobody can tell.
        """
        if self._filled is None:
            self._filled = filled_bytes
        if now < self._not_before:
            return False
        if now >= self._due or self._most is None:
            return now >= self._due
        left = self._most - self._bytes
        if self._pace > 0 and now - self._at >= left / (2 * self._pace):
            return True
        came = 0 if filled_bytes is None or self._filled is None else filled_bytes - self._filled
        return came >= max(_LEAST_BYTES, left / 2)

    def take(self, use: DiskUse, now: float, filled_bytes: int | None) -> list[Finding]:
        """Judge a count.

        Args:
            now: When it began, as `filled_bytes` is of then.
        """
        grown = use.bytes - self._bytes
        self._pace = max(0.0, grown / max(now - self._at, _SHORTEST_S))
        self._at, self._bytes, self._filled = now, use.bytes, filled_bytes
        self._not_before = now + _REST * use.took_s
        self.next_s = _IDLE_LOOK_S
        self._due = now + _CALM_S
        if self._most is None:
            return []
        if use.bytes > self._most:
            message = f"kept {in_mib(use.bytes)} of {in_mib(self._most)} on the disk{_largest(use)}"
            return [Excess(ExitReason.DISK, message)]
        if use.hidden:
            return [Excess(ExitReason.DISK, f"keeps on the disk what nobody can count: {use.hidden}")]
        if self._pace > 0:
            soon_s = (self._most - use.bytes) / (2 * self._pace)
            self.next_s = max(_SHORTEST_S, min(_IDLE_LOOK_S, soon_s))
        if use.bytes < _REARM * self._most:
            self._warned = False
        if use.bytes < SOFT * self._most:
            return []
        self._due = now + _NEAR_S
        if self._warned:
            return []
        self._warned = True
        message = f"keeps {in_mib(use.bytes)} of {in_mib(self._most)} on the disk{_largest(use)}"
        return [NearLimit(ExitReason.DISK, message)]


def _largest(use: DiskUse) -> str:
    what = f" in {use.entries} files and folders" if use.entries > 1 else " in 1 file"
    if not use.largest:
        return what
    listed = ", ".join(f"{name!r} {in_mib(size)}" for name, size in use.largest)
    return f"{what}; the largest: {listed}"
