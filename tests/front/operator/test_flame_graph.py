"""A flame graph is bounded, whatever a session says of itself."""

from __future__ import annotations

import pytest

from runtime.front.operator.session import flame_graph
from runtime.wire.looking.profile import Profile, ProfileFrame, ProfileStack

pytestmark = pytest.mark.unit


def test_the_widest_boxes_are_drawn_and_no_more_than_so_many() -> None:
    frames = [ProfileFrame(f"f{number}", "main.py", number) for number in range(1000)]
    many = [ProfileStack("running", "x", [(one * 7 + d) % 1000 for d in range(30)], 2) for one in range(900)]
    wide = ProfileStack("running", "the wide one", [1, 2], 100_000)
    drawn = flame_graph.svg(Profile(by="sampler", samples=1, frames=frames, stacks=[wide]), "s")
    assert drawn.count("<g>") == 4
    drawn = flame_graph.svg(Profile(by="sampler", samples=1, frames=frames, stacks=[*many, wide]), "s")
    assert 4 < drawn.count("<g>") < 200  # what is too narrow to be seen is left out
    crowd = flame_graph.svg(Profile(by="sampler", samples=1, frames=frames, stacks=many), "s")
    assert crowd.count("<g>") == flame_graph.MAX_BOXES
