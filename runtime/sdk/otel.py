"""Logging and telemetry of a session: asked for at import, set up in the worker.

Exporters start threads, and a zygote must have none when it forks; so ``otel_config`` only remembers what
was asked for while a bundle is loaded, and ``apply`` does it after the fork.
"""

from __future__ import annotations

import importlib
import logging
import os
from typing import Any

import msgspec

_RESOURCE_ENV = {
    "project": "MESHAGENT_PROJECT_ID",
    "room": "MESHAGENT_ROOM",
    "session": "MESHAGENT_SESSION_ID",
}
_EXPORT_TIMEOUT_S = 5

_SEVERITIES = {
    logging.DEBUG: 5,
    logging.INFO: 9,
    logging.WARNING: 13,
    logging.ERROR: 17,
    logging.CRITICAL: 21,
}

_log = logging.getLogger("otel")


class Telemetry(msgspec.Struct, frozen=True):
    """What a program asked for."""

    service_name: str = "meshagent-service"
    level: int = logging.INFO


_asked: Telemetry | None = None
_applied = False
_providers: list[Any] = []


def otel_config(
    *, service_name: str = "meshagent-service", level: int | str = logging.INFO, **_newer: Any
) -> None:
    """Ask for logs at ``level``, and for OpenTelemetry when an endpoint is configured.

    The endpoint is ``OTEL_ENDPOINT`` or the standard ``OTEL_EXPORTER_OTLP_ENDPOINT``.  It takes effect in the
    session's own process; the last call wins.

    Args:
        service_name: The resource attribute ``service.name``.
        level: A level of the logging module, by number or name.
    """
    global _asked
    number = (
        level if isinstance(level, int) else logging.getLevelNamesMapping().get(level.upper(), logging.INFO)
    )
    _asked = Telemetry(service_name, number)


def asked() -> Telemetry | None:
    """What the program asked for; None when it did not call ``otel_config``."""
    return _asked


def service_name() -> str:
    """What the program calls itself; empty when it did not say."""
    return "" if _asked is None else _asked.service_name


def apply_level() -> None:
    """Set the level of logs that was asked for, where the server sends what is measured."""
    if _asked is not None:
        logging.getLogger().setLevel(_asked.level)


def apply() -> None:
    """Do what was asked for.  Called once per process, in the worker; a second call does nothing."""
    global _applied
    if _asked is None or _applied:
        return
    _applied = True
    logging.getLogger().setLevel(_asked.level)
    endpoint = os.environ.get("OTEL_ENDPOINT") or os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT")
    if not endpoint or os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return
    try:
        _export(_asked, endpoint.rstrip("/"))
    except ImportError as error:
        _log.warning(
            "OpenTelemetry has an endpoint (%s) but %s is not installed: nothing is exported. "
            "Install bulkhead-runtime[otel].",
            endpoint,
            error.name,
        )


def is_exporting() -> bool:
    """Whether something may still be buffered."""
    return bool(_providers)


def shutdown() -> None:
    """Send what is still buffered.  Called by the worker at its end; it may take some seconds."""
    while _providers:
        _providers.pop().shutdown()


def resource_attributes(telemetry: Telemetry) -> dict[str, str]:
    """``service.name``, and project, room and session as far as the environment names them."""
    found = {key: os.environ.get(name, "") for key, name in _RESOURCE_ENV.items()}
    return {"service.name": telemetry.service_name, **{key: value for key, value in found.items() if value}}


def _export(telemetry: Telemetry, endpoint: str) -> None:
    # By name: these packages are optional, and nothing but this function needs them.
    trace = importlib.import_module("opentelemetry.trace")
    trace_sdk = importlib.import_module("opentelemetry.sdk.trace")
    trace_export = importlib.import_module("opentelemetry.sdk.trace.export")
    otlp_traces = importlib.import_module("opentelemetry.exporter.otlp.proto.http.trace_exporter")
    logs = importlib.import_module("opentelemetry._logs")
    logs_sdk = importlib.import_module("opentelemetry.sdk._logs")
    logs_export = importlib.import_module("opentelemetry.sdk._logs.export")
    otlp_logs = importlib.import_module("opentelemetry.exporter.otlp.proto.http._log_exporter")
    resources = importlib.import_module("opentelemetry.sdk.resources")

    resource = resources.Resource.create(resource_attributes(telemetry))
    tracer_provider = trace_sdk.TracerProvider(resource=resource)
    traces = otlp_traces.OTLPSpanExporter(endpoint=f"{endpoint}/v1/traces", timeout=_EXPORT_TIMEOUT_S)
    tracer_provider.add_span_processor(trace_export.BatchSpanProcessor(traces))
    trace.set_tracer_provider(tracer_provider)

    logger_provider = logs_sdk.LoggerProvider(resource=resource)
    records = otlp_logs.OTLPLogExporter(endpoint=f"{endpoint}/v1/logs", timeout=_EXPORT_TIMEOUT_S)
    logger_provider.add_log_record_processor(logs_export.BatchLogRecordProcessor(records))
    logs.set_logger_provider(logger_provider)
    logging.getLogger().addHandler(_LogBridge(logger_provider, logs, telemetry.level))
    _providers.extend((tracer_provider, logger_provider))


class _LogBridge(logging.Handler):
    """Pass records of the logging module on; the SDK's own handler is deprecated, its heir a package more."""

    def __init__(self, provider: Any, api: Any, level: int) -> None:
        super().__init__(level)
        self._provider = provider
        self._api = api

    def emit(self, record: logging.LogRecord) -> None:
        if record.name.startswith("opentelemetry"):
            return  # an exporter that complains about exporting would feed itself
        attributes: dict[str, Any] = {
            "code.function.name": record.funcName,
            "code.line.number": record.lineno,
        }
        if record.exc_info and record.exc_info[1] is not None:
            attributes["exception.type"] = type(record.exc_info[1]).__name__
            attributes["exception.message"] = str(record.exc_info[1])
        number = max([1, *(otel for level, otel in _SEVERITIES.items() if level <= record.levelno)])
        self._provider.get_logger(record.name).emit(
            self._api.LogRecord(
                timestamp=int(record.created * 1e9),
                severity_text=record.levelname,
                severity_number=self._api.SeverityNumber(number),
                body=record.getMessage(),
                attributes=attributes,
            )
        )
