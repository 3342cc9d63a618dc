"""The records of all sessions: what is known of each one, kept while it lives and some time after.  Pure.

Events come in the order of `runtime.session.events` for one session.  An event that cannot follow what is
already known (late, repeated, of a session nobody opened) changes nothing: what ended stays ended.
"""

from __future__ import annotations

from collections.abc import Iterator

from runtime.errors import InvalidTransition, SessionNotFound
from runtime.session.events import Exited, Placed, Ready, SessionEvent, Started, Status, Stopping
from runtime.session.record import Exit, SessionRecord
from runtime.session.spec import SessionId


class Ledger:
    """All records by session id.

    Args:
        history_count: Ended sessions that are kept; the one that ended first goes first.
    """

    def __init__(self, *, history_count: int) -> None:
        self._history_count = history_count
        self._live: dict[SessionId, SessionRecord] = {}
        self._ended: dict[SessionId, SessionRecord] = {}

    def __contains__(self, session_id: SessionId) -> bool:
        return session_id in self._live or session_id in self._ended

    @property
    def live_count(self) -> int:
        """Sessions that have not ended."""
        return len(self._live)

    def open(self, record: SessionRecord) -> None:
        """Take a record in; an ended one goes straight to the history.

        Raises:
            InvalidTransition: There is one of that id.
        """
        session_id = record.spec.session_id
        if session_id in self:
            raise InvalidTransition(f"session {session_id} exists already")
        if record.exit is None:
            self._live[session_id] = record
        else:
            self._keep(record)

    def drop(self, session_id: SessionId) -> None:
        """Forget a session that never came to be."""
        self._live.pop(session_id, None)

    def get(self, session_id: str) -> SessionRecord:
        """One record.

        Raises:
            SessionNotFound: Never there, or gone with the oldest history.
        """
        key = SessionId(session_id)
        record = self._live.get(key) or self._ended.get(key)
        if record is None:
            raise SessionNotFound(
                f"no session {session_id[:40]}", cure="GET /workers?all=1 lists the ones that are known."
            )
        return record

    def live(self) -> Iterator[SessionRecord]:
        """Sessions that have not ended, oldest first."""
        return iter(list(self._live.values()))

    def ended(self) -> Iterator[SessionRecord]:
        """Kept sessions that have ended, the last one to end first."""
        return iter(list(reversed(self._ended.values())))

    def apply(self, event: SessionEvent) -> SessionRecord | None:
        """Write an event into its record; None when nothing changed."""
        record = self._live.get(event.session_id)
        if record is None:
            return None
        match event:
            case Placed():
                record.generation = event.generation
                record.restarts = max(0, event.generation - 1)
            case Started():
                record.state, record.pid, record.started_at = "starting", event.pid, event.at
            case Ready():
                if record.state == "stopping":  # asked to stop while it was starting
                    return None
                record.state, record.ready_at = "ready", event.at
            case Status():
                count = event.values.get("messages")
                if not isinstance(count, int) or count == record.messages:
                    return None
                record.messages = count
            case Stopping():
                record.state = "stopping"
            case Exited():
                record.peak_rss_bytes, record.cpu_s = event.peak_rss_bytes, event.cpu_s
                record.log_lines_dropped = event.log_lines_dropped
                self.end(event.session_id, event.exit)
            case _:
                return None
        return record

    def end(self, session_id: SessionId, exit: Exit) -> SessionRecord | None:
        """Close a record; None when it is closed already or was never open."""
        record = self._live.pop(session_id, None)
        if record is None:
            return None
        record.state, record.exit = "exited", exit
        self._keep(record)
        return record

    def _keep(self, record: SessionRecord) -> None:
        self._ended[record.spec.session_id] = record
        while len(self._ended) > self._history_count:
            del self._ended[next(iter(self._ended))]
