"""Where telemetry goes, as the setting and the standard variables say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

SIGNALS: Final = ("traces", "metrics", "logs")


def addresses(endpoint: str, environ: Mapping[str, str]) -> dict[str, str]:
    """Signal → where it goes: what its own variable says, or below the endpoint; not what is switched off."""
    if environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return {}
    found = {}
    for signal in SIGNALS:
        if environ.get(f"OTEL_{signal.upper()}_EXPORTER", "").strip().lower() == "none":
            continue
        own = environ.get(f"OTEL_EXPORTER_OTLP_{signal.upper()}_ENDPOINT", "").strip()
        if own or endpoint:
            found[signal] = own or f"{endpoint.rstrip('/')}/v1/{signal}"
    return found
