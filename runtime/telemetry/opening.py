"""Telemetry of one server: nothing where no collector is named, else all of it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import Any, Final

from runtime import logs
from runtime.clock import Clock
from runtime.metrics import Metrics
from runtime.session.spec import SessionId, SessionSpec
from runtime.settings.telemetry import TelemetrySettings
from runtime.telemetry.addresses import addresses
from runtime.telemetry.context import Sampler
from runtime.telemetry.session_spans import Note, SessionSpans
from runtime.wire.spans import Span

PRINTED: Final = "worker.printed"
_log = logs.get_logger("telemetry")


def opened(
    settings: TelemetrySettings,
    metrics: Metrics,
    version: str,
    clock: Clock,
    parts: AsyncExitStack,
    note: Note | None = None,
) -> SessionSpans:
    """Begin to send what the settings say, until `parts` are closed.  Runs in: the front's event loop.

    The standard variables of OpenTelemetry are read from the environment, as its exporters do.

    Args:
        note: Has a room remember a step of a turn, wherever else it is sent.
    """
    environ = os.environ
    to = addresses(settings.endpoint, environ)
    if not to:
        return SessionSpans(clock, note=note)
    try:
        from runtime.telemetry.export.collector import Collector
        from runtime.telemetry.export.origin import Origin
    except ImportError as error:
        _log.warning(
            "telemetry.not_sent",
            endpoint=settings.endpoint,
            missing=error.name,
            cure="Install bulkhead-runtime[otel].",
        )
        return SessionSpans(clock, note=note)
    collector = Collector(to, settings, environ, version=version, collect=metrics.collect)
    parts.push_async_callback(collector.aclose)

    def emit(span: Span, spec: SessionSpec | None, service: str) -> None:
        collector.span(
            span, None if spec is None else Origin(spec.session_id, service, spec.room, spec.identity)
        )

    def line(event: Mapping[str, Any]) -> None:
        if event.get("event") != PRINTED:
            collector.line(event)
            return
        session_id = str(event.get("session_id", ""))
        service = spans.service(SessionId(session_id))
        origin = Origin(session_id, service, str(event.get("room", "")), str(event.get("identity", "")))
        collector.line(event, origin, body=str(event.get("line", "")))

    spans = SessionSpans(
        clock,
        emit=emit if "traces" in to else None,
        sampler=Sampler.of(settings.sample_ratio, environ),
        content=settings.content,
        dropped=metrics.spans_dropped,
        note=note,
    )
    if "logs" in to and settings.logs:
        logs.also_to(line)
        parts.callback(logs.also_to, None)
    _log.info("telemetry.sending", **to)
    return spans
