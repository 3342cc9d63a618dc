"""A trace of one webhook, read back from a collector, of an agent of the real SDK: the same as of ours."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from runtime.rooms.files import JOURNALS
from runtime.telemetry import names as at
from runtime.telemetry import table
from runtime.telemetry.turn_steps import STEP
from tests.interop.conftest import HERE
from tests.interop.environments import TRIED, provide, write_bundle
from tests.patience import PATIENCE
from tests.telemetry.conftest import running
from tests.telemetry.sink import Sink
from tests.telemetry.test_trace import STEPS, TRACE, steps_of, talk

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600 * PATIENCE)]


def steps_in(state: Path, room: str) -> list[dict[str, Any]]:
    """What a room that has closed remembers of steps of turns."""
    (journal,) = state.glob(f"**/{room}/{JOURNALS[0]}")
    entries = [json.loads(line) for line in journal.read_text().splitlines()]
    return [one["data"] for one in entries if one["type"] == STEP]


@pytest.mark.parametrize("version", TRIED)
def test_a_trace_of_an_agent_of_the_sdk_is_as_one_of_ours(tmp_path: Path, version: str) -> None:
    bundle = write_bundle(tmp_path / "agents" / "sdk", version, (HERE / "traced_agent.py").read_text())
    provide(bundle, version, tmp_path / "state" / "environments")
    more = {"OTEL_BSP_SCHEDULE_DELAY": "100"}
    with Sink() as sink:
        with running(tmp_path, tmp_path / "agents", OTEL_ENDPOINT=sink.url, **more) as server:
            session = talk(server, sink, "myroom", TRACE)
        spans = sink.spans(TRACE)
        steps = steps_in(tmp_path / "state", "myroom")
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
    # Its room remembers the same steps, for whoever asks where the time went.
    turn, *steps = sorted(steps, key=lambda one: (one["began_ms"], -one["ended_ms"]))
    assert [one["kind"] for one in (turn, *steps)] == ["turn", "model", "tool", "model"]
    assert {(one["path"], one["turn_id"]) for one in steps} == {(turn["path"], turn["turn_id"])}
    assert turn["path"].endswith(".thread")
    assert (steps[1]["name"], steps[0]["model"]) == ("tide", model)
    # The SDK calls a tool as soon as the answer names it, a moment before that is whole.
    assert steps[0]["began_ms"] <= steps[1]["began_ms"] <= steps[1]["ended_ms"] <= steps[2]["began_ms"]
    (line,) = lines
    tool = next(one for one in spans if one.name == "execute_tool tide")
    assert (line.trace_id, line.span_id) == (TRACE, tool.span_id)
    assert (line.resource["service.name"], line.resource["session"]) == ("harbour", session)
