"""How long sessions have run, by the clock that nobody sets; times in their records are for people."""

from __future__ import annotations

import msgspec

from runtime.clock import Clock
from runtime.session.record import SessionRecord
from runtime.session.spec import SessionId


class _Marks(msgspec.Struct):
    started: float
    ready: float | None = None


class Ages:
    """Of the sessions that have a process."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._marks: dict[SessionId, _Marks] = {}

    def started(self, session_id: SessionId) -> None:
        """It got its process."""
        self._marks[session_id] = _Marks(self._clock.now())

    def ready(self, session_id: SessionId) -> None:
        """It joined its room and took up its work."""
        marks = self._marks.setdefault(session_id, _Marks(self._clock.now()))
        marks.ready = self._clock.now()

    def ended(self, session_id: SessionId) -> float | None:
        """Its process is gone: seconds that it lived, None if there was none."""
        marks = self._marks.pop(session_id, None)
        return None if marks is None else self._clock.now() - marks.started

    def since_ready_s(self, session_id: SessionId) -> float:
        """Seconds since it was ready; 0 when it never was."""
        marks = self._marks.get(session_id)
        return 0.0 if marks is None or marks.ready is None else self._clock.now() - marks.ready

    def of(self, record: SessionRecord) -> float:
        """Seconds that its process has lived, or did; of an earlier run's what its times tell."""
        marks = self._marks.get(record.spec.session_id)
        if marks is not None:
            return self._clock.now() - marks.started
        if record.started_at is None:
            return 0.0
        if record.exit is not None and record.lived_s is not None:
            return record.lived_s
        until = self._clock.wall() if record.exit is None else record.exit.at
        return max(0.0, until - record.started_at)
