"""Spans of sessions are made of their events, over attempts and over ends of the server."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from runtime.clock import SystemClock
from runtime.session.events import Exited, Placed, Started, Traced
from runtime.session.exit_reasons import ExitReason
from runtime.session.record import Exit, SessionRecord
from runtime.session.spec import SessionId, SessionSpec
from runtime.telemetry import names as at
from runtime.telemetry.context import before
from runtime.telemetry.session_spans import SessionSpans
from runtime.wire.spans import Span, SpanEvent

pytestmark = pytest.mark.unit

ID = SessionId("s_1")
CALLER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class Told:
    def __init__(self, **more: Any) -> None:
        self.spans: list[Span] = []
        self.dropped = 0
        self.made = SessionSpans(
            SystemClock(),
            emit=lambda span, spec, service: self.spans.append(span),
            dropped=self._drop,
            **more,
        )

    def _drop(self, count: int) -> None:
        self.dropped += count


def record_of(told: Told, header: str = CALLER) -> SessionRecord:
    request = told.made.asked(header)
    assert request.session is not None
    traceparent, tracing = told.made.tracing(request.session.header())
    spec = SessionSpec(
        session_id=ID,
        bundle="b",
        endpoint="/c",
        identity="c",
        room="r",
        traceparent=traceparent,
        tracing=tracing,
        accepted_at=100.0,
    )
    return SessionRecord(spec=spec, generation=1)


def test_another_attempt_waits_from_the_end_of_the_one_before() -> None:
    told = Told()
    record = record_of(told)
    crashed = Exit(reason=ExitReason.MEMORY, message="m", at=103.0)
    told.made.heard(Placed(session_id=ID, at=101.0, generation=1), record)
    told.made.heard(Started(session_id=ID, at=102.0, pid=7), record)
    told.made.heard(Exited(session_id=ID, at=103.0, exit=crashed), record)
    record.generation = 2
    told.made.heard(Placed(session_id=ID, at=105.0, generation=2), record)
    record.exit = crashed
    told.made.closed(record)
    first, fork, second, whole = told.spans
    assert [one.name for one in told.spans] == ["session.queue", "session.fork", "session.queue", "session c"]
    assert (first.began_ns, first.ended_ns, fork.ended_ns) == (100 * 10**9, 101 * 10**9, 102 * 10**9)
    assert (second.began_ns, second.ended_ns) == (103 * 10**9, 105 * 10**9)
    assert (first.attributes[at.ATTEMPT], second.attributes[at.ATTEMPT]) == (1, 2)
    assert {one.parent_id for one in (first, fork, second)} == {whole.span_id}
    assert (whole.error, whole.parent_id) == ("memory", before(whole.span_id))


def test_the_next_run_of_the_server_goes_on_with_the_trace() -> None:
    record = record_of(Told())
    record.last_exit = Exit(reason=ExitReason.FRONT_LOST, message="m", at=150.0)
    record.generation = 2
    told = Told()
    told.made.heard(Placed(session_id=ID, at=151.0, generation=2), record)
    (queue,) = told.spans
    assert (queue.began_ns, queue.trace_id) == (150 * 10**9, CALLER[3:35])


def test_what_a_session_says_is_bounded_attributed_and_without_content() -> None:
    told = Told()
    record = record_of(told)
    said = Span(
        name="x",
        trace_id="a" * 32,
        span_id="b" * 16,
        began_ns=1,
        ended_ns=2,
        attributes={
            at.SESSION_ID: "s_of_another",
            at.INPUT: "words",
            "gen_ai.prompt.0.content": "words",
            "llm.prompts": ["words"],
            "input.value": "words",
            "gen_ai.usage.input_tokens": 3,
        },
        events=[
            SpanEvent("gen_ai.user.message", 1, {"content": "words"}),
            SpanEvent("exception", 1, {"exception.type": "ValueError", "output.value": "words"}),
        ],
    )
    wrong = Span(name="x", trace_id="none", span_id="b" * 16, began_ns=1, ended_ns=2)
    told.made.heard(Traced(session_id=ID, at=1.0, spans=(said, wrong), dropped=3, service="harbour"), record)
    (kept,) = told.spans
    assert kept.attributes == {at.SESSION_ID: ID, at.INPUT_TOKENS: 3}
    assert [one.attributes for one in kept.events] == [{}, {"exception.type": "ValueError"}]
    assert told.dropped == 4
    assert told.made.service(ID) == "harbour"


def test_off_it_passes_on_what_the_caller_said_and_measures_nothing() -> None:
    made = SessionSpans(SystemClock())
    assert made.asked(CALLER).context is None
    assert made.tracing(CALLER) == (CALLER, None)


def test_steps_of_turns_go_into_their_room_whether_or_not_anything_is_traced() -> None:
    told = list[tuple[str, str, dict[str, Any]]]()
    made = SessionSpans(SystemClock(), note=lambda room, kind, data: told.append((room, kind, data)))
    spec = SessionSpec(session_id=ID, bundle="b", endpoint="/c", identity="c", room="r", accepted_at=1.0)
    ids = {"trace_id": "1" * 32, "span_id": "2" * 16, "began_ns": 10**9, "ended_ns": 3 * 10**9}
    of = {"turn": "t", "thread": ".threads/c/ada.thread"}
    tool = {at.OPERATION: "execute_tool", at.TOOL: "tide", at.ARGUMENTS: "Rostock"}
    spans = (
        Span(name="execute_tool tide", attributes=tool, error="ValueError", **ids, **of),
        Span(name="execute_tool tide", attributes=tool, **ids),  # of an agent that tells its room itself
        Span(name="fetch", **ids, **of),
        Span(name="chat m", attributes={at.OPERATION: "chat"}, **{**ids, "trace_id": "no"}, **of),
    )
    made.heard(Traced(session_id=ID, at=4.0, spans=spans), SessionRecord(spec=spec))
    about = {"path": ".threads/c/ada.thread", "turn_id": "t", "kind": "tool", "name": "tide"}
    assert told == [
        ("r", "llm.step", {**about, "began_ms": 1000.0, "ended_ms": 3000.0, "error": "ValueError"})
    ]
    away = replace(spec, room_url="wss://elsewhere/rooms/r")
    made.heard(Traced(session_id=ID, at=4.0, spans=spans), SessionRecord(spec=away))
    assert len(told) == 1
