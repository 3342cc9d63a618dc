"""Measure a session's work and tell it to the front: soon, bounded, and without waiting for anybody.

Spans wait here for a moment, so that a turn is one message.  Beyond a bound they are counted and left out;
nobody is slowed down, neither by the pipe nor by a collector, of which a session knows nothing.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from typing import Any, Final

import msgspec

from runtime import logs
from runtime.compat import overlay
from runtime.errors import ChannelClosed
from runtime.sdk import otel
from runtime.session.redaction import Redactor, secrets_in
from runtime.telemetry import names as at
from runtime.telemetry.context import TraceContext
from runtime.telemetry.tracer import tracer
from runtime.wire import control
from runtime.wire.spans import (
    MAX_NAME_CHARS,
    MAX_TEXT_CHARS,
    Attributes,
    Span,
    Spans,
    cut_attributes,
)

STEPS: Final = "steps"
TELL_S: Final = 0.5
MAX_WAITING: Final = 500
_MAX_NAMES: Final = 500
MAX_MESSAGE_BYTES: Final = 256 << 10

_log = logs.get_logger("telemetry")

Send = Callable[[Any], None]


class SpanReporter:
    """Between what is measured and the pipe.  Runs in: the worker's event loop; spans come from any thread.

    Args:
        send: Hands a message to the front; raises ChannelClosed when the front is gone.
        steps_alone: Nothing is told but the steps of turns that the room hears of from nobody else.
    """

    def __init__(self, send: Send, *, steps_alone: bool = False) -> None:
        self._send, self._steps_alone = send, steps_alone
        self._loop = asyncio.get_running_loop()
        self._waiting: list[Span] = []
        self._dropped = 0
        self._timer: asyncio.TimerHandle | None = None
        self._is_called = self._is_over = False
        self._redactor: Redactor | None = None
        self._names: dict[str, str] = {}
        self._service = ""

    def take(self, span: Span) -> None:
        """A piece of work is over."""
        if self._steps_alone and not span.turn:
            return
        if len(self._waiting) >= MAX_WAITING or self._is_over:
            self._dropped += 1
            return
        self._waiting.append(span)
        is_turn = bool(span.turn) and span.attributes.get(at.OPERATION) == "invoke_agent"
        if not self._is_called or is_turn:  # who waits for a turn sees at once where its time went
            self._is_called = True
            try:
                self._loop.call_soon_threadsafe(self.tell if is_turn else self._later)
            except RuntimeError:
                self._is_over = True  # the loop is closed, and so is the session

    def tell(self) -> None:
        """Tell what was not told yet."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._is_called = False
        spans, self._waiting = self._waiting, []
        while spans:
            batch, size = list[Span](), 0
            while spans and (not batch or size < MAX_MESSAGE_BYTES):
                span = self._shown(spans.pop(0))
                size += len(msgspec.msgpack.encode(span))
                batch.append(span)
            dropped, self._dropped = self._dropped, 0
            service = otel.service_name()
            told, self._service = ("" if service == self._service else service), service
            try:
                self._send(Spans(spans=batch, dropped=dropped, service=told))
            except ChannelClosed:
                return  # the front is gone, and with it whoever wanted to know

    def introduce(self) -> None:
        """Say what the program calls itself, where it says so."""
        if service := otel.service_name():
            self._service = service
            try:
                self._send(Spans(service=service))
            except ChannelClosed:
                return  # as in `tell`

    def close(self) -> None:
        """Tell the rest and take nothing more."""
        self.tell()
        self._is_over = True

    def _later(self) -> None:
        if self._timer is None and not self._is_over:
            self._timer = self._loop.call_later(TELL_S, self.tell)

    def _shown(self, span: Span) -> Span:
        """Without secrets, where somebody's words are in it, or may be: in what the program measures; then
        within its bounds, for of what is cut first a half of a secret could be left."""
        most = tracer.most_chars
        if span.scope:
            events = [
                msgspec.structs.replace(
                    one,
                    name=self._name(one.name),
                    attributes=self._hidden(one.attributes, MAX_TEXT_CHARS),
                )
                for one in span.events
            ]
            name, error = self._text(span.name, MAX_NAME_CHARS), self._text(span.error, MAX_NAME_CHARS)
            return msgspec.structs.replace(
                span, name=name, error=error, attributes=self._hidden(span.attributes, most), events=events
            )
        said = {name: value for name, value in span.attributes.items() if name in at.CONTENT}
        shown = cut_attributes({**span.attributes, **self._hidden(said, most)}, most)
        return msgspec.structs.replace(span, attributes=shown)

    def _hidden(self, attributes: Attributes, most_chars: int) -> Attributes:
        hidden: Attributes = {}
        for told, value in attributes.items():
            name = self._name(told)
            if isinstance(value, str):
                hidden[name] = self._text(value, most_chars)
            elif isinstance(value, list):
                hidden[name] = [self._text(text, MAX_TEXT_CHARS) for text in value]
            else:
                hidden[name] = value
        return hidden

    def _name(self, name: str) -> str:
        """As `_text`; most are seen again and again."""
        if len(name) > MAX_NAME_CHARS:
            return self._text(name, MAX_NAME_CHARS)
        if (shown := self._names.get(name)) is None:
            if len(self._names) >= _MAX_NAMES:
                self._names.clear()
            shown = self._names[name] = self._text(name, MAX_NAME_CHARS)
        return shown

    def _text(self, text: str, most_chars: int) -> str:
        if self._redactor is None:
            self._redactor = Redactor(secrets_in(os.environ))
        shown = self._redactor.text(text)
        beyond = max(0, len(text) - most_chars)  # at the end of which half a secret may stand
        return shown[: max(0, min(most_chars, len(shown) - beyond))]


def begin(start: control.Start, send: Send) -> SpanReporter | None:
    """Measure from now on, if the front wants to know; None when it does not."""
    root = TraceContext.read(start.traceparent)
    if root is None or start.traces in ("", STEPS):
        return None
    reporter = SpanReporter(send)
    tracer.begin(reporter.take, root, content=start.traces == "content")
    logs.mark_by(tracer.marks)
    return reporter


def begin_steps(start: control.Start, send: Send) -> SpanReporter | None:
    """Measure the turns of an agent of MeshAgent's SDK for its room, which our own agents tell themselves.

    None where the front does not want to know, or the program's spans are its own.
    """
    if start.traces != STEPS or not overlay.is_active() or "opentelemetry.trace" not in sys.modules:
        return None
    from runtime.telemetry.program.spans import install

    if not install(tracer, start.identity):
        return None
    reporter = SpanReporter(send, steps_alone=True)
    tracer.begin(reporter.take, TraceContext.begin())
    return reporter


def hear_program(agent: str) -> None:
    """Tell what the program measures itself, where it has imported OpenTelemetry's API."""
    if "opentelemetry.trace" not in sys.modules:
        return
    from runtime.telemetry.program.spans import install

    if not install(tracer, agent):
        _log.info("telemetry.own_provider", detail="the program sends its spans itself")
