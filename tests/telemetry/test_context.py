"""Trace contexts are read as the standard says, and traces are chosen alike everywhere."""

from __future__ import annotations

import pytest

from runtime.telemetry.context import Sampler, TraceContext, before

pytestmark = pytest.mark.unit

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


def test_a_header_is_read_and_written() -> None:
    found = TraceContext.read(f"00-{TRACE}-{SPAN}-01")
    assert found == TraceContext(TRACE, SPAN, sampled=True)
    assert found.header() == f"00-{TRACE}-{SPAN}-01"
    assert found.child().trace_id == TRACE
    assert found.child().span_id != SPAN
    newer = TraceContext.read(f"cc-{TRACE}-{SPAN}-00-what-comes")  # of a version to come
    assert newer is not None
    assert not newer.sampled


@pytest.mark.parametrize(
    "header",
    [
        "",
        "00",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01-more",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
    ],
)
def test_what_is_no_header_is_none(header: str) -> None:
    assert TraceContext.read(header) is None


def test_the_request_of_a_session_is_known_to_who_knows_the_session() -> None:
    assert before(SPAN) == before(SPAN) != SPAN
    assert len(before(SPAN)) == 16


@pytest.mark.parametrize(
    ("environ", "caller", "taken"),
    [
        ({}, None, True),
        ({}, False, False),
        ({"OTEL_TRACES_SAMPLER": "always_off"}, True, False),
        ({"OTEL_TRACES_SAMPLER": "always_on"}, False, True),
        ({"OTEL_TRACES_SAMPLER": "parentbased_always_off"}, None, False),
        ({"OTEL_TRACES_SAMPLER": "parentbased_always_off"}, True, True),
        ({"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0"}, None, False),
        ({"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "nonsense"}, None, True),
        ({"OTEL_TRACES_SAMPLER": "xray"}, None, True),
    ],
)
def test_the_standard_variables_choose(environ: dict[str, str], caller: bool | None, taken: bool) -> None:
    context = None if caller is None else TraceContext(TRACE, SPAN, sampled=caller)
    assert Sampler.of(1.0, environ).takes(TRACE, context) is taken


def test_a_share_is_a_share() -> None:
    sampler = Sampler(0.25)
    taken = sum(sampler.takes(TraceContext.begin().trace_id, None) for _ in range(4000))
    assert 800 < taken < 1200
