"""What of a session never changes, as the API shows it: made once, however often it is asked for."""

from __future__ import annotations

from collections.abc import Container
from typing import Final, NamedTuple

from runtime.clock import iso
from runtime.session.quarantine import input_hash
from runtime.session.spec import SessionId, SessionSpec

_MOST_COUNT: Final = 10_000
_LOOK_EACH: Final = 128
"""After so many new ones, those that nobody can ask for any more are let go."""


class Unchanging(NamedTuple):
    """Fields of `runtime.front.openapi.shapes.sessions.Worker`."""

    accepted_at: str
    input: str | None
    limits: dict[str, int | float]
    limit_sources: dict[str, str]


class Shown:
    """Those of the sessions that were asked for; the oldest go first."""

    def __init__(self) -> None:
        self._known: dict[SessionId, Unchanging] = {}
        self._new_count = 0

    def of(self, spec: SessionSpec, kept: Container[SessionId]) -> Unchanging:
        """What is shown of a session; nobody may change it.

        Args:
            kept: The sessions that there is a record of.
        """
        known = self._known.get(spec.session_id)
        if known is not None:
            return known
        made = Unchanging(
            iso(spec.accepted_at),
            input_hash(spec.endpoint, spec.room, spec.arguments) or None,
            spec.limits.plain(),
            dict(spec.limit_sources),
        )
        self._known[spec.session_id] = made
        self._new_count += 1
        if self._new_count >= _LOOK_EACH:
            self._new_count = 0
            self._known = {one: shown for one, shown in self._known.items() if one in kept}
        if len(self._known) > _MOST_COUNT:
            del self._known[next(iter(self._known))]
        return made
