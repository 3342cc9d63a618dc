"""How much memory new sessions may take, and how much one is expected to take."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from statistics import median_low
from typing import Final

from runtime.clock import Clock
from runtime.process.available import available_bytes

FIRST_GUESS_BYTES: Final = 16 << 20
"""What a session is taken to need before any was measured."""

_LOOK_AGAIN_S: Final = 0.25
_KEPT_COUNT: Final = 31


class Headroom:
    """A look at the machine that is not repeated within a quarter of a second, however often it is asked for.

    With each look one session is measured; the median of the last ones is what the next session is expected
    to take.  Nothing is measured while nobody calls.

    Args:
        measure: The memory of some running session, in bytes; 0 when there is none to measure.
        reserve_bytes: Left free whatever comes.
    """

    def __init__(
        self,
        measure: Callable[[], int],
        *,
        reserve_bytes: int,
        clock: Clock,
        available: Callable[[], int | None] = available_bytes,
    ) -> None:
        self._measure, self._reserve_bytes = measure, reserve_bytes
        self._clock, self._available = clock, available
        self._sizes: deque[int] = deque(maxlen=_KEPT_COUNT)
        self._looked_at = -1.0
        self._left: int | None = None

    @property
    def session_bytes(self) -> int:
        """What one more session is expected to take."""
        return median_low(self._sizes) if self._sizes else FIRST_GUESS_BYTES

    def left_bytes(self) -> int | None:
        """Memory above the reserve; None when it cannot be told."""
        now = self._clock.now()
        if self._looked_at < 0 or now - self._looked_at >= _LOOK_AGAIN_S:
            self._looked_at = now
            available = self._available()
            self._left = None if available is None else max(0, available - self._reserve_bytes)
            if size := self._measure():
                self._sizes.append(size)
        return self._left
