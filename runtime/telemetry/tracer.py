"""Measuring pieces of work in this process: spans, the current one, and where finished ones go.

One for each process, as the meter is: a worker is one session, and a front one server.  While nobody takes
spans, measuring costs a comparison.  Nothing of OpenTelemetry is imported; where a program has imported it
itself, `Carrier` keeps both of one mind about the current span.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextvars import ContextVar, Token
from types import TracebackType
from typing import Any, Final, Protocol

from runtime.telemetry.context import TraceContext
from runtime.wire.spans import (
    BEYOND_CHARS,
    MAX_CONTENT_CHARS,
    MAX_TEXT_CHARS,
    Attributes,
    Span,
    SpanEvent,
    Value,
    cut_attributes,
)

Sink = Callable[[Span], None]


class Carrier(Protocol):
    """Knows the current span of whoever asks: of a task, a thread."""

    def current(self) -> TraceContext | None:
        """The current span, or None."""
        ...

    def enter(self, context: TraceContext) -> Any:
        """Make one current; what `leave` wants back."""
        ...

    def leave(self, token: Any) -> None:
        """Make the one before it current again."""
        ...


class _Variable:
    def __init__(self) -> None:
        self._current: ContextVar[TraceContext | None] = ContextVar("trace_context", default=None)

    def current(self) -> TraceContext | None:
        return self._current.get()

    def enter(self, context: TraceContext) -> Token[TraceContext | None]:
        return self._current.set(context)

    def leave(self, token: Token[TraceContext | None]) -> None:
        self._current.reset(token)


class Work:
    """A piece of work that is being measured; a context manager.

    Attributes:
        context: Of its own.
    """

    def __init__(
        self,
        tracer: Tracer,
        name: str,
        kind: str,
        parent: TraceContext,
        attributes: Attributes,
        is_current: bool,
    ) -> None:
        self.context = parent.child()
        self._tracer, self._name, self._kind, self._parent = tracer, name, kind, parent
        self._attributes, self._events, self._error = attributes, list[SpanEvent](), ""
        self._began_ns, self._is_current = time.time_ns(), is_current
        self._token: Any = None

    @property
    def is_recorded(self) -> bool:
        return True

    def set(self, attributes: Mapping[str, Value]) -> None:
        """Say more of it."""
        self._attributes.update(attributes)

    def happened(self, name: str, attributes: Mapping[str, Value] | None = None) -> None:
        """Something happened in it now."""
        self._events.append(SpanEvent(name, time.time_ns(), dict(attributes or {})))

    def fail(self, error: str) -> None:
        """It failed; why, in a word of which there are few."""
        self._error = error
        self._attributes["error.type"] = error

    def __enter__(self) -> Work:
        if self._is_current:
            self._token = self._tracer.carrier.enter(self.context)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._is_current:
            self._leave()
        if kind is not None and not self._error:
            self.fail(kind.__name__)
        self._tracer.finished(
            Span(
                name=self._name,
                trace_id=self.context.trace_id,
                span_id=self.context.span_id,
                parent_id=self._parent.span_id,
                began_ns=self._began_ns,
                ended_ns=time.time_ns(),
                kind=self._kind,
                attributes=cut_attributes(self._attributes, self._tracer.most_chars + BEYOND_CHARS),
                events=self._events,
                error=self._error,
            )
        )

    def _leave(self) -> None:
        try:
            self._tracer.carrier.leave(self._token)
        except ValueError:
            pass  # ended by another task than began it: that task's current span is its own


class _Nothing(Work):
    """What is measured while nobody takes it."""

    def __init__(self) -> None:
        self.context = TraceContext("0" * 32, "0" * 16, sampled=False)

    @property
    def is_recorded(self) -> bool:
        return False

    def set(self, attributes: Mapping[str, Value]) -> None: ...

    def happened(self, name: str, attributes: Mapping[str, Value] | None = None) -> None: ...

    def fail(self, error: str) -> None: ...

    def __enter__(self) -> Work:
        return self

    def __exit__(self, *_: object) -> None: ...


_NOTHING: Final = _Nothing()


class Tracer:
    """Makes spans where somebody takes them.

    Attributes:
        content: Whether what people, models and tools say goes along.
        carrier: Knows the current span.
        most_chars: Of one attribute, once its secrets are hidden.
    """

    def __init__(self) -> None:
        self._sink: Sink | None = None
        self._root: TraceContext | None = None
        self.content = False
        self.most_chars = MAX_TEXT_CHARS
        self.carrier: Carrier = _Variable()

    @property
    def is_on(self) -> bool:
        return self._sink is not None

    def begin(self, sink: Sink, root: TraceContext | None = None, *, content: bool = False) -> None:
        """Hand finished spans to `sink`, which must not wait.

        Args:
            root: Of what a span is a part that has no other parent; None: such spans are not made.
        """
        self._sink, self._root, self.content = sink, root, content
        self.most_chars = MAX_CONTENT_CHARS if content else MAX_TEXT_CHARS

    def end(self) -> None:
        """Measure no more."""
        self._sink = self._root = None
        self.content = False

    def current(self) -> TraceContext | None:
        """The span that is current, else the root; None while nothing is measured."""
        return None if self._sink is None else self.carrier.current() or self._root

    def span(
        self,
        name: str,
        attributes: Mapping[str, Value] | None = None,
        *,
        kind: str = "internal",
        is_current: bool = True,
    ) -> Work:
        """Measure what is done within, as part of what is current.

        Args:
            is_current: What is measured within is a part of it, also by tasks that begin there and go on.
        """
        if self._sink is None:
            return _NOTHING
        parent = self.current()
        if parent is None or not parent.sampled:
            return _NOTHING
        return Work(self, name, kind, parent, dict(attributes or {}), is_current)

    def finished(self, span: Span) -> None:
        """Hand on a span that somebody else measured."""
        if self._sink is not None:
            self._sink(span)

    def marks(self) -> dict[str, str]:
        """What a line of the log says of where it belongs."""
        current = self.current()
        return {} if current is None else {"trace_id": current.trace_id, "span_id": current.span_id}


tracer = Tracer()
