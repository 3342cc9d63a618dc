from __future__ import annotations

import pytest
from prometheus_client.parser import text_string_to_metric_families

from runtime.metrics import Metrics

pytestmark = pytest.mark.unit


def samples(metrics: Metrics) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    text = metrics.render().decode()
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_a_session_leaves_its_numbers() -> None:
    metrics = Metrics(version="9")
    metrics.webhook("/a", "accepted", 0.002)
    metrics.session_started("/a")
    metrics.session_ready("/a", 0.2)
    metrics.session_ended("/a", "memory", cpu_s=1.5, log_lines_dropped=3)
    found = samples(metrics)
    at = (("endpoint", "/a"),)
    assert found["bulkhead_build_info", (("version", "9"),)] == 1
    assert found["bulkhead_webhooks_total", (*at, ("outcome", "accepted"))] == 1
    assert found["bulkhead_webhook_answer_seconds_count", ()] == 1
    assert found["bulkhead_sessions_started_total", at] == 1
    assert found["bulkhead_session_start_seconds_sum", at] == 0.2
    assert found["bulkhead_sessions_ended_total", (*at, ("reason", "memory"))] == 1
    assert found["bulkhead_session_cpu_seconds_total", at] == 1.5
    assert found["bulkhead_session_log_lines_dropped_total", ()] == 3


def test_a_path_that_is_no_endpoint_makes_no_label_of_its_own() -> None:
    metrics = Metrics(version="9", known=lambda path: path == "/a")
    for number in range(1000):
        metrics.webhook(f"/guess/{number}", "endpoint_not_found", 0.0)
    found = samples(metrics)
    labels = (("endpoint", "other"), ("outcome", "endpoint_not_found"))
    assert found["bulkhead_webhooks_total", labels] == 1000
    assert sum(name == "bulkhead_webhooks_total" for name, _ in found) == 1


def test_gauges_are_asked_when_scraped() -> None:
    metrics, count = Metrics(version="9"), iter(range(10))
    metrics.gauges(lambda: {"sessions": ("Sessions", {"ready": 2}), "uptime_seconds": ("Up", next(count))})
    assert samples(metrics)["bulkhead_uptime_seconds", ()] == 0
    found = samples(metrics)
    assert found["bulkhead_uptime_seconds", ()] == 1
    assert found["bulkhead_sessions", (("state", "ready"),)] == 2


def test_a_gauge_may_have_another_label_than_a_state() -> None:
    metrics = Metrics(version="9")
    metrics.gauges(lambda: {"containers": ("Containers", {"docker": 3}, "engine")})
    assert samples(metrics)["bulkhead_containers", (("engine", "docker"),)] == 3


def test_two_servers_in_one_process_do_not_share_numbers() -> None:
    one, two = Metrics(version="9"), Metrics(version="9")
    one.reader_cut()
    assert samples(one)["bulkhead_event_readers_cut_total", ()] == 1
    assert samples(two)["bulkhead_event_readers_cut_total", ()] == 0
