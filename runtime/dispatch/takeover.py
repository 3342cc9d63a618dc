"""Take over what earlier runs of the server left in the journal: start it again, or close it.

Runs in the front's event loop, once, before the first call.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

from runtime.clock import Clock
from runtime.dispatch.fate import Fate, Takeover
from runtime.dispatch.launcher import Launcher
from runtime.dispatch.session_registry import SessionRegistry
from runtime.logs import get_logger
from runtime.session.admission import Admission
from runtime.session.events import Exited
from runtime.session.exit_reasons import ExitReason
from runtime.session.journal.journal import Journal
from runtime.session.record import Exit, SessionRecord
from runtime.session.spec import SessionId

_log = get_logger("dispatch")
_LOST = "The server ended while this session ran"
_CALLED_ANEW = "The server ended before this session was ready, and the next one was called anew"


class TakeoverRun:
    """One start's work.

    Args:
        last_end: How the server before this one ended, if its init knows: ``was killed by signal 9``.
    """

    def __init__(
        self,
        rules: Takeover,
        *,
        journal: Journal,
        registry: SessionRegistry,
        admission: Admission,
        launcher: Launcher,
        clock: Clock,
        last_end: str = "",
    ) -> None:
        self._rules, self._journal, self._registry = rules, journal, registry
        self._admission, self._launcher, self._clock = admission, launcher, clock
        self._last_end = last_end

    def run(self, records: Sequence[SessionRecord], adopted: Collection[SessionId] = ()) -> None:
        """Judge every record, and give those that run again their turn.

        Args:
            adopted: Of them, those that never ceased to run; they go on as they are.
        """
        kept = [record for record in records if record.spec.session_id in adopted]
        records = [record for record in records if record.spec.session_id not in adopted]
        now = self._clock.wall()
        fates = {record.spec.session_id: self._rules.fate(record, now) for record in records}
        died = any(record.exit is None and record.started_at is not None for record in records)
        # In the order of their ends, which is that in which they are forgotten; those that live at last.
        for record in sorted(records, key=lambda one: one.exit.at if one.exit else math.inf):
            self._restore(record, fates[record.spec.session_id])
        for record in kept:
            self._registry.restore(record)
            self._admission.restore(
                record.spec.session_id, endpoint=record.spec.endpoint, room=record.spec.own_room
            )
        if kept:
            _log.info("sessions.adopted", sessions=len(kept))
        again, resumed, lost = list[SessionRecord](), 0, 0
        for record in records:
            match fates[record.spec.session_id]:
                case Fate.OVER:
                    if record.is_due:
                        record.is_due = False  # from here on it is like any other that ended
                        self._journal.note(record)
                case Fate.OWED:
                    self._owe(record)
                    again.append(record)
                case Fate.RESUMED:
                    self._resume(record, now)
                    again.append(record)
                    resumed += 1
                case Fate.LOST | Fate.GIVEN_UP | Fate.CALLED_ANEW as fate:
                    self._close(record, fate)
                    lost += 1
        if again:
            _log.info("journal.replayed", count=len(again))
        self._tell(resumed, lost, len(kept), died=died)
        for record in again:
            self._launcher.enqueue(record, is_taken_over=True)

    def _restore(self, record: SessionRecord, fate: Fate) -> None:
        spec, runs = record.spec, fate in (Fate.OWED, Fate.RESUMED)
        if fate is Fate.RESUMED and record.exit is not None:
            record.last_exit, record.exit = record.exit, None
        self._registry.restore(record)
        if runs:
            self._admission.restore(spec.session_id, endpoint=spec.endpoint, room=spec.own_room)

    def _owe(self, record: SessionRecord) -> None:
        ran = record.started_at is not None
        waited = record.restart_at is not None  # for its next attempt, which comes a little sooner
        record.generation += 1 if ran or waited else 0
        record.takeovers += 1 if ran else 0
        record.state, record.pid, record.started_at, record.restart_at = "accepted", None, None, None

    def _resume(self, record: SessionRecord, now: float) -> None:
        if record.is_due and record.last_exit is not None:
            exit = record.last_exit  # it was stopped in order, which is no attempt that failed
        else:
            record.takeovers = self._rules.count(record, now)
            exit = Exit(reason=ExitReason.FRONT_LOST, message=_LOST, at=now)
        record.is_due, record.stopping = False, ""
        event = Exited(session_id=record.spec.session_id, at=now, exit=exit)
        self._registry.resumed(event, attempt=record.takeovers, most=self._rules.most)
        record.generation += 1
        record.state, record.restart_at = "accepted", None

    def _close(self, record: SessionRecord, fate: Fate) -> None:
        session_id = record.spec.session_id
        if fate is Fate.CALLED_ANEW:
            self._registry.end(session_id, ExitReason.FRONT_LOST, _CALLED_ANEW)
        elif fate is Fate.GIVEN_UP:
            message = f"{_LOST}; given up after {record.takeovers} deaths of the server"
            self._registry.end(session_id, ExitReason.FRONT_LOST, message)
        elif record.stopping and record.stopping != ExitReason.DRAINED.value:
            reason = ExitReason(record.stopping)
            self._registry.end(session_id, reason, f"{reason.row.sentence} The server ended meanwhile.")
        else:
            self._registry.end(session_id, ExitReason.FRONT_LOST, _LOST)

    def _tell(self, resumed: int, lost: int, kept: int, *, died: bool) -> None:
        """Once for all of them: what happened was the server's end, not that of each session."""
        if not (died or self._last_end):
            if resumed:
                _log.info("sessions.resumed", sessions=resumed)
                self._announce("was stopped", resumed, lost)
            return
        why = self._last_end or "ended without being stopped"
        what = f"{resumed} {_sessions(resumed)} started again"
        if kept:
            what = f"{kept} {'goes' if kept == 1 else 'go'} on at other machines, {what}"
        if lost:
            what += f", {lost} lost"
        _log.warning("server.was_lost", detail=f"the server {why}: {what}", sessions=resumed, lost=lost)
        self._announce(why, resumed, lost)

    def _announce(self, why: str, resumed: int, lost: int) -> None:
        self._registry.announce("server.resumed", {"reason": why, "sessions": resumed, "lost": lost})


def _sessions(count: int) -> str:
    return "session is" if count == 1 else "sessions are"
