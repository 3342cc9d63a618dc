"""The way to a collector: what goes where, and that nobody waits for one that is slow or away."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time
from contextlib import AsyncExitStack

import pytest

from runtime.clock import SystemClock
from runtime.metrics import Metrics
from runtime.settings.telemetry import TelemetrySettings
from runtime.telemetry.addresses import addresses
from runtime.telemetry.opening import opened
from runtime.telemetry.session_spans import SessionSpans
from tests.patience import PATIENCE
from tests.telemetry.sink import Sink

HERE = "http://c:4318"
OFF = """
import asyncio, sys
from contextlib import AsyncExitStack
import runtime.front.server, runtime.worker.main, runtime.worker.session, runtime.sdk.chat.chatbot
from runtime.clock import SystemClock
from runtime.metrics import Metrics
from runtime.settings.telemetry import TelemetrySettings
from runtime.telemetry.opening import opened
spans = opened(TelemetrySettings(), Metrics(version=""), "", SystemClock(), AsyncExitStack())
assert not spans.is_on
packages = ("opentelemetry", "google.protobuf", "requests")
assert [name for name in sys.modules if name.startswith(packages)] == []
"""


@pytest.mark.process
def test_off_imports_nothing_of_opentelemetry() -> None:
    done = subprocess.run([sys.executable, "-c", OFF], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.unit
@pytest.mark.parametrize(
    ("endpoint", "environ", "expected"),
    [
        ("", {}, {}),
        (HERE + "/", {}, {one: f"{HERE}/v1/{one}" for one in ("traces", "metrics", "logs")}),
        (HERE, {"OTEL_SDK_DISABLED": "True"}, {}),
        ("", {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://t/x"}, {"traces": "http://t/x"}),
        (
            HERE,
            {"OTEL_METRICS_EXPORTER": "none", "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT": "http://l/x"},
            {"traces": f"{HERE}/v1/traces", "logs": "http://l/x"},
        ),
    ],
)
def test_the_standard_variables_say_what_goes_where(
    endpoint: str, environ: dict[str, str], expected: dict[str, str]
) -> None:
    assert addresses(endpoint, environ) == expected


def answered(spans: SessionSpans, count: int) -> None:
    for _ in range(count):
        spans.answered(spans.asked(""), "POST", "/chat", 1.0, {}, "")


@pytest.mark.process
@pytest.mark.parametrize("away", [False, True])
def test_a_collector_that_holds_or_is_away_costs_nobody_time(
    away: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "10")
    if away:  # else its threads log for most of a minute, whatever test runs by then
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    hold, before = threading.Event(), set(threading.enumerate())

    async def run(url: str) -> tuple[float, float]:
        async with AsyncExitStack() as parts:
            settings = TelemetrySettings(endpoint=url, metrics_s=0.05)
            spans = opened(settings, Metrics(version=""), "1", SystemClock(), parts)
            assert spans.is_on
            cpu = time.thread_time()
            answered(spans, 10_000)  # five queues full
            spent = time.thread_time() - cpu
            await asyncio.sleep(0)
            ends = time.monotonic()
        return spent, time.monotonic() - ends

    with Sink(hold) as sink:
        try:
            spent_s, ended_s = asyncio.run(run("http://127.0.0.1:9" if away else sink.url))
        finally:
            hold.set()
        for ending in set(threading.enumerate()) - before:
            if ending.name == "otlp end":
                ending.join(
                    30 * PATIENCE
                )  # it closes the connections of what is sent, or says why it could not
    assert spent_s / 10_000 < 0.001 * PATIENCE
    assert ended_s < 2.5 * PATIENCE


@pytest.mark.process
def test_the_last_span_and_the_last_numbers_are_sent_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=harbour")

    async def run(url: str) -> None:
        async with AsyncExitStack() as parts:
            metrics = Metrics(version="9")
            settings = TelemetrySettings(endpoint=url, metrics_s=3600)
            spans = opened(settings, metrics, "9", SystemClock(), parts)
            request = spans.asked("")
            assert request.context is not None
            metrics.webhook("/chat", "accepted", 0.003, request.context.header())
            spans.answered(request, "POST", "/chat", 1.0, {}, "")

    with Sink() as sink:
        asyncio.run(run(sink.url))
        (span,) = sink.spans()
        answers = sink.metrics()["bulkhead.webhook_answer"]
    assert span.resource["service.name"] == "bulkhead"
    assert span.resource["deployment.environment.name"] == "harbour"
    (point,) = answers.histogram.data_points
    assert (answers.unit, point.count, sum(point.bucket_counts)) == ("s", 1, 1)
    (exemplar,) = point.exemplars
    assert exemplar.trace_id.hex() == span.trace_id
