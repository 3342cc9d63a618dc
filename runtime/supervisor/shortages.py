"""What the system had no more of lately: told by `/readyz`, known to admission, and forgotten by itself."""

from __future__ import annotations

from typing import Final

import structlog

from runtime.clock import Clock
from runtime.errors import LACKS, RuntimeServiceError, SpawnFailed, SystemShort, lacking
from runtime.process import descriptors

log = structlog.get_logger("supervisor")

HOLD_S: Final = 8.0
"""A lack that nobody met for so long is over.  Who waits for something tries again before (`failures`)."""


class Shortages:
    """Runs in: the front's event loop."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._met_at: dict[str, float] = {}

    def met(self, lacks: str) -> None:
        """Somebody was refused this just now."""
        now = self._clock.now()
        self._forget(now)
        if lacks not in self._met_at:
            log.error("system.short", lacks=lacks, cure=LACKS[lacks])
        self._met_at[lacks] = now

    def in_the_way(self, error: Exception) -> RuntimeServiceError:
        """Take in a failure, of whatever kind; it is returned as it is to be told."""
        if lacks := lacking(error):
            self.met(lacks)
        if isinstance(error, RuntimeServiceError):
            return error
        if lacks:
            return SystemShort(lacks, f"no process could be had: {error}")
        log.error("process.not_had", exc_info=error)
        return SpawnFailed(f"no process could be had: {error!r}")

    def had(self) -> None:
        """A process was had, with all that it takes."""
        for lacks in self._met_at:
            log.info("system.enough", lacked=lacks)
        self._met_at.clear()

    def names(self) -> tuple[str, ...]:
        """What there is no more of now, as far as is known: keys of `runtime.errors.LACKS`."""
        self._forget(self._clock.now())
        if descriptors.left() < descriptors.PER_SESSION:
            return tuple(dict.fromkeys(("open files", *self._met_at)))
        return tuple(self._met_at)

    def _forget(self, now: float) -> None:
        for lacks in [one for one, at in self._met_at.items() if now - at >= HOLD_S]:
            log.info("system.enough", lacked=lacks)
            del self._met_at[lacks]
