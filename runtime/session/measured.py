"""Which sessions were measured last: who adds figures up need not ask for thousands that rest.  Pure."""

from __future__ import annotations

from runtime.session.spec import SessionId


class Measured:
    """Sessions in the order in which they were measured."""

    def __init__(self) -> None:
        self._marks: dict[SessionId, int] = {}
        self._last = 0

    def note(self, session_id: SessionId) -> None:
        """It was measured just now."""
        self._last += 1
        self._marks.pop(session_id, None)  # to the end
        self._marks[session_id] = self._last

    def forget(self, session_id: SessionId) -> None:
        """It is over."""
        self._marks.pop(session_id, None)

    def after(self, mark: int) -> tuple[int, list[SessionId]]:
        """Those measured after a mark, the last first, and the mark to go on from; 0 is before all."""
        found = []
        for session_id in reversed(self._marks):
            if self._marks[session_id] <= mark:
                break
            found.append(session_id)
        return self._last, found
