"""The page of all metrics, read from the registry that is scraped."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

from docs.reference.table import sentence, stacked
from runtime.front.operator.gauges import gauges
from runtime.metrics import Metrics
from runtime.placement.machines import NodeInfo
from runtime.telemetry.table import otlp_name


def page() -> str:
    """Every metric with its kind and its labels."""
    told = ((name, kind, labels, f"{text}<br>{_by_otlp(name)}") for name, kind, labels, text in rows())
    return f"{stacked(('Metric', 'Kind', 'Labels', ''), told)}"


def rows() -> Iterator[tuple[str, str, str, str]]:
    """One row for each metric."""
    metrics = Metrics(version="")
    metrics.gauges(lambda: gauges(_front(), SimpleNamespace(count=0)))  # type: ignore[arg-type]
    for family in metrics._registry.collect():
        labels = _labels(family, metrics)
        name = f"{family.name}_total" if family.type == "counter" else family.name
        yield (
            f"`{name}`",
            family.type,
            ", ".join(f"`{one}`" for one in labels),
            sentence(family.documentation),
        )


def _by_otlp(name: str) -> str:
    own, unit = otlp_name(name.strip("`").removesuffix("_total"))
    return f"By OTLP: `{own}`" + (f" in `{unit}`" if unit else "")


def _labels(family: Any, metrics: Metrics) -> tuple[str, ...]:
    known = metrics._registry._names_to_collectors.get(family.name)
    if known is not None:
        return tuple(known._labelnames)
    return tuple(sorted({name for sample in family.samples for name in sample.labels}))


_NODE = NodeInfo(name="n1", state="ready", boot="", sessions=0, starting=0, max_sessions=1, processors=1)


def _front() -> Any:
    """As much of a server without sessions as its gauges ask for."""
    capacity = SimpleNamespace(headroom_bytes=0, max_sessions=0)
    launcher = SimpleNamespace(queued=0, restarting=0)
    return SimpleNamespace(
        registry=SimpleNamespace(live=list),
        dispatcher=SimpleNamespace(
            capacity=lambda: capacity, launcher=launcher, recovery=SimpleNamespace(quarantine=())
        ),
        boxes=SimpleNamespace(engine_name="docker", running_count=0),
        placement=SimpleNamespace(
            bundles=list, endpoints=list, machines=SimpleNamespace(listed=lambda: [_NODE])
        ),
        journal=SimpleNamespace(failing=""),
        clock=SimpleNamespace(wall=lambda: 0.0, now=lambda: 0.0),
        started_at=0.0,
        began=0.0,
    )
