"""What Prometheus reads: counts and durations, labelled with words of which there are few.

Labels are endpoints, outcomes and exit reasons; never session ids, rooms or anything a caller chooses freely.
Numbers that somebody else keeps (sessions now, capacity) are asked for when they are scraped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.registry import Collector

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS_TYPE: Final = openmetrics.CONTENT_TYPE_LATEST
OTHER: Final = "other"
Asked = tuple[str, float | Mapping[str, float]] | tuple[str, Mapping[str, float], str]
"""What a number is, the number or numbers by label, and that label when it is not ``state``."""
_USED: Final[Mapping[str, str]] = {
    "memory_byte_seconds": "Memory of ended sessions, integrated over time",
    "log_bytes": "Bytes that ended sessions wrote to their logs",
    "relay_bytes": "Bytes of relayed room connections, both ways",
    "turns": "Turns that ended sessions say they answered",
    "input_tokens": "Tokens that ended sessions say they sent to models",
    "output_tokens": "Tokens that ended sessions say they got from models",
}
_START_BUCKETS: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_ANSWER_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5)


class Metrics:
    """One server's metrics, in a registry of their own.

    Args:
        known: Tells whether a path is an endpoint; any other counts as ``other``.
    """

    def __init__(self, *, version: str, known: Callable[[str], bool] = lambda _: True) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series that nobody reads
        self._known = known
        self._registry = registry = CollectorRegistry(auto_describe=False)
        info = Gauge("bulkhead_build_info", "Version of the server", ["version"], registry=registry)
        info.labels(version).set(1)
        self._webhooks = Counter(
            "bulkhead_webhooks", "Webhook requests by outcome", ["endpoint", "outcome"], registry=registry
        )
        self._answers = Histogram(
            "bulkhead_webhook_answer_seconds",
            "Time from a webhook's arrival to its answer, without asked-for waiting",
            buckets=_ANSWER_BUCKETS,
            registry=registry,
        )
        self._started = Counter(
            "bulkhead_sessions_started", "Sessions that got a process", ["endpoint"], registry=registry
        )
        self._start = Histogram(
            "bulkhead_session_start_seconds",
            "Time from the placement of a session to Ready",
            ["endpoint"],
            buckets=_START_BUCKETS,
            registry=registry,
        )
        self._ended = Counter(
            "bulkhead_sessions_ended",
            "Sessions that ended, by reason",
            ["endpoint", "reason"],
            registry=registry,
        )
        self._crashed = Counter(
            "bulkhead_crashes",
            "Attempts of sessions that did not end well, by reason",
            ["endpoint", "reason"],
            registry=registry,
        )
        self._cpu = Counter(
            "bulkhead_session_cpu_seconds",
            "Processor time of ended sessions",
            ["endpoint"],
            registry=registry,
        )
        self._restarted = Counter(
            "bulkhead_session_restarts",
            "Attempts that ended and were followed by another",
            ["endpoint"],
            registry=registry,
        )
        self._parked = Counter(
            "bulkhead_inputs_quarantined", "Inputs that were parked", ["endpoint"], registry=registry
        )
        self._used = {
            name: Counter(f"bulkhead_session_{name}", text, ["endpoint"], registry=registry)
            for name, text in _USED.items()
        }
        self._dropped = Counter(
            "bulkhead_session_log_lines_dropped", "Log lines of sessions that were dropped", registry=registry
        )
        self._spans_dropped = Counter(
            "bulkhead_spans_dropped", "Spans of sessions that were too many, or none", registry=registry
        )
        self._cut = Counter(
            "bulkhead_event_readers_cut", "Readers of the event stream that were too slow", registry=registry
        )

    def webhook(self, path: str, outcome: str, answer_s: float, traceparent: str = "") -> None:
        """A webhook was answered; `outcome` is ``accepted``, ``duplicate``, ``ignored`` or an error code.

        Args:
            traceparent: Its trace, which becomes an example of those that took so long.
        """
        self._webhooks.labels(self._endpoint(path), outcome).inc()
        self._answers.observe(max(0.0, answer_s), _example(traceparent))

    def session_started(self, path: str) -> None:
        """A session got its process."""
        self._started.labels(self._endpoint(path)).inc()

    def session_ready(self, path: str, start_s: float, traceparent: str = "") -> None:
        """A session became ready `start_s` after it was placed; `traceparent` as of a webhook."""
        self._start.labels(self._endpoint(path)).observe(start_s, _example(traceparent))

    def session_ended(self, path: str, reason: str, *, cpu_s: float, log_lines_dropped: int) -> None:
        """A session is over."""
        endpoint = self._endpoint(path)
        self._ended.labels(endpoint, reason).inc()
        self._cpu.labels(endpoint).inc(max(0.0, cpu_s))
        self._dropped.inc(max(0, log_lines_dropped))

    def session_crashed(self, path: str, reason: str) -> None:
        """A session, or one attempt of it, did not end well."""
        self._crashed.labels(self._endpoint(path), reason).inc()

    def session_used(self, path: str, **amounts: float) -> None:
        """What a session that is over used, in all its attempts; the names are those of the counters."""
        endpoint = self._endpoint(path)
        for name, amount in amounts.items():
            self._used[name].labels(endpoint).inc(max(0, amount))

    def session_restarted(self, path: str) -> None:
        """An attempt ended and another one follows."""
        self._restarted.labels(self._endpoint(path)).inc()

    def input_parked(self, path: str) -> None:
        """An input was put into quarantine."""
        self._parked.labels(self._endpoint(path)).inc()

    def spans_dropped(self, count: int) -> None:
        """Spans that sessions measured were left out."""
        self._spans_dropped.inc(count)

    def reader_cut(self) -> None:
        """A reader of the event stream was too slow."""
        self._cut.inc()

    def gauges(self, ask: Callable[[], Mapping[str, Asked]]) -> None:
        """Ask for these when scraped: ``{"readers": ("help", 3)}``, ``("help", {"ready": 3})`` by state, and
        ``("help", {"docker": 3}, "engine")`` by another label."""
        self._registry.register(_Asked(ask))

    def collect(self) -> Iterable[Metric]:
        """All of them, as they are now."""
        return self._registry.collect()

    def counted(self) -> Iterable[Metric]:
        """Those that it counts itself, asking nobody: also in another thread."""
        own = (self._webhooks, self._answers, self._started, self._start, self._ended, self._crashed)
        for one in (*own, self._restarted, *self._used.values()):
            yield from one.collect()

    def render(self) -> bytes:
        """The text format of Prometheus."""
        return generate_latest(self._registry)

    def render_openmetrics(self) -> bytes:
        """The text format of OpenMetrics, in which histograms have examples: traces of what was measured."""
        written: bytes = openmetrics.generate_latest(self._registry)  # type: ignore[no-untyped-call]
        return written

    def _endpoint(self, path: str) -> str:
        return path if self._known(path) else OTHER


def _example(traceparent: str) -> dict[str, str] | None:
    """A trace that is recorded, as an example of what was measured."""
    _, _, rest = traceparent.partition("-")
    trace_id, _, rest = rest.partition("-")
    span_id, _, flags = rest.partition("-")
    return {"trace_id": trace_id, "span_id": span_id} if flags == "01" else None


class _Asked(Collector):
    def __init__(self, ask: Callable[[], Mapping[str, Asked]]) -> None:
        self._ask = ask

    def collect(self) -> Iterable[Metric]:
        for name, (text, value, *label) in self._ask().items():
            if isinstance(value, Mapping):
                family = GaugeMetricFamily(f"bulkhead_{name}", text, labels=label or ["state"])
                for which, number in value.items():
                    family.add_metric([which], number)
            else:
                family = GaugeMetricFamily(f"bulkhead_{name}", text, value=value)
            yield family
