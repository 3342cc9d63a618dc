"""The metrics that Prometheus scrapes, in the form that OpenTelemetry's exporter takes.

One registry for both, so that they never differ.  A name loses its unit on the way, which OTLP says apart:
``bulkhead_session_start_seconds`` is ``bulkhead.session_start`` in ``s``, and a collector that writes for
Prometheus makes the first of the second again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from opentelemetry.sdk.metrics import Exemplar
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Gauge,
    Histogram,
    HistogramDataPoint,
    Metric,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from runtime.telemetry.table import otlp_name

_CUMULATIVE = AggregationTemporality.CUMULATIVE


def metrics_data(
    families: Iterable[Any], resource: Any, *, version: str, began_ns: int, now_ns: int
) -> MetricsData:
    """What a registry of prometheus_client holds now."""
    scope = InstrumentationScope("bulkhead", version)
    metrics = [made for one in families if (made := _metric(one, began_ns, now_ns)) is not None]
    return MetricsData([ResourceMetrics(resource, [ScopeMetrics(scope, metrics, "")], "")])


def _metric(family: Any, began_ns: int, now_ns: int) -> Metric | None:
    name, unit = otlp_name(family.name)
    data: Sum | Gauge | Histogram
    match family.type:
        case "counter":
            points = [_number(one, began_ns, now_ns) for one in family.samples if one.name.endswith("_total")]
            data = Sum(points, _CUMULATIVE, is_monotonic=True)
        case "gauge":
            data = Gauge([_number(one, began_ns, now_ns) for one in family.samples])
        case "histogram":
            data = Histogram(_histograms(family.samples, began_ns, now_ns), _CUMULATIVE)
        case _:
            return None
    return Metric(name, family.documentation, unit, data)


def _number(sample: Any, began_ns: int, now_ns: int) -> NumberDataPoint:
    return NumberDataPoint(
        attributes=dict(sample.labels),
        start_time_unix_nano=began_ns,
        time_unix_nano=now_ns,
        value=sample.value,
    )


def _exemplar(given: Any, now_ns: int) -> Exemplar:
    trace, span = given.labels.get("trace_id", ""), given.labels.get("span_id", "")
    return Exemplar(
        filtered_attributes={},
        value=given.value,
        time_unix_nano=now_ns if given.timestamp is None else int(given.timestamp * 1e9),
        span_id=int(span, 16) if span else None,
        trace_id=int(trace, 16) if trace else None,
    )


def _histograms(samples: Iterable[Any], began_ns: int, now_ns: int) -> list[HistogramDataPoint]:
    series: dict[tuple[tuple[str, str], ...], dict[str, Any]] = {}
    for sample in samples:
        labels: Mapping[str, str] = sample.labels
        key = tuple(sorted((name, value) for name, value in labels.items() if name != "le"))
        one = series.setdefault(key, {"buckets": [], "count": 0, "sum": 0.0, "exemplars": []})
        if sample.name.endswith("_bucket"):
            one["buckets"].append((float(labels["le"]), sample.value))
            if sample.exemplar is not None:
                one["exemplars"].append(_exemplar(sample.exemplar, now_ns))
        elif sample.name.endswith("_count"):
            one["count"] = int(sample.value)
        elif sample.name.endswith("_sum"):
            one["sum"] = sample.value
    made = []
    for key, one in series.items():
        below, counts = 0, list[int]()
        for _, value in one["buckets"]:
            counts.append(int(value) - below)
            below = int(value)
        made.append(
            HistogramDataPoint(
                attributes=dict(key),
                start_time_unix_nano=began_ns,
                time_unix_nano=now_ns,
                count=one["count"],
                sum=one["sum"],
                bucket_counts=counts,
                explicit_bounds=[bound for bound, _ in one["buckets"] if bound != float("inf")],
                min=None,  # type: ignore[arg-type]  # optional, and nobody counted them
                max=None,  # type: ignore[arg-type]
                exemplars=one["exemplars"],
            )
        )
    return made
