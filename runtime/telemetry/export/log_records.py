"""A line of the log in the form that OpenTelemetry's exporter takes."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Final

from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.context import Context
from opentelemetry.sdk._logs import ReadWriteLogRecord
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context

_SEVERITIES: Final = {
    "debug": SeverityNumber.DEBUG,
    "info": SeverityNumber.INFO,
    "warning": SeverityNumber.WARN,
    "error": SeverityNumber.ERROR,
    "critical": SeverityNumber.FATAL,
}
_APART: Final = ("event", "level", "timestamp", "logger", "trace_id", "span_id")
_NAMES: Final = {"exception": "exception.stacktrace", "session_id": "session.id"}
MAX_TEXT_CHARS: Final = 16_384


def record(event: Mapping[str, Any], resource: Any, *, body: str = "") -> ReadWriteLogRecord:
    """A line as a record; what is not plain is shown as text.

    Args:
        body: Of the record, where that is not the event's name.
    """
    name = str(event.get("event", ""))
    attributes: dict[str, Any] = {}
    for key, value in event.items():
        if key in _APART or value is None:
            continue
        plain = value if isinstance(value, bool | int | float | str) else str(value)
        if isinstance(plain, int) and not isinstance(plain, bool) and not -(1 << 63) <= plain < 1 << 63:
            plain = str(plain)
        attributes[_NAMES.get(key, key)] = plain[:MAX_TEXT_CHARS] if isinstance(plain, str) else plain
    level = str(event.get("level", "info")).lower()
    now_ns = time.time_ns()
    return ReadWriteLogRecord(
        log_record=LogRecord(
            timestamp=now_ns,
            observed_timestamp=now_ns,
            context=_context(str(event.get("trace_id", "")), str(event.get("span_id", ""))),
            severity_text=level.upper(),
            severity_number=_SEVERITIES.get(level, SeverityNumber.INFO),
            body=(body or name)[:MAX_TEXT_CHARS],
            attributes=attributes,
        ),
        resource=resource,
        instrumentation_scope=InstrumentationScope(str(event.get("logger", "")) or "bulkhead"),
    )


def _context(trace_id: str, span_id: str) -> Context:
    try:
        where = SpanContext(
            int(trace_id, 16), int(span_id, 16), is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED)
        )
    except ValueError:
        return Context()
    return set_span_in_context(NonRecordingSpan(where), Context())
