"""A trace of one webhook, read back from a collector, of an agent of the real SDK: the same as of ours."""

from __future__ import annotations

from pathlib import Path

import pytest

from runtime.telemetry import names as at
from runtime.telemetry import table
from tests.interop.conftest import HERE
from tests.interop.environments import VERSIONS, provide, write_bundle
from tests.patience import PATIENCE
from tests.telemetry.conftest import running
from tests.telemetry.sink import Sink
from tests.telemetry.test_trace import STEPS, TRACE, steps_of, talk

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600 * PATIENCE)]


def test_a_trace_of_an_agent_of_the_sdk_is_as_one_of_ours(tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path / "agents" / "sdk", VERSIONS[-1], (HERE / "traced_agent.py").read_text())
    provide(bundle, VERSIONS[-1], tmp_path / "state" / "environments")
    more = {"OTEL_BSP_SCHEDULE_DELAY": "100"}
    with Sink() as sink:
        with running(tmp_path, tmp_path / "agents", OTEL_ENDPOINT=sink.url, **more) as server:
            session = talk(server, sink, "myroom", TRACE)
        spans = sink.spans(TRACE)
        lines = [one for one in sink.lines() if "asked for the tide" in one.body]
    model = next(one.attributes[at.MODEL] for one in spans if one.name.startswith("chat "))
    assert steps_of(spans) == [
        (f"chat {model}" if name == "chat offline" else name, of) for name, of in STEPS
    ]
    for span in spans:
        row = table.row_of(span.name)
        assert row is not None, span.name
        assert set(span.attributes) - {at.SESSION_ID} <= set(row.attributes), span.name
    asked = [one for one in spans if one.name.startswith("chat ")]
    assert [one.attributes[at.FINISH] for one in asked] == [["tool_calls"], ["stop"]]
    assert all(one.attributes[at.INPUT_TOKENS] > 0 for one in asked)
    assert "Rostock" not in str(spans)  # what it puts into its spans stays here
    (line,) = lines
    tool = next(one for one in spans if one.name == "execute_tool tide")
    assert (line.trace_id, line.span_id) == (TRACE, tool.span_id)
    assert (line.resource["service.name"], line.resource["session"]) == ("harbour", session)
