"""How long to wait before something that ended is started again.  Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Backoff:
    """Delays that double while it keeps failing, and begin anew after it has held for a while.

    Attributes:
        first_s: The first delay.
        most_s: The longest.
        stable_s: A life of this length counts as success.
    """

    first_s: float = 0.1
    most_s: float = 10.0
    stable_s: float = 30.0
    _failures: int = 0

    def after(self, lived_s: float) -> float:
        """Seconds to wait, now that it ended after `lived_s`."""
        if lived_s >= self.stable_s:
            self._failures = 0
        delay_s = min(self.most_s, self.first_s * 2.0**self._failures)
        self._failures = min(self._failures + 1, 32)
        return delay_s
