"""A profile in which nothing was found says so, rather than to show nothing."""

from __future__ import annotations

import pytest

from runtime.cli.session.profile import listed
from runtime.front.operator.session.flame_graph import svg
from runtime.wire.looking.profile import Profile

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("by", "says"),
    [("sampler", "Nothing of the agent's ran or waited."), ("tracemalloc", "Nothing was kept.")],
)
def test_an_idle_session_is_told_as_such(by: str, says: str) -> None:
    found = {
        "by": by,
        "seconds": 2.0,
        "samples": 200,
        "note": "",
        "cost_cpu_s": 0,
        "frames": [],
        "stacks": [],
    }
    assert list(listed(found))[-1].strip() == says
    drawn = svg(Profile(by=by, seconds=2.0, samples=200), "chatbot")
    assert says.replace("'", "&#x27;") in drawn or says in drawn
