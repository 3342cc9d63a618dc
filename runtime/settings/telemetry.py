"""Settings of traces, metrics and log records that leave the server by OTLP."""

from __future__ import annotations

from dataclasses import dataclass

from runtime.errors import ConfigError
from runtime.knob import knob


@dataclass(frozen=True, slots=True, kw_only=True)
class TelemetrySettings:
    """What is sent to an OpenTelemetry collector; needs the extra `otel`.

    Nothing is sent, and nothing of OpenTelemetry imported, where no collector is named.  The server reads the
    standard variables, too, which say how it is sent (`OTEL_EXPORTER_OTLP_HEADERS` and their like).
    """

    endpoint: str = knob(
        "",
        "base URL of a collector that takes OTLP over HTTP, such as http://localhost:4318; empty: none",
        env=("OTEL_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"),
    )
    sample_ratio: float = knob(
        1.0, "share of the calls that are traced, of those whose caller does not say, 0 to 1", minimum=0
    )
    content: bool = knob(
        False, "send what people, models and tools say as well, without secrets; it may be private"
    )
    metrics_s: float = knob(15.0, "time between two sendings of the metrics; 0: they are not sent", minimum=0)
    logs: bool = knob(True, "send the lines of the server's and the sessions' logs, too")

    def __post_init__(self) -> None:
        if self.sample_ratio > 1:
            raise ConfigError(
                f"telemetry.sample_ratio is {self.sample_ratio:g}, which is more than all of them",
                cure="Write a share from 0 to 1, such as 0.1.",
            )
        if self.endpoint and not self.endpoint.startswith(("http://", "https://")):
            raise ConfigError(
                f"telemetry.endpoint is {self.endpoint!r}, which is no address of HTTP",
                cure="Write the base URL of a collector, such as http://localhost:4318.",
            )
