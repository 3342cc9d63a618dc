"""What happens to sessions, as spans: made of the same events as their records.

Theory: a session's own span is known, by its id, before anything of it has happened, and stands in its spec;
so whoever has a part in it (another process, another machine, the next run of the server) can say what it is
a part of.  The steps of a start follow each other: each begins where the one before it ended.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from runtime.clock import Clock
from runtime.session.events import Exited, Placed, SessionEvent, Started, Traced
from runtime.session.record import SessionRecord
from runtime.session.spec import SessionId, SessionSpec, Tracing
from runtime.telemetry import names as at
from runtime.telemetry.context import Sampler, TraceContext, before
from runtime.telemetry.turn_steps import STEP, steps_of
from runtime.wire.spans import Attributes, Span, Value, bounded

Emit = Callable[[Span, SessionSpec | None, str], None]
"""Takes a finished span, the session that measured it (None: the server), and what its program is called."""
Note = Callable[[str, str, dict[str, Any]], None]
MAX_REQUEST_PATH_CHARS: Final = 200
_MESSAGE_EVENTS: Final = "gen_ai."
"""What events are called whose attributes are messages."""


class Request:
    """A call on its way to become a session.

    Attributes:
        context: Its span's; None while nothing is traced.
        session: The span of the session that it may become.
        parent_id: The caller's span; empty where it begins the trace.
    """

    __slots__ = ("context", "parent_id", "session")

    def __init__(self, context: TraceContext | None, session: TraceContext | None, parent_id: str) -> None:
        self.context, self.session, self.parent_id = context, session, parent_id


class SessionSpans:
    """The spans of one server's calls and sessions.  Runs in: the front's event loop.

    Args:
        emit: Takes finished spans, and must not wait; None: nothing is traced.
        dropped: Told how many spans of sessions were left out.
        note: Writes an entry into a room's developer log: the room, its kind, what it says.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        emit: Emit | None = None,
        sampler: Sampler | None = None,
        content: bool = False,
        dropped: Callable[[int], None] = lambda _: None,
        note: Note | None = None,
    ) -> None:
        self._clock, self._emit, self._sampler = clock, emit, sampler or Sampler()
        self._content, self._dropped, self._note = content, dropped, note
        self._since: dict[SessionId, float] = {}  # where the next step of its start begins
        self._services: dict[SessionId, str] = {}

    @property
    def is_on(self) -> bool:
        return self._emit is not None

    # ---- calls

    def asked(self, header: str) -> Request:
        """A call came, with this ``traceparent`` or none."""
        if self._emit is None:
            return Request(None, None, "")
        caller = TraceContext.read(header)
        began = caller or TraceContext.begin()
        sampled = self._sampler.takes(began.trace_id, caller)
        session = TraceContext(began.trace_id, began.child().span_id, sampled)
        context = TraceContext(began.trace_id, before(session.span_id), sampled)
        return Request(context, session, caller.span_id if caller is not None else "")

    def answered(
        self,
        request: Request,
        method: str,
        path: str,
        began_at: float,
        attributes: Mapping[str, Value],
        error: str,
    ) -> None:
        """The call was answered; `began_at` in seconds since the epoch."""
        if request.context is None:
            return
        path = path[:MAX_REQUEST_PATH_CHARS]
        self._send(
            Span(
                name=f"{method} {path}",
                trace_id=request.context.trace_id,
                span_id=request.context.span_id,
                parent_id=request.parent_id,
                began_ns=_ns(began_at),
                ended_ns=_ns(self._clock.wall()),
                kind="server",
                attributes={at.HTTP_METHOD: method, at.HTTP_ROUTE: path, **attributes},
                error=error,
            ),
            sampled=request.context.sampled,
        )

    def tracing(self, header: str) -> tuple[str, Tracing | None]:
        """What a session's spec says of its trace: its ``traceparent``, and how it is traced.

        Args:
            header: Of the session itself (`Request.session`), or of a caller who knows nothing of sessions.
        """
        if self._emit is None:
            return header, None
        given = TraceContext.read(header)
        if given is None:
            given = TraceContext.begin()
            given = TraceContext(given.trace_id, given.span_id, self._sampler.takes(given.trace_id, None))
            return given.header(), Tracing(content=self._content)
        return given.header(), Tracing(asked=True, content=self._content)

    # ---- sessions

    def accepted(self, spec: SessionSpec) -> None:
        """A call was written down."""
        if self._is_traced(spec):
            now = self._clock.wall()
            self._step(spec, 1, "session.accept", spec.accepted_at, now, {})
            self._since[spec.session_id] = now

    def heard(self, event: SessionEvent, record: SessionRecord) -> None:
        """Something happened to a session, whose record knows it already."""
        spec = record.spec
        if isinstance(event, Traced) and self._note is not None and spec.own_room:
            for entry in steps_of(event.spans):
                self._note(spec.own_room, STEP, entry)
        if not self._is_traced(spec):
            return
        match event:
            case Placed():
                earlier = spec.accepted_at if record.last_exit is None else record.last_exit.at
                began = self._since.get(spec.session_id, earlier)
                self._step(spec, event.generation, "session.queue", began, event.at, {})
                self._since[spec.session_id] = event.at
            case Started():
                began = self._since.get(spec.session_id, event.at)
                more: Attributes = {at.PID: event.pid}
                if record.node_id and record.node_id != "local":
                    more[at.NODE] = record.node_id
                self._step(spec, record.generation, "session.fork", began, event.at, more)
            case Exited():
                self._since[spec.session_id] = event.at
            case Traced():
                self._take(spec, event)
            case _:
                pass

    def closed(self, record: SessionRecord) -> None:
        """A session is over."""
        spec = record.spec
        self._since.pop(spec.session_id, None)
        own = TraceContext.read(spec.traceparent) if self._is_traced(spec) else None
        if own is None or record.exit is None:
            self._services.pop(spec.session_id, None)
            return
        reason = record.exit.reason
        attributes: Attributes = {
            at.ENDPOINT: spec.endpoint,
            at.IDENTITY: spec.identity,
            at.ROOM: spec.room,
            at.BUNDLE: spec.bundle,
            at.ATTEMPT: record.generation,
            at.REASON: str(reason),
            at.CPU: round(record.cpu_s, 3),
            at.PEAK_RSS: record.peak_rss_bytes,
        }
        if not reason.is_clean:
            attributes[at.ERROR] = str(reason)
        self._send(
            Span(
                name=f"session {spec.identity}",
                trace_id=own.trace_id,
                span_id=own.span_id,
                parent_id=before(own.span_id) if spec.tracing and spec.tracing.asked else "",
                began_ns=_ns(spec.accepted_at),
                ended_ns=_ns(record.exit.at),
                attributes={at.SESSION_ID: spec.session_id, **attributes},
                error="" if reason.is_clean else str(reason),
            )
        )
        self._services.pop(spec.session_id, None)

    def service(self, session_id: SessionId) -> str:
        """What a session's program calls itself; empty where it did not say."""
        return self._services.get(session_id, "")

    # ---- within

    def _is_traced(self, spec: SessionSpec) -> bool:
        if self._emit is None or spec.tracing is None:
            return False
        own = TraceContext.read(spec.traceparent)
        return own is not None and own.sampled

    def _take(self, spec: SessionSpec, event: Traced) -> None:
        if event.service:
            self._services[spec.session_id] = event.service[:MAX_REQUEST_PATH_CHARS]
        left_out = event.dropped
        content = spec.tracing is not None and spec.tracing.content
        for span in event.spans:
            kept = bounded(span, content=content)
            if kept is None:
                left_out += 1
                continue
            kept = kept if content else _without_content(kept)
            said = {**kept.attributes, at.SESSION_ID: spec.session_id}
            self._send(msgspec.structs.replace(kept, attributes=said), of=spec)
        if left_out > 0:
            self._dropped(left_out)

    def _step(
        self, spec: SessionSpec, attempt: int, name: str, began: float, ended: float, more: Attributes
    ) -> None:
        own = TraceContext.read(spec.traceparent)
        if own is None:
            return
        self._send(
            Span(
                name=name,
                trace_id=own.trace_id,
                span_id=own.child().span_id,
                parent_id=own.span_id,
                began_ns=_ns(began),
                ended_ns=_ns(max(began, ended)),
                attributes={at.SESSION_ID: spec.session_id, at.ATTEMPT: attempt, **more},
            )
        )

    def _send(self, span: Span, *, of: SessionSpec | None = None, sampled: bool = True) -> None:
        if self._emit is not None and sampled:
            self._emit(span, of, "" if of is None else self.service(of.session_id))


def _ns(seconds: float) -> int:
    return int(seconds * 1e9)


def _without_content(span: Span) -> Span:
    said = {name: value for name, value in span.attributes.items() if not at.is_content(name)}
    events = [
        msgspec.structs.replace(
            one,
            attributes={}
            if one.name.startswith(_MESSAGE_EVENTS)
            else {name: value for name, value in one.attributes.items() if not at.is_content(name)},
        )
        for one in span.events
    ]
    return msgspec.structs.replace(span, attributes=said, events=events)
