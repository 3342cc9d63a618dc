"""The last minute of each running session, second by second: shares of a core and resident bytes.  Pure.

Kept while somebody looks.  A session that is met for the first time brings the curve it already has, read at
whole seconds, so that a page is not empty when it is opened.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Final

from runtime.front.openapi.shapes.sessions import RecentUse as Shown
from runtime.session.use import UsePoint

KEPT: Final = 60


class UseCurve:
    """One session's last minute.

    Attributes:
        second: The number of the second that its last point is of.
    """

    __slots__ = ("at", "cpu", "cpu_s", "rss", "second")

    def __init__(self, second: int = 0) -> None:
        self.second = second
        self.cpu: deque[float] = deque(maxlen=KEPT)
        self.rss: deque[int] = deque(maxlen=KEPT)
        self.at: float | None = None
        self.cpu_s = 0.0

    def start(self, curve: Sequence[UsePoint]) -> None:
        """Fill it with what was measured before anybody looked."""
        for share, rss_bytes in resampled(curve):
            self.cpu.append(share)
            self.rss.append(rss_bytes)

    def rest_until(self, second: int) -> None:
        """It did nothing after its last point, and in this second neither."""
        for _ in range(min(KEPT, second - self.second) if self.rss else 0):
            self.cpu.append(0.0)
            self.rss.append(self.rss[-1])
        self.second = max(self.second, second)

    def take(self, at: float, cpu_s: float, rss_bytes: int) -> float:
        """Add a reading; the share of a core since the one before.

        Args:
            at: Monotonic seconds of the measurement; the same as before when nobody measured meanwhile.
        """
        share = self.cpu[-1] if self.cpu else 0.0
        if self.at is not None and at > self.at:
            share = round(max(0.0, cpu_s - self.cpu_s) / (at - self.at), 3)
        if self.at is None or at > self.at:
            self.at, self.cpu_s = at, cpu_s
        self.cpu.append(share)
        self.rss.append(rss_bytes)
        return share

    def shown(self, most: int = KEPT) -> Shown:
        """Its last points, for a reader."""
        return Shown(cpu=list(self.cpu)[-most:], rss=list(self.rss)[-most:])


class RecentUse:
    """Those of all running sessions.

    Attributes:
        second: The number of the present one.
    """

    def __init__(self) -> None:
        self.second = 0
        self._of: dict[str, UseCurve] = {}

    def __len__(self) -> int:
        return len(self._of)

    def of(self, session_id: str) -> UseCurve | None:
        """One session's; None when it was not met yet."""
        return self._of.get(session_id)

    def meet(self, session_id: str, curve: Sequence[UsePoint]) -> UseCurve:
        """Begin with a session."""
        spark = self._of[session_id] = UseCurve(self.second)
        spark.start(curve)
        return spark

    def forget(self, session_id: str) -> None:
        """The session is over."""
        self._of.pop(session_id, None)

    def clear(self) -> None:
        """Nobody looks any more."""
        self._of.clear()


def shares(curve: Sequence[UsePoint]) -> list[float]:
    """The share of a core at each point: since the point before, and of the first since the beginning."""
    found, before_t, before_cpu = [], 0.0, 0.0
    for point in curve:
        took = point.t_s - before_t
        found.append(round(max(0.0, point.cpu_s - before_cpu) / took, 3) if took > 0 else 0.0)
        before_t, before_cpu = point.t_s, point.cpu_s
    return found


def resampled(curve: Sequence[UsePoint]) -> list[tuple[float, int]]:
    """The last minute of a curve at whole seconds, oldest first; of a point's second, what led to it."""
    if not curve:
        return []
    of_points = shares(curve)
    end = curve[-1].t_s
    found: list[tuple[float, int]] = []
    index = len(curve) - 1
    for back in range(min(KEPT, int(end) + 1)):
        at = end - back
        while index > 0 and curve[index - 1].t_s >= at:
            index -= 1
        found.append((of_points[index], curve[index].rss_bytes))
    return found[::-1]
