"""How fast starts come to their end, measured; what whoever waits for one may expect.  Pure."""

from __future__ import annotations

import math
from collections import deque
from typing import Final

MOST_RETRY_S: Final = 60
_BUSY_GAP_S: Final = 5.0
_FEWEST: Final = 4


class StartRate:
    """How many starts come to their end per second while there is something to start."""

    def __init__(self, *, keep_count: int = 64) -> None:
        self._times: deque[float] = deque(maxlen=keep_count)

    def note(self, now: float) -> None:
        """A start is over: the session is ready, or it failed."""
        if self._times and now - self._times[-1] > _BUSY_GAP_S:
            self._times.clear()  # nothing was asked for meanwhile, which says nothing about the speed
        self._times.append(now)

    @property
    def per_s(self) -> float | None:
        """None until it was measured."""
        if len(self._times) < 2:
            return None
        return (len(self._times) - 1) / max(self._times[-1] - self._times[0], 0.001)

    def wait_s(self, ahead: int) -> int:
        """Whole seconds until so many starts will be over, within reason."""
        if (per_s := self.per_s) is None:
            return 1
        return min(MOST_RETRY_S, max(1, math.ceil(ahead / per_s)))


class Pace:
    """How long the line of one endpoint takes, measured only while somebody stands in it.

    At other times starts come to their end as calls come in, which says nothing about how fast they could.
    """

    def __init__(self, *, keep_count: int = 32) -> None:
        self._spans: deque[float] = deque(maxlen=keep_count)
        self._since: float | None = None

    def note(self, now: float, *, waiting: bool) -> None:
        """A start of the endpoint is over; `waiting`: more of its calls wait for their turn."""
        if self._since is not None:
            self._spans.append(now - self._since)
        self._since = now if waiting else None
        if not waiting:
            self._spans.clear()

    def wait_s(self, ahead: int) -> float | None:
        """Seconds until so many of its starts will be over; None while that is not known."""
        if len(self._spans) < _FEWEST:
            return None
        return ahead * sum(self._spans) / len(self._spans)
