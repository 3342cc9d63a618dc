"""What happens to sessions, told to everyone who keeps or awaits it.

The only writer of records: each event of a placement, in order, becomes a changed record, a row for the
journal, a metric and an event of the feed, and wakes whoever waits for that session.  Runs in the front's
event loop; nothing here waits for a disk or a reader.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any, Final, Literal

from runtime.clock import Clock, iso
from runtime.dispatch.ages import Ages
from runtime.logs import get_logger
from runtime.metrics import Metrics
from runtime.session.crash import CrashReport, bare, of_record
from runtime.session.crash_store import CrashStore
from runtime.session.events import (
    Exited,
    Placed,
    Ready,
    Refused,
    SessionEvent,
    Started,
    Status,
    Stopping,
    Warned,
)
from runtime.session.exit_reasons import ExitReason
from runtime.session.feed import Feed
from runtime.session.journal.journal import Journal
from runtime.session.ledger import Ledger, usage_row
from runtime.session.record import Exit, SessionRecord
from runtime.session.restart import Again
from runtime.session.spec import SessionId
from runtime.session.usage import UsageBook
from runtime.wire import bounds

STATUS_S: Final = 0.5
"""Readers of the feed hear of a session's status at most this often."""

_log = get_logger("session_registry")


class SessionRegistry:
    """Records, and the ways to hear of their changes.

    Attributes:
        closed: Called, in order, with each record when its session is over.
        ages: How long sessions have run.
        book: What the sessions used that have no record any more.
        started_count: Processes that sessions got since the server began.
        crashed_count: Attempts since then that did not end well.
    """

    def __init__(
        self,
        *,
        journal: Journal,
        ledger: Ledger,
        feed: Feed,
        metrics: Metrics,
        clock: Clock,
        crashes: CrashStore | None = None,
    ) -> None:
        self._journal, self._ledger, self.feed = journal, ledger, feed
        self._metrics, self._clock, self._crashes = metrics, clock, crashes
        self._waiters: dict[SessionId, set[asyncio.Future[None]]] = {}
        self._news = asyncio.Event()
        self._status_at: dict[SessionId, float] = {}
        self._handed_over: set[SessionId] = set()
        self.closed: list[Callable[[SessionRecord], object]] = []
        self.ages = Ages(clock)
        self.book = UsageBook()
        self.started_count = self.crashed_count = 0
        ledger.forgotten = self._forgotten

    # ---- what is known

    def __contains__(self, session_id: object) -> bool:
        return session_id in self._ledger

    def record(self, session_id: str) -> SessionRecord:
        """One record; raises SessionNotFound."""
        return self._ledger.get(session_id)

    def live(self) -> Iterator[SessionRecord]:
        """Records of sessions that have not ended, oldest first."""
        return self._ledger.live()

    def ended(self) -> Iterator[SessionRecord]:
        """Kept records of sessions that have, latest first."""
        return self._ledger.ended()

    # ---- waiting

    async def wait(
        self, session_id: str, *, until: Literal["settled", "exited"], timeout_s: float | None
    ) -> SessionRecord:
        """The record once the session is over, or `timeout_s` has passed.

        ``settled`` also returns it once it is ready, and when it failed and waits for its next attempt.
        One that is left to the next run of the server is returned as well, still ``accepted``.

        Raises:
            SessionNotFound: There is no record of it.
        """
        record = self._ledger.get(session_id)
        key = record.spec.session_id
        try:
            async with asyncio.timeout(timeout_s):
                while record.exit is None and key not in self._handed_over:
                    if until == "settled" and _is_settled(record):
                        break
                    change: asyncio.Future[None] = asyncio.get_running_loop().create_future()
                    waiting = self._waiters.setdefault(key, set())
                    waiting.add(change)
                    try:
                        await change
                    finally:
                        waiting.discard(change)
                        if not waiting and self._waiters.get(key) is waiting:
                            del self._waiters[key]
        except TimeoutError:
            pass
        return record

    async def news(self, cursor: int) -> None:
        """Return once the feed has an event numbered above `cursor`."""
        while self.feed.last <= cursor:
            await self._news.wait()

    # ---- telling

    def announce(self, kind: str, data: dict[str, Any]) -> None:
        """Tell readers of the feed of something that is about no single session."""
        self._publish(kind, {"type": kind, "at": iso(self._clock.wall()), **data})

    def parked(self, endpoint: str, data: dict[str, Any]) -> None:
        """An input was put into quarantine."""
        self._metrics.input_parked(endpoint)
        self.announce("quarantine.parked", data)

    def restore(self, record: SessionRecord) -> None:
        """Take a record of an earlier run in, without telling anybody."""
        self._ledger.open(record)

    def open(self, record: SessionRecord) -> None:
        """A call was accepted and written down."""
        self._ledger.open(record)
        self._tell(record, "session.accepted", record.spec.accepted_at)

    def restarting(self, event: Exited, again: Again) -> None:
        """An attempt ended, and another one will follow."""
        record = self._ledger.restarting(event, event.at + again.delay_s)
        if record is None:
            return
        self.ages.ended(event.session_id)
        if not event.exit.reason.is_clean:
            self._crashed(record, event.report or bare(record, event.exit))
        is_moved = event.exit.reason.row.restart == "moved"
        if not is_moved:
            self._metrics.session_restarted(record.spec.endpoint)
        tell = _log.info if is_moved else _log.warning
        tell(
            "session.restarting",
            session_id=event.session_id,
            node_id=record.node_id,
            endpoint=record.spec.endpoint,
            reason=str(event.exit.reason),
            delay_s=round(again.delay_s, 3),
            restart=again.attempt,
            most=again.most,
        )
        self._tell(
            record,
            "session.restarting",
            event.at,
            exit=exit_json(event.exit),
            delay_s=round(again.delay_s, 3),
            restart=again.attempt,
            most=again.most,
        )
        self._journal.note(record)
        self._wake(event.session_id)

    def resumed(self, event: Exited, *, attempt: int, most: int) -> None:
        """A session ended with an earlier run of the server, and another attempt of it follows now.

        Args:
            attempt: Over so many deaths of the server.
            most: Of at most so many.
        """
        record = self._ledger.restarting(event, event.at)
        if record is None:
            return
        if not event.exit.reason.is_clean and self._crashes is not None:
            self._crashes.keep(bare(record, event.exit))
        self._metrics.session_restarted(record.spec.endpoint)
        self._tell(
            record,
            "session.restarting",
            event.at,
            exit=exit_json(event.exit),
            delay_s=0.0,
            attempt=attempt,
            most=most,
        )
        self._journal.note(record)

    def hand_over(self, session_id: SessionId, event: Exited | None = None) -> None:
        """Leave a session that did not come to run to the next run of the server, as a call that is accepted.

        Args:
            event: The end of its process, if it had one already.
        """
        self.ages.ended(session_id)
        if event is not None and (record := self._ledger.unstarted(event)) is not None:
            self._journal.note(record)
            self._tell(record, "session.accepted", event.at)
        self._handed_over.add(session_id)
        self._wake(session_id)

    def end(self, session_id: SessionId, reason: ExitReason, message: str) -> None:
        """Close a session that no placement will report on."""
        now = self._clock.wall()
        exit = Exit(reason=reason, message=message, at=now)
        record = self._ledger.end(session_id, exit)
        if record is None:
            return
        self._closed(record, exit, now)
        spec = record.spec
        _log.warning(  # of the others the placement says this line, which knows more
            "session.exited",
            session_id=session_id,
            attempt=record.generation,
            endpoint=spec.endpoint,
            identity=spec.identity,
            room=spec.room,
            pid=record.pid,
            reason=str(reason),
            message=message,
            duration_s=round(max(0.0, now - spec.accepted_at), 3),
        )

    def take(self, event: SessionEvent) -> None:
        """Something happened to a session; what cannot follow from what is known is ignored."""
        if isinstance(event, Status) and self._may_tell_status(event):
            known = self._ledger.get(event.session_id)
            self._tell(known, "session.status", event.at, status=bounds.status(event.values))
        if isinstance(event, Warned) and event.session_id in self._ledger:
            known = self._ledger.get(event.session_id)
            self._tell(known, "session.warned", event.at, kind=event.kind, message=event.message)
        if isinstance(event, Refused) and event.session_id in self._ledger:
            known = self._ledger.get(event.session_id)
            for one in event.found:
                self._tell(known, "confinement.refused", event.at, **one)
        record = self._ledger.apply(event)
        if record is None:
            return
        endpoint = record.spec.endpoint
        match event:
            case Placed():
                self._tell(record, "session.placed", event.at)
            case Started():
                self.started_count += 1
                self.ages.started(event.session_id)
                self._metrics.session_started(endpoint)
                self._tell(record, "session.started", event.at, pid=event.pid, parked=event.parked)
            case Ready():
                self.ages.ready(event.session_id)
                self._metrics.session_ready(endpoint, event.start_ms / 1000, record.spec.example)
                self._tell(record, "session.ready", event.at, start_ms=round(event.start_ms, 1))
            case Stopping():
                self._tell(record, "session.stopping", event.at, reason=event.reason)
            case Exited():
                self._closed(record, event.exit, event.at, event.report)
                return
            case _:
                pass
        self._journal.note(record)
        self._wake(event.session_id)

    def _closed(
        self, record: SessionRecord, exit: Exit, at: float, report: CrashReport | None = None
    ) -> None:
        spec = record.spec
        record.lived_s = self.ages.ended(spec.session_id)
        self._journal.note(record)
        self._metrics.session_ended(
            spec.endpoint, exit.reason, cpu_s=record.cpu_s, log_lines_dropped=record.log_lines_dropped
        )
        used = record.usage
        self._metrics.session_used(
            spec.endpoint,
            memory_byte_seconds=used.memory_byte_s,
            log_bytes=used.log_bytes,
            relay_bytes=used.relay_bytes,
            turns=used.turns,
            input_tokens=used.tokens_in,
            output_tokens=used.tokens_out,
        )
        self._status_at.pop(spec.session_id, None)
        for listener in self.closed:
            listener(record)
        self._tell(record, "session.exited", at, exit=exit_json(exit))
        if not exit.reason.is_clean:
            self._crashed(record, report or bare(record, exit))
        self._wake(spec.session_id)

    def _crashed(self, record: SessionRecord, report: CrashReport) -> None:
        """A session, or one attempt of it, did not end well; from here on its report is found."""
        report = of_record(report, record)
        if self._crashes is not None:
            self._crashes.keep(report)
        self.crashed_count += 1
        self._metrics.session_crashed(record.spec.endpoint, report.exit.reason)
        about = {
            "reason": str(report.exit.reason),
            "fingerprint": report.fingerprint,
            "sentence": report.sentence,
            "where": report.where,
            "cure": report.cure,
        }
        siblings = 0
        if report.exit.reason.row.whose != "server":  # what the server did, it did to all of them
            siblings = sum(1 for other in self._ledger.live() if other is not record and other.ready_at)
        spec = record.spec
        _log.warning(
            "session.crashed",
            session_id=spec.session_id,
            node_id=record.node_id,
            endpoint=spec.endpoint,
            identity=spec.identity,
            room=spec.room,
            siblings=siblings,
            **about,
        )
        self._tell(record, "session.crashed", report.at, siblings=siblings, **about)

    def _tell(self, record: SessionRecord, kind: str, at: float, /, **more: Any) -> None:
        spec = record.spec
        data: dict[str, Any] = {
            "type": kind,
            "at": iso(at),
            "session": spec.session_id,
            "endpoint": spec.endpoint,
            "identity": spec.identity,
            "room": spec.room,
            "attempt": record.generation,
            "code_generation": record.code_generation,
            "generation": record.generation,  # as the attempt was called before
            "node": record.node_id,
            "boot": record.boot,
        }
        self._publish(kind, data | more)

    def _may_tell_status(self, event: Status) -> bool:
        # A worker may say a thousand things a second; the feed's buffer is everybody's.
        last = self._status_at.get(event.session_id)
        if event.session_id not in self._ledger or (last is not None and 0 <= event.at - last < STATUS_S):
            return False
        if self._ledger.get(event.session_id).exit is None:
            self._status_at[event.session_id] = event.at
        return True

    def _forgotten(self, record: SessionRecord) -> None:
        # In one batch with the deletion of the session's own row: nothing is counted twice, or never.
        self._journal.note_usage(self.book.add(usage_row(record, self._clock.wall())))
        self._journal.forget(record.spec.session_id)

    def _publish(self, kind: str, data: dict[str, Any]) -> None:
        self.feed.publish(kind, data)
        self._news.set()
        self._news = asyncio.Event()

    def _wake(self, session_id: SessionId) -> None:
        for change in self._waiters.pop(session_id, ()):
            if not change.done():
                change.set_result(None)


def _is_settled(record: SessionRecord) -> bool:
    return record.ready_at is not None or record.restart_at is not None


def exit_json(exit: Exit) -> dict[str, Any]:
    """An exit as the API shows it."""
    return {
        "reason": str(exit.reason),
        "code": exit.code,
        "signal": exit.signal,
        "message": exit.message,
        "at": iso(exit.at),
    }
