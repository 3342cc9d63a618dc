"""What a session says of its work is bounded before it is believed."""

from __future__ import annotations

import msgspec
import pytest

from runtime.wire import control, spans
from runtime.wire.spans import Span, SpanEvent, bounded

pytestmark = pytest.mark.unit

GOOD = Span(name="x", trace_id="a" * 32, span_id="b" * 16, began_ns=5, ended_ns=9)


def test_a_good_span_passes_the_pipe_as_it_is() -> None:
    message = control.decode(control.from_worker, control.encode(spans.Spans(spans=[GOOD], dropped=2)))
    assert message == spans.Spans(spans=[GOOD], dropped=2)
    assert bounded(GOOD) == GOOD


@pytest.mark.parametrize(
    "wrong",
    [
        {"trace_id": "0" * 32},
        {"trace_id": "a" * 31},
        {"span_id": "z" * 16},
        {"parent_id": "b"},
        {"kind": "cosmic"},
        {"began_ns": -1},
        {"ended_ns": 1 << 63},
    ],
)
def test_what_is_none_is_left_out(wrong: dict[str, object]) -> None:
    assert bounded(msgspec.structs.replace(GOOD, **wrong)) is None


def test_whatever_can_grow_is_cut() -> None:
    attributes: dict[str, spans.Value] = {f"{number:04}": "y" * 100_000 for number in range(1000)}
    events = [SpanEvent("e", 1, dict(attributes)) for _ in range(1000)]
    big = msgspec.structs.replace(
        GOOD, name="n" * 9000, error="e" * 9000, attributes=attributes, events=events, ended_ns=1
    )
    kept = bounded(big)
    assert kept is not None
    assert len(kept.name) == len(kept.error) == spans.MAX_NAME_CHARS
    assert len(kept.attributes) == spans.MAX_ATTRIBUTES
    assert {len(str(value)) for value in kept.attributes.values()} == {spans.MAX_TEXT_CHARS}
    assert len(kept.events) == spans.MAX_EVENTS
    assert len(msgspec.msgpack.encode(kept)) < 5 << 20
    assert kept.ended_ns == kept.began_ns


def test_numbers_that_no_collector_takes_become_text() -> None:
    assert spans.cut_attributes({"n": 1 << 80}) == {"n": str(1 << 80)}
