"""What sessions and programs print, in the server's own log: so much of each, and so much of all together.

Whoever prints more is not held up by it, and loses nothing of what its own log keeps; the server's log says
how much it left out.
"""

from __future__ import annotations

import logging
from typing import Any, Final

from runtime.clock import Clock
from runtime.settings import SupervisorSettings

BURST_S: Final = 16.0
"""So much at once: what else would come in that time."""
ALL_TOGETHER: Final = 8
"""All sessions together may print as much as so many of them."""
_TELL_S: Final = 10.0
_LINE_BYTES: Final = 200  # what a line of the log has besides


class Allowance:
    """Bytes that may be written, so many a second."""

    def __init__(self, bytes_per_s: float, clock: Clock) -> None:
        self._bytes_per_s, self._clock = bytes_per_s, clock
        self._left = bytes_per_s * BURST_S
        self._at = clock.now()

    @property
    def is_left(self) -> bool:
        """Whether a line may be written; of any length, which is made up for afterwards."""
        now = self._clock.now()
        gained = (now - self._at) * self._bytes_per_s
        self._left, self._at = min(self._bytes_per_s * BURST_S, self._left + gained), now
        return self._left > 0

    def use(self, count_bytes: int) -> None:
        self._left -= count_bytes


class ServerLines:
    """The lines of one source.

    Args:
        log: A logger that knows whose lines they are.
        event: What each is called there.
        together: What it shares with others.
    """

    def __init__(
        self,
        log: Any,
        event: str,
        settings: SupervisorSettings,
        clock: Clock,
        together: Allowance | None = None,
    ) -> None:
        self._log, self._event, self._clock = log, event, clock
        self._own = Allowance(settings.log_echo_bytes_per_s, clock)
        self._together = together
        self._left_out = 0
        self._told_at = -_TELL_S

    def write(self, line: str, level: str = "info", **more: Any) -> None:
        """Write a line to the server's log, unless there was too much."""
        shared = self._together
        if self._own.is_left and (shared is None or shared.is_left):
            count_bytes = len(line) + _LINE_BYTES
            self._own.use(count_bytes)
            if shared is not None:
                shared.use(count_bytes)
            self._log.log(_level(level), self._event, line=line, **more)
            return
        self._left_out += 1
        now = self._clock.now()
        if now - self._told_at >= _TELL_S:
            self._log.warning(
                f"{self._event.partition('.')[0]}.lines_left_out",
                count=self._left_out,
                detail="it prints more than the server's own log takes",
                cure="GET /workers/{id}/logs has the newest lines of a session; or print less, or raise "
                "supervisor.log_echo_bytes_per_s.",
            )
            self._told_at, self._left_out = now, 0


def _level(name: str) -> int:
    return logging.getLevelNamesMapping().get(name.upper(), logging.INFO)
