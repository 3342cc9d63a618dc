"""What a session measured is told soon, without secrets, and never beyond its bound."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from runtime import logs
from runtime.telemetry import gen_ai
from runtime.telemetry.tracer import tracer
from runtime.wire import control
from runtime.wire.spans import BEYOND_CHARS, MAX_CONTENT_CHARS, Attributes, Span, SpanEvent, Spans
from runtime.worker.telling import tracing

pytestmark = pytest.mark.unit

HEADER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def start(**more: Any) -> control.Start:
    about = {"session_id": "s_1", "generation": 1, "endpoint": "/c", "identity": "c", "room": "r"}
    return control.Start(**{**about, "traceparent": HEADER, "traces": "work", **more})


@pytest.fixture(autouse=True)
def afterwards() -> Iterator[None]:
    yield
    tracer.end()
    logs.mark_by(None)


def test_nothing_is_measured_unasked() -> None:
    async def run() -> None:
        assert tracing.begin(start(traces=""), lambda _: pytest.fail("told")) is None
        with gen_ai.turn("c") as work:
            assert not work.is_recorded

    asyncio.run(run())


def test_a_trace_that_is_not_recorded_is_known_and_not_told() -> None:
    async def run() -> None:
        reporter = tracing.begin(start(traceparent=HEADER[:-1] + "0"), lambda _: pytest.fail("told"))
        assert reporter is not None
        with gen_ai.turn("c") as work:
            assert not work.is_recorded
        assert tracer.marks()["trace_id"] == HEADER[3:35]
        reporter.close()

    asyncio.run(run())


def test_what_is_within_belongs_to_what_is_around_it() -> None:
    told: list[Spans] = []

    async def run() -> None:
        reporter = tracing.begin(start(), told.append)
        assert reporter is not None
        with gen_ai.turn("c"):
            with gen_ai.Asking("m", "openai", [{"role": "user", "content": "secret words"}], 1) as asking:
                asking.spoke()
                asking.answered("m-1", 3, 4, {"text": "more words", "calls": []})

            async def tool() -> None:
                with gen_ai.tool("tide", call_id="1", arguments='{"harbour": "words"}') as work:
                    gen_ai.gave(work, '{"error": "no words"}')

            await asyncio.create_task(tool())
        reporter.close()

    asyncio.run(run())
    (message,) = told
    chat, tool, turn = message.spans
    assert [turn.name, chat.name, tool.name] == ["invoke_agent c", "chat m", "execute_tool tide"]
    assert (turn.trace_id, turn.parent_id) == (HEADER[3:35], HEADER[36:52])
    assert chat.parent_id == tool.parent_id == turn.span_id
    assert chat.attributes["gen_ai.usage.output_tokens"] == 4
    assert (tool.error, turn.error) == ("tool_error", "")
    assert "words" not in str(message)


def test_content_goes_along_when_it_is_wanted_and_secrets_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARBOUR_API_KEY", "hunter2hunter2")
    told: list[Spans] = []

    async def run() -> None:
        reporter = tracing.begin(start(traces="content"), told.append)
        assert reporter is not None
        asked = [{"role": "user", "content": "my key is hunter2hunter2, keep it"}]
        with gen_ai.Asking("m", "openai", asked, 1) as asking:
            asking.answered("m", 1, 1, {"text": "kept", "calls": []})
        reporter.close()

    asyncio.run(run())
    ((span,),) = (one.spans for one in told)
    assert "my key is" in str(span.attributes["gen_ai.input.messages"])
    assert "hunter2" not in str(told)


def test_secrets_in_spans_of_the_program_itself_do_not_leave(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARBOUR_API_KEY", "hunter2hunter2")
    url, told = "https://harbour.example/tide?key=hunter2hunter2", list[Spans]()
    attributes: Attributes = {"url.full": url, "all": [url], "http.status_code": 401}
    attributes["header hunter2hunter2"] = True
    ids = {"trace_id": HEADER[3:35], "span_id": HEADER[36:52], "began_ns": 1, "ended_ns": 2}
    event = SpanEvent(f"refused {url}", 1, {"exception.message": f"401 for {url}"})

    async def run() -> None:
        reporter = tracing.begin(start(), told.append)
        assert reporter is not None
        about: Any = {"attributes": attributes, "events": [event], "scope": "httpx", **ids}
        tracer.finished(Span(name=f"GET {url}", error=url, **about))
        reporter.close()

    asyncio.run(run())
    ((span,),) = (one.spans for one in told)
    assert str(span.attributes["url.full"]).startswith("https://harbour.example/tide?key=")
    assert span.attributes["http.status_code"] == 401
    assert "hunter2" not in str(told)


@pytest.mark.parametrize("before", [0, 3, 40])
def test_a_secret_across_the_bound_does_not_leave_by_half(
    monkeypatch: pytest.MonkeyPatch, before: int
) -> None:
    monkeypatch.setenv("HARBOUR_API_KEY", "hunter2hunter2")
    key, told = "hunter2hunter2", list[Spans]()

    async def run() -> None:
        reporter = tracing.begin(start(traces="content"), told.append)
        assert reporter is not None
        hidden = f"{key} " * before  # what is hidden becomes shorter, and what is cut off comes nearer
        for most in (tracer.most_chars, tracer.most_chars + BEYOND_CHARS):
            with gen_ai.tool("tide", arguments=hidden.ljust(most - 7, ".") + key + "." * 9_000):
                pass
        scoped: Attributes = {"of.program": "." * (tracer.most_chars - 7) + key}
        ids: Any = {"trace_id": HEADER[3:35], "span_id": HEADER[36:52], "began_ns": 1, "ended_ns": 2}
        tracer.finished(Span(name="own", attributes=scoped, scope="own", **ids))
        reporter.close()

    asyncio.run(run())
    spans = [span for one in told for span in one.spans]
    assert len(spans) == 3
    texts = [text for span in spans for text in span.attributes.values() if isinstance(text, str)]
    assert 30_000 < max(map(len, texts)) <= MAX_CONTENT_CHARS
    assert "hunter" not in str(told)


def test_too_many_are_counted_and_cost_no_memory() -> None:
    told: list[Spans] = []

    async def run() -> None:
        reporter = tracing.begin(start(), told.append)
        assert reporter is not None
        for _ in range(tracing.MAX_WAITING + 70):
            with tracer.span("x"):
                pass
        reporter.close()
        with tracer.span("late"):
            pass

    asyncio.run(run())
    assert sum(len(one.spans) for one in told) == tracing.MAX_WAITING
    assert sum(one.dropped for one in told) == 70
