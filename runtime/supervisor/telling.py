"""Tell what becomes of one session: an event for whoever follows it, and a line of the log."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec
import structlog

from runtime.clock import Clock
from runtime.confinement.policy import shown
from runtime.confinement.refusal import Explained, Refusal, line
from runtime.process.worker_process import WorkerProcess
from runtime.session import events
from runtime.session.crash import CrashReport
from runtime.session.exit_reasons import ExitReason
from runtime.session.info import LogLine
from runtime.session.record import Exit
from runtime.session.spec import SessionSpec
from runtime.session.use import Use
from runtime.settings import SupervisorSettings
from runtime.supervisor.carried.relay import Relay
from runtime.supervisor.logbook import LogBook
from runtime.supervisor.reports.post_mortem import PostMortem
from runtime.supervisor.server_lines import Allowance, ServerLines
from runtime.supervisor.watch.instruments import Instruments
from runtime.telemetry.context import TraceContext
from runtime.wire import control
from runtime.wire.spans import Spans

MAX_SPANS: Final = 2000
"""So many of a session at once, then `SPANS_PER_S` a second; the rest is counted."""
SPANS_PER_S: Final = 100

log = structlog.get_logger("supervisor")


class Telling:
    """The events of one attempt of a session, in order.  Runs in: the front's event loop.

    Args:
        publish: Takes each event; may not block.
        shown: What all sessions together may print to the server's own log.

    Attributes:
        logbook: What its process printed.
    """

    def __init__(
        self,
        spec: SessionSpec,
        *,
        clock: Clock,
        publish: Callable[[events.SessionEvent], None],
        post_mortem: PostMortem,
        instruments: Instruments,
        logbook: LogBook,
        settings: SupervisorSettings,
        shown: Allowance,
    ) -> None:
        self._spec = spec
        self._clock = clock
        self._publish = publish
        self._post_mortem = post_mortem
        self._instruments = instruments
        self.logbook = logbook
        self._placed_at = clock.now()
        self._log = log.bind(
            session_id=spec.session_id, room=spec.room, endpoint=spec.endpoint, identity=spec.identity
        )
        if (trace := TraceContext.read(spec.traceparent)) is not None:
            self._log = self._log.bind(trace_id=trace.trace_id, span_id=trace.span_id)
        self._spans_left, self._spans_at = float(MAX_SPANS), clock.now()
        self._shown = ServerLines(self._log, "worker.printed", settings, clock, shown)

    def started(self, pid: int, *, parked: bool, worker: WorkerProcess | None) -> None:
        """It has a process."""
        self._log.info("worker.started", pid=pid, parked=parked)
        code = worker.code if worker is not None else None
        self._publish(
            events.Started(
                session_id=self._spec.session_id,
                at=self._clock.wall(),
                pid=pid,
                parked=parked,
                code_generation=code.code.generation if code else 0,
                confinement={} if worker is None else _confinement(worker),
            )
        )

    def ready(self, participant_id: str) -> None:
        """It is in its room."""
        start_ms = round((self._clock.now() - self._placed_at) * 1000, 3)
        self._log.info("worker.ready", start_ms=start_ms)
        self._publish(
            events.Ready(
                session_id=self._spec.session_id,
                at=self._clock.wall(),
                start_ms=start_ms,
                participant_id=participant_id,
            )
        )

    def said(self, message: control.StatusNow | Spans) -> None:
        """It said this about itself, or about its work."""
        if isinstance(message, Spans):
            self._traced(message)
            return
        self._publish(
            events.Status(
                session_id=self._spec.session_id, at=self._clock.wall(), values=dict(message.values)
            )
        )

    def _traced(self, message: Spans) -> None:
        if self._spec.tracing is None:  # nobody asked, but its room for the steps of its turns
            message = msgspec.structs.replace(message, spans=[one for one in message.spans if one.turn])
            if not message.spans:
                return
        now = self._clock.now()
        gained = (now - self._spans_at) * SPANS_PER_S
        self._spans_left, self._spans_at = min(float(MAX_SPANS), self._spans_left + gained), now
        kept = tuple(message.spans[: int(self._spans_left)])
        self._spans_left -= len(kept)
        self._publish(
            events.Traced(
                session_id=self._spec.session_id,
                at=self._clock.wall(),
                spans=kept,
                dropped=max(0, message.dropped) + len(message.spans) - len(kept),
                service=message.service,
            )
        )

    def printed(self, text: str) -> None:
        """Its process printed a line."""
        line = self.logbook.write(text, self._clock.wall())
        self._shown.write(line.text, line.level, stream=line.stream, **marks_of(line))

    def warned(self, kind: str, message: str, stack: str) -> None:
        """Something is wrong with it, for which it is not ended."""
        warning = events.Warned(
            session_id=self._spec.session_id,
            at=self._clock.wall(),
            kind=kind,
            message=message,
            stack=stack,
        )
        self._log.warning("worker.warned", kind=kind, message=message)
        self._post_mortem.warned(warning)
        self._publish(warning)

    def refused(self, found: Sequence[tuple[Refusal, Explained]], counts: Mapping[str, int]) -> None:
        """Its confinement refused something, for which it is not ended."""
        for refusal, explained in found:
            self.logbook.tell(line(refusal, explained), self._clock.wall())
            self._log.warning(
                "confinement.refused",
                rule=refusal.rule,
                what=refusal.what,
                message=explained.sentence,
                cure=explained.cure,
            )
        self._publish(
            events.Refused(
                session_id=self._spec.session_id,
                at=self._clock.wall(),
                found=tuple(
                    {
                        "rule": refusal.rule,
                        "what": refusal.what,
                        "message": line(refusal, explained),
                        "cure": explained.cure,
                    }
                    for refusal, explained in found
                ),
                counts=dict(counts),
            )
        )

    def stopping(self, reason: ExitReason) -> None:
        """It is asked to end."""
        self._log.info("worker.stop_requested", reason=reason.value)
        self._publish(
            events.Stopping(session_id=self._spec.session_id, at=self._clock.wall(), reason=reason.value)
        )

    def killed(self, number: signal.Signals) -> None:
        """Its process was sent a signal that ends it."""
        self._log.warning("worker.killed", signal=number.name)

    def exited(self, how: Exit, *, worker: WorkerProcess | None, relay: Relay | None) -> None:
        """It has ended, and so has its process."""
        at, use = self._clock.wall(), self._instruments.meter.use(self._clock.now())
        ended = events.Exited(
            session_id=self._spec.session_id,
            at=at,
            exit=(how := msgspec.structs.replace(how, at=at).bounded()),
            peak_rss_bytes=use.peak_rss_bytes,
            cpu_s=use.cpu_s,
            log_lines_dropped=worker.lines_dropped if worker is not None else 0,
            use=use,
            log_bytes=worker.log_bytes if worker is not None else 0,
            # What a session without a network says to its room is no caller's socket.
            relay_bytes=relay.carried_bytes if relay is not None and self._spec.relay else 0,
            report=self._report(how, use, worker),
        )
        tell = self._log.info if how.reason.is_clean else self._log.warning
        tell(
            "session.exited",
            reason=how.reason.value,
            code=how.code,
            signal=how.signal,
            message=how.message,
            duration_s=round(self._clock.now() - self._placed_at, 3),
            peak_rss_bytes=ended.peak_rss_bytes,
            log_lines_dropped=ended.log_lines_dropped,
        )
        self._publish(ended)

    def released(self) -> None:
        """Nothing of its process is left."""
        self._publish(events.Released(session_id=self._spec.session_id, at=self._clock.wall()))

    def _report(self, how: Exit, use: Use, worker: WorkerProcess | None) -> CrashReport | None:
        """What is written down of an end that was not well; None of one that was, or when that fails."""
        if how.reason.is_clean:
            return None
        try:
            return self._post_mortem.report(
                how,
                after_s=round(self._clock.now() - self._placed_at, 3),
                log=self.logbook.after(0),
                log_lines_dropped=worker.lines_dropped if worker is not None else 0,
                use=use,
            )
        except Exception:  # noqa: BLE001 - its end is told all the same
            self._log.exception("session.report_failed")
            return None


def _confinement(worker: WorkerProcess) -> dict[str, Any]:
    policy = shown(worker.policy)
    return policy and {**policy, **worker.upheld}


def marks_of(line: LogLine) -> dict[str, str]:
    """Where a line belongs, where it says so itself."""
    return {"trace_id": line.trace_id, "span_id": line.span_id} if line.trace_id else {}
