"""A tracer provider of OpenTelemetry's API whose spans go where ours go.

It needs the API alone, which instrumented libraries bring, and starts no thread: a session tells what it
measured over the pipe that it has.  Spans of MeshAgent's SDK become ours (`meshagent.py` beside this one).
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, TraceFlags
from opentelemetry.trace.status import Status, StatusCode
from opentelemetry.util._decorator import _agnosticcontextmanager

from runtime.telemetry import names as at
from runtime.telemetry.context import TraceContext
from runtime.telemetry.program import meshagent
from runtime.telemetry.tracer import Tracer
from runtime.wire.spans import (
    BEYOND_CHARS,
    MAX_EVENTS,
    MAX_TEXT_CHARS,
    Attributes,
    Span,
    SpanEvent,
    Value,
    cut_attributes,
)

MAX_DEPTH: Final = 200
_OF_MODEL: Final = ("model", "provider")
_KINDS: Final = {
    SpanKind.INTERNAL: "internal",
    SpanKind.SERVER: "server",
    SpanKind.CLIENT: "client",
    SpanKind.PRODUCER: "producer",
    SpanKind.CONSUMER: "consumer",
}


class ProgramSpan(trace.Span):
    """One that the program measures.

    Attributes:
        visible: Of what is below it a part is told: itself, or what is above it.
        part: What it becomes.
    """

    def __init__(
        self,
        owner: Provider,
        scope: str,
        name: str,
        above: ProgramSpan | None,
        parent: TraceContext | None,
        kind: SpanKind,
        began_ns: int,
    ) -> None:
        self._owner, self._scope, self._name, self._kind = owner, scope, name, kind
        self.above, self._parent = above, parent
        self.context = parent.child() if parent is not None else TraceContext.begin()
        self.part = meshagent.part_of(scope, name)
        if self.part == "turn" and any(one.part == "turn" for one in self._line()):
            self.part = "nothing"
        self.visible: TraceContext | None = self.context if self.part != "nothing" else parent
        self._began_ns, self._attributes = began_ns, dict[str, Any]()
        self._events, self._error = list[SpanEvent](), ""
        self._is_over = False
        self._answered_ns, self._answer = 0, dict[str, Value]()

    def end(self, end_time: int | None = None) -> None:
        if self._is_over:
            return
        self._is_over = True
        ended_ns = end_time or time.time_ns()
        content = self._owner.tracer.content
        if self.part == "nothing":
            self._tell_above()
            self._tell_model(content)
            return
        parent = self._parent
        turn, thread = self._turn()
        if self.part == "tool":  # called because of an answer, not as a part of the request
            above = next((one for one in self._line() if one.part == "turn"), None)
            parent = above.context if above is not None else parent
        name, kind, attributes = self._name, _KINDS.get(self._kind, "internal"), _plain(self._attributes)
        if self.part != "own":
            said = {**self._above(), **self._attributes}
            name, kind, attributes = meshagent.named(
                self.part, self._name, self._owner.agent, said, content=content
            )
            if self.part == "model":
                attributes.update(self._answer)
                ended_ns = self._answered_ns or ended_ns
        if self._error:
            attributes[at.ERROR] = self._error
        self._owner.tracer.finished(
            Span(
                name=name,
                trace_id=self.context.trace_id,
                span_id=self.context.span_id,
                parent_id=parent.span_id if parent is not None else "",
                began_ns=self._began_ns,
                ended_ns=ended_ns,
                kind=kind,
                attributes=cut_attributes(attributes, self._owner.tracer.most_chars + BEYOND_CHARS),
                events=self._events if self.part == "own" else [],
                error=self._error,
                scope=self._scope if self.part == "own" else "",
                turn=turn,
                thread=thread,
            )
        )

    def get_span_context(self) -> SpanContext:
        return as_span_context(self.context)

    def set_attributes(self, attributes: Mapping[str, Any]) -> None:
        if not self._is_over:
            self._attributes.update(attributes)

    def set_attribute(self, key: str, value: Any) -> None:
        if not self._is_over:
            self._attributes[key] = value

    def add_event(self, name: str, attributes: Any = None, timestamp: int | None = None) -> None:
        if not self._is_over and len(self._events) < MAX_EVENTS:
            self._events.append(
                SpanEvent(
                    name,
                    timestamp or time.time_ns(),
                    cut_attributes(_plain(attributes or {}), MAX_TEXT_CHARS + BEYOND_CHARS),
                )
            )

    def add_link(self, context: SpanContext, attributes: Any = None) -> None:
        """Nothing: what it has to do with beyond its parent is not told."""

    def update_name(self, name: str) -> None:
        self._name = name

    def is_recording(self) -> bool:
        return not self._is_over

    def set_status(self, status: Status | StatusCode, description: str | None = None) -> None:
        code = status.status_code if isinstance(status, Status) else status
        if code is StatusCode.ERROR and not self._error:
            said = status.description if isinstance(status, Status) else description
            self._error = (said or "error").partition(":")[0]

    def record_exception(
        self,
        exception: BaseException,
        attributes: Any = None,
        timestamp: int | None = None,
        escaped: bool = False,
    ) -> None:
        kind = type(exception).__name__
        self._error = kind
        self.add_event("exception", {"exception.type": kind, "exception.message": str(exception)}, timestamp)

    def _line(self) -> Iterator[ProgramSpan]:
        above, left = self.above, MAX_DEPTH
        while above is not None and left:
            yield above
            above, left = above.above, left - 1

    def _turn(self) -> tuple[str, str]:
        """Which turn it is a step of, and of which thread; empty texts where it is of none."""
        line = [self, *self._line()]
        turn = next((one for one in line if one.part == "turn"), None)
        if turn is None or self.part == "own":
            return "", ""
        named = turn._attributes.get("turn_id") or turn.context.span_id
        threads = (one._attributes.get(key) for one in line for key in meshagent.THREAD)
        return str(named), str(next(filter(None, threads), ""))

    def _above(self) -> dict[str, Any]:
        """What the spans above it say of the model; the nearest counts."""
        found: dict[str, Any] = {}
        for one in self._line():
            for key in _OF_MODEL:
                if key in one._attributes:
                    found.setdefault(key, one._attributes[key])
        return found

    def _tell_above(self) -> None:
        """What is known beside a request, and not above it: which model is asked."""
        if self.above is not None:
            known: dict[str, Any] = {
                key: self._attributes[key] for key in _OF_MODEL if key in self._attributes
            }
            self.above._attributes.update(known)

    def _tell_model(self, content: bool) -> None:
        """A piece of an answer: the request above it learns of it."""
        if self._name != meshagent.PIECE:
            return
        asked = next((one for one in self._line() if one.part == "model"), None)
        if asked is None:
            return
        if at.FIRST_WORD not in asked._answer and meshagent.is_first_word(self._attributes):
            asked._answer[at.FIRST_WORD] = round((self._began_ns - asked._began_ns) / 1e9, 6)
        told = meshagent.last_piece(self._attributes, content=content)
        if told is not None:
            asked._answered_ns = self._began_ns
            asked._answer.update(told)


class _ProgramTracer(trace.Tracer):
    def __init__(self, owner: Provider, scope: str) -> None:
        self._owner, self._scope = owner, scope

    def start_span(
        self,
        name: str,
        context: Any = None,
        kind: SpanKind = SpanKind.INTERNAL,
        attributes: Any = None,
        links: Any = None,
        start_time: int | None = None,
        record_exception: bool = True,
        set_status_on_exception: bool = True,
    ) -> trace.Span:
        current = trace.get_current_span(context)
        above = current if isinstance(current, ProgramSpan) else None
        parent = above.visible if above is not None else _read(current) or self._owner.tracer.current()
        if parent is not None and not parent.sampled:
            return NonRecordingSpan(as_span_context(parent))
        made = ProgramSpan(
            self._owner, self._scope, str(name), above, parent, kind, start_time or time.time_ns()
        )
        made.set_attributes(attributes or {})
        return made

    @_agnosticcontextmanager
    def start_as_current_span(
        self,
        name: str,
        context: Any = None,
        kind: SpanKind = SpanKind.INTERNAL,
        attributes: Any = None,
        links: Any = None,
        start_time: int | None = None,
        record_exception: bool = True,
        set_status_on_exception: bool = True,
        end_on_exit: bool = True,
    ) -> Iterator[trace.Span]:
        span = self.start_span(name, context, kind, attributes, links, start_time)
        with trace.use_span(
            span,
            end_on_exit=end_on_exit,
            record_exception=record_exception,
            set_status_on_exception=set_status_on_exception,
        ) as current:
            yield current


class Provider(trace.TracerProvider):
    """Makes tracers whose spans go where those of `tracer` go.

    Args:
        agent: Its name, for turns of MeshAgent's SDK.
    """

    def __init__(self, tracer: Tracer, agent: str) -> None:
        self.tracer, self.agent = tracer, agent

    def get_tracer(
        self,
        instrumenting_module_name: str,
        instrumenting_library_version: str | None = None,
        schema_url: str | None = None,
        attributes: Any = None,
    ) -> trace.Tracer:
        return _ProgramTracer(self, str(instrumenting_module_name))


class ApiCarrier:
    """The current span where OpenTelemetry's API keeps it; a `runtime.telemetry.tracer.Carrier`."""

    def current(self) -> TraceContext | None:
        current = trace.get_current_span()
        return current.visible if isinstance(current, ProgramSpan) else _read(current)

    def enter(self, context: TraceContext) -> Any:
        span = NonRecordingSpan(as_span_context(context))
        return otel_context.attach(trace.set_span_in_context(span))

    def leave(self, token: Any) -> None:
        otel_context.detach(token)


def install(tracer: Tracer, agent: str) -> bool:
    """Have the program's spans told; False where it has a provider of its own, which then keeps them."""
    tracer.carrier = ApiCarrier()
    if not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
        return False
    trace.set_tracer_provider(Provider(tracer, agent))
    return True


def as_span_context(context: TraceContext) -> SpanContext:
    """The same, as the API has it."""
    flags = TraceFlags(TraceFlags.SAMPLED if context.sampled else TraceFlags.DEFAULT)
    return SpanContext(
        int(context.trace_id, 16), int(context.span_id, 16), is_remote=False, trace_flags=flags
    )


def _read(span: trace.Span) -> TraceContext | None:
    given = span.get_span_context()
    if not given.is_valid:
        return None
    return TraceContext(f"{given.trace_id:032x}", f"{given.span_id:016x}", given.trace_flags.sampled)


def _plain(given: Mapping[str, Any]) -> Attributes:
    """Attributes that can be told; what is of another kind becomes text."""
    plain: Attributes = {}
    for name, value in given.items():
        if isinstance(value, bool | int | float | str):
            plain[str(name)] = value
        elif isinstance(value, Sequence) and not isinstance(value, bytes):
            plain[str(name)] = [str(one) for one in value[:64]]
        elif value is not None:
            plain[str(name)] = str(value)
    return plain
