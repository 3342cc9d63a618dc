"""The way to a collector: spans, log records and metrics by OTLP over HTTP, from threads with bounded queues.

Theory: whoever has something puts it into a queue and goes on.  A queue that is full loses its oldest, so a
collector that is away or slow costs its own records and nobody's time.  At the end what is left has a
moment to go; then it is left behind.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from runtime.settings.telemetry import TelemetrySettings
from runtime.telemetry.export.log_records import record
from runtime.telemetry.export.measures import metrics_data
from runtime.telemetry.export.origin import Origin, Resources
from runtime.telemetry.export.spans import readable
from runtime.wire.spans import Span

SCOPE: Final = "bulkhead"
END_S: Final = 2.0
"""What is left when the server ends has so long to go."""
_OWN_SERVICE: Final = "bulkhead"


class Collector:
    """Sends what it is given.  None of its methods but `aclose` waits.

    Args:
        to: Signal → address.
        environ: The standard variables; the exporters read more of them by themselves.
        collect: The families of the registry of metrics.
    """

    def __init__(
        self,
        to: Mapping[str, str],
        settings: TelemetrySettings,
        environ: Mapping[str, str],
        *,
        version: str,
        collect: Callable[[], Iterable[Any]],
    ) -> None:
        self._version, self._collect = version, collect
        service = environ.get("OTEL_SERVICE_NAME", "") or _OWN_SERVICE
        own = Resource.create({"service.name": service, "service.version": version})
        self._resources = Resources(own)
        self._spans = BatchSpanProcessor(OTLPSpanExporter(endpoint=to["traces"])) if "traces" in to else None
        self._logs: Any = None
        if "logs" in to and settings.logs:
            self._logs = BatchLogRecordProcessor(OTLPLogExporter(endpoint=to["logs"]))
        self._metrics = OTLPMetricExporter(endpoint=to["metrics"]) if "metrics" in to else None
        self._families: list[Any] = []
        self._began_ns = time.time_ns()
        self._ends = threading.Event()
        self._loop = asyncio.get_running_loop()
        self._every_s = _interval_s(settings, environ)
        if self._metrics is not None and self._every_s > 0:
            threading.Thread(target=self._send_metrics, name="otlp metrics", daemon=True).start()

    def span(self, span: Span, origin: Origin | None = None) -> None:
        """Send a span, of a session or of the server."""
        if self._spans is not None:
            self._spans.on_end(readable(span, self._resources.of(origin), SCOPE, self._version))

    def line(self, event: Mapping[str, Any], origin: Origin | None = None, *, body: str = "") -> None:
        """Send a line of the log."""
        if self._logs is not None and not str(event.get("logger", "")).startswith("opentelemetry"):
            self._logs.on_emit(record(event, self._resources.of(origin), body=body))

    async def aclose(self) -> None:
        """Send what is left, for `END_S` at most."""
        self._ends.set()
        if self._metrics is not None and self._every_s > 0:
            self._families = list(self._collect())
        done, loop = asyncio.Event(), self._loop

        def end() -> None:
            self._end()
            try:
                loop.call_soon_threadsafe(done.set)
            except RuntimeError:
                pass  # the loop is closed: nobody waits any more

        threading.Thread(target=end, name="otlp end", daemon=True).start()
        try:
            async with asyncio.timeout(END_S):
                await done.wait()
        except TimeoutError:
            pass

    def _end(self) -> None:
        millis = int(END_S * 1000)
        for processor in (self._spans, self._logs):
            if processor is not None:
                processor.force_flush(millis)
        if self._metrics is not None and self._every_s > 0:
            self._send(self._families)
            self._metrics.shutdown()
        for processor in (self._spans, self._logs):
            if processor is not None:
                processor.shutdown()

    def _send_metrics(self) -> None:
        while not self._ends.wait(self._every_s):
            asking = asyncio.run_coroutine_threadsafe(self._families_now(), self._loop)
            try:
                self._send(asking.result(timeout=self._every_s))
            except (TimeoutError, RuntimeError):
                continue  # the loop is busy or gone: the next ones say as much

    async def _families_now(self) -> list[Any]:
        return list(self._collect())

    def _send(self, families: Iterable[Any]) -> None:
        assert self._metrics is not None
        self._metrics.export(
            metrics_data(
                families,
                self._resources.own,
                version=self._version,
                began_ns=self._began_ns,
                now_ns=time.time_ns(),
            )
        )


def _interval_s(settings: TelemetrySettings, environ: Mapping[str, str]) -> float:
    try:
        return float(environ["OTEL_METRIC_EXPORT_INTERVAL"]) / 1000
    except (KeyError, ValueError):
        return settings.metrics_s
