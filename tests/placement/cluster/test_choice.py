"""Who gets the next session, and that fronts with old beats do not run in a herd."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from runtime.placement.cluster.choice import Candidate, ordered

pytestmark = pytest.mark.unit


def candidate(node: str, **more: int) -> Candidate:
    return Candidate(
        **{"node": node, "starting": 0, "processors": 2, "headroom_bytes": 1 << 30, "room": 10, **more}
    )


def order(candidates: list[Candidate], chance: Callable[[], float]) -> list[str]:
    return ordered(candidates, lambda one: one, chance, 3)


def test_the_less_loaded_of_two_comes_first_and_all_come() -> None:
    busy, idle = candidate("busy", starting=8), candidate("idle")
    full, large = candidate("full", room=0), candidate("large", starting=8, processors=64)
    assert order([busy, idle, full], lambda: 0.0) == ["idle", "busy"]
    assert order([busy, large], lambda: 0.0) == ["large", "busy"]
    few = candidate("few", headroom_bytes=1 << 20)
    assert order([few, idle], lambda: 0.999) == ["idle", "few"]
    doubted = candidate("doubted", is_doubted=True)
    for chance in (0.0, 0.999):
        assert order([doubted, busy], lambda chance=chance: chance) == ["busy", "doubted"]
    assert order([], lambda: 0.0) == []


def test_of_many_nodes_no_more_are_looked_at_than_are_asked() -> None:
    looks: list[str] = []

    def look(node: str) -> Candidate | None:
        looks.append(node)
        return None if node == "n3" else candidate(node)  # one that does not serve it

    found = ordered([f"n{number}" for number in range(1000)], look, random.Random(1).random, 3)
    assert len(found) == 3
    assert len(looks) <= 5


def test_four_fronts_whose_beats_are_a_second_old_place_evenly() -> None:
    chance = random.Random(7).random
    nodes = [f"n{number}" for number in range(8)]
    placed = dict.fromkeys(nodes, 0)
    seen = [dict.fromkeys(nodes, 0) for _ in range(4)]  # by front: what was there at the last beat
    own = [dict.fromkeys(nodes, 0) for _ in range(4)]  # and what it placed since
    for number in range(10_000):
        if number % 500 == 0:
            seen = [dict(placed) for _ in range(4)]
            own = [dict.fromkeys(nodes, 0) for _ in range(4)]
        front = number % 4
        candidates = [candidate(one, starting=seen[front][one] + own[front][one]) for one in nodes]
        node = order(candidates, chance)[0]
        placed[node] += 1
        own[front][node] += 1
    assert max(abs(count - 1250) for count in placed.values()) <= 250
