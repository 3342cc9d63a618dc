"""The two clocks: one to compare, one to show.

Deadlines are monotonic seconds (`Clock.now`), absolute; lengths are ``timeout_s`` or ``grace_s``.
Times that people or other machines read are seconds since the epoch (`Clock.wall`).
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """What a component asks for the time, so that a test can hand it its own."""

    def now(self) -> float:
        """Monotonic seconds; only differences mean anything."""
        ...

    def wall(self) -> float:
        """Seconds since the epoch."""
        ...


class SystemClock:
    """The machine's clocks."""

    def now(self) -> float:
        return time.monotonic()

    def wall(self) -> float:
        return time.time()


def iso(wall_s: float) -> str:
    """Write seconds since the epoch as RFC 3339 in UTC with milliseconds."""
    return datetime.fromtimestamp(wall_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
