"""The records of all sessions: what is known of each one, kept while it lives and some time after.  Pure.

Events come in the order of `runtime.session.events` for one session.  An event that cannot follow what is
already known (late, repeated, of a session nobody opened) changes nothing: what ended stays ended.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import msgspec
from msgspec.structs import replace

from runtime.errors import InvalidTransition, SessionNotFound
from runtime.session.events import Exited, Placed, Ready, Refused, SessionEvent, Started, Status, Stopping
from runtime.session.record import Exit, SessionRecord
from runtime.session.spec import SessionId
from runtime.session.usage import UsageRow, claimed, said


class Ledger:
    """All records by session id.

    Args:
        history_count: Ended sessions that are kept; the one that ended first goes first.
        history_bytes: What their arguments may come to together.

    Attributes:
        forgotten: Called with each record that goes.
    """

    def __init__(self, *, history_count: int, history_bytes: int = 64 << 20) -> None:
        self._history_count, self._history_bytes = history_count, history_bytes
        self._sizes: dict[SessionId, int] = {}
        self._kept_bytes = 0
        self.forgotten: Callable[[SessionRecord], object] = lambda _: None
        self._live: dict[SessionId, SessionRecord] = {}
        self._ended: dict[SessionId, SessionRecord] = {}

    def __contains__(self, session_id: object) -> bool:
        return session_id in self._live or session_id in self._ended

    def open(self, record: SessionRecord) -> None:
        """Take a record in; an ended one goes straight to the history.

        Raises:
            InvalidTransition: There is one of that id.
        """
        session_id = record.spec.session_id
        if session_id in self:
            raise InvalidTransition(f"session {session_id} exists already")
        record.last_exit = record.last_exit and record.last_exit.recorded()
        if record.exit is None:
            self._live[session_id] = record
        else:
            record.exit = record.exit.recorded()
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
                record.generation, record.state, record.restart_at = event.generation, "starting", None
                record.restarts = max(0, event.generation - 1 - record.moves)
                record.node_id, record.boot = event.node_id, event.boot
            case Started():
                record.state, record.pid, record.started_at = "starting", event.pid, event.at
                record.code_generation = event.code_generation
                record.confinement, record.refused = event.confinement, {}
            case Ready():
                if record.state == "stopping":  # asked to stop while it was starting
                    return None
                record.state, record.ready_at, record.was_ready = "ready", event.at, True
            case Status():
                claims = claimed(record.claims, event.values)
                if claims == record.claims:
                    return None
                record.claims = claims
                record.messages = record.usage.messages + claims.get("messages", 0)
            case Refused():
                record.refused = dict(event.counts)
            case Stopping():
                record.state, record.stopping = "stopping", record.stopping or event.reason
            case Exited():
                self._add_up(record, event)
                self.end(event.session_id, event.exit)
            case _:
                return None
        return record

    def end(self, session_id: SessionId, exit: Exit) -> SessionRecord | None:
        """Close a record; None when it is closed already or was never open."""
        record = self._live.pop(session_id, None)
        if record is None:
            return None
        record.state, record.exit = "exited", exit.recorded()
        self._keep(record)
        return record

    def restarting(self, event: Exited, restart_at: float) -> SessionRecord | None:
        """An attempt ended and another will follow; None when the session is closed or unknown."""
        record = self._live.get(event.session_id)
        if record is None:
            return None
        self._add_up(record, event)
        record.state, record.pid, record.started_at, record.ready_at = "starting", None, None, None
        record.last_exit, record.restart_at, record.stopping = event.exit.recorded(), restart_at, ""
        record.moves += 1 if event.exit.reason.row.restart == "moved" else 0
        return record

    def unstarted(self, event: Exited) -> SessionRecord | None:
        """Its process ended before it was ready, and the call is as it was accepted; None when closed."""
        record = self._live.get(event.session_id)
        if record is None:
            return None
        self._add_up(record, event)
        record.state, record.pid, record.started_at, record.stopping = "accepted", None, None, ""
        record.generation += 1  # the attempt that comes is another one
        return record

    def _add_up(self, record: SessionRecord, event: Exited) -> None:
        claims, use = record.claims, event.use
        record.usage = record.usage.plus(
            replace(
                said(claims),
                cpu_s=max(use.cpu_s, event.cpu_s),
                memory_byte_s=use.memory_byte_seconds,
                peak_bytes=max(use.peak_pss_bytes or use.peak_rss_bytes, 0),
                log_bytes=event.log_bytes,
                relay_bytes=event.relay_bytes,
            )
        )
        record.claims = {}
        record.usage = replace(record.usage, restarts=record.restarts)
        record.peak_rss_bytes = max(record.peak_rss_bytes, event.peak_rss_bytes, use.peak_rss_bytes)
        record.cpu_s = record.usage.cpu_s
        record.log_lines_dropped += event.log_lines_dropped

    def _keep(self, record: SessionRecord) -> None:
        session_id = record.spec.session_id
        self._ended[session_id] = record
        self._sizes[session_id] = size = _size_of(record.spec.arguments)
        self._kept_bytes += size
        while len(self._ended) > self._history_count or (
            self._kept_bytes > self._history_bytes and len(self._ended) > 1
        ):
            over = next((key for key, one in self._ended.items() if not one.is_due), None)
            if over is None:
                break  # bounded all the same: they are no more than may live at once
            self._kept_bytes -= self._sizes.pop(over)
            self.forgotten(self._ended.pop(over))


def _size_of(arguments: dict[str, Any]) -> int:
    try:
        return len(msgspec.json.encode(arguments))
    except (TypeError, ValueError):
        return 0  # nothing that a caller can have sent


def usage_row(record: SessionRecord, now: float) -> UsageRow:
    """What a session used in all its attempts, as far as it is known yet."""
    spec, claims = record.spec, record.claims
    usage = replace(record.usage.plus(said(claims)), sessions=1, restarts=record.restarts)
    return UsageRow(
        session_id=spec.session_id,
        endpoint=spec.endpoint,
        identity=spec.identity,
        room=spec.room,
        usage=usage,
        at=now if record.exit is None else record.exit.at,
    )
