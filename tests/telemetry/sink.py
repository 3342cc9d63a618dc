"""A collector: a real HTTP server that decodes OTLP protobuf and keeps what came."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.patience import PATIENCE

FORMS = {
    "/v1/traces": ExportTraceServiceRequest,
    "/v1/metrics": ExportMetricsServiceRequest,
    "/v1/logs": ExportLogsServiceRequest,
}


@dataclass(frozen=True)
class Seen:
    """A span, read back."""

    name: str
    trace_id: str
    span_id: str
    parent_id: str
    began_ns: int
    ended_ns: int
    kind: int
    error: str
    attributes: dict[str, Any]
    resource: dict[str, Any]
    scope: str


@dataclass(frozen=True)
class Line:
    """A log record, read back."""

    body: str
    trace_id: str
    span_id: str
    attributes: dict[str, Any]
    resource: dict[str, Any]


class Sink:
    """Use it as a context manager; `url` is what an endpoint is set to.

    Args:
        hold: Nothing is answered before this is set: a collector that is there and does not come to it.
    """

    def __init__(self, hold: threading.Event | None = None) -> None:
        self._came = threading.Condition()
        self._kept: list[tuple[str, Any]] = []
        self.asked_count = 0
        sink = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                sink.asked_count += 1
                if hold is not None:
                    hold.wait()
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                assert self.headers["Content-Type"] == "application/x-protobuf"
                with sink._came:
                    sink._kept.append((self.path, FORMS[self.path].FromString(body)))
                    sink._came.notify_all()
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def spans(self, trace_id: str = "") -> list[Seen]:
        """Spans that came, of one trace or of all, in the order in which they began."""
        found = [
            Seen(
                name=span.name,
                trace_id=span.trace_id.hex(),
                span_id=span.span_id.hex(),
                parent_id=span.parent_span_id.hex(),
                began_ns=span.start_time_unix_nano,
                ended_ns=span.end_time_unix_nano,
                kind=span.kind,
                error=span.status.message if span.status.code == 2 else "",
                attributes=plain(span.attributes),
                resource=plain(group.resource.attributes),
                scope=scope.scope.name,
            )
            for request in self._of("/v1/traces")
            for group in request.resource_spans
            for scope in group.scope_spans
            for span in scope.spans
        ]
        return sorted(
            (span for span in found if trace_id in ("", span.trace_id)), key=lambda span: span.began_ns
        )

    def lines(self) -> list[Line]:
        """Log records that came."""
        return [
            Line(one.body.string_value, one.trace_id.hex(), one.span_id.hex(), plain(one.attributes),
                 plain(group.resource.attributes))
            for request in self._of("/v1/logs")
            for group in request.resource_logs
            for scope in group.scope_logs
            for one in scope.log_records
        ]  # fmt: skip

    def metrics(self) -> dict[str, Any]:
        """The newest of each metric that came, by name."""
        return {
            metric.name: metric
            for request in self._of("/v1/metrics")
            for group in request.resource_metrics
            for scope in group.scope_metrics
            for metric in scope.metrics
        }

    def wait(self, holds: Callable[[], Any], seconds: float = 30.0) -> Any:
        """What `holds` returns once that is true of what came; the last one when it does not become so."""
        with self._came:
            self._came.wait_for(holds, seconds * PATIENCE)
            return holds()

    def _of(self, path: str) -> list[Any]:
        return [request for at, request in list(self._kept) if at == path]


def plain(attributes: Iterable[Any]) -> dict[str, Any]:
    """Attributes of OTLP as a dict."""
    return {one.key: _value(one.value) for one in attributes}


def _value(value: Any) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(one) for one in value.array_value.values]
    return getattr(value, kind) if kind else None
