"""A node that was lost is listed for an hour, and no longer, whatever else happens."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from runtime.placement.cluster.liveness import Liveness
from runtime.placement.cluster.messages import Beat
from runtime.placement.cluster.nodes import Node
from runtime.placement.cluster.resync import Holdings
from runtime.placement.cluster.roster import FORGET_S, Roster
from runtime.placement.relays import Relays
from runtime.session.info import Capacity

pytestmark = pytest.mark.unit


def test_a_node_that_was_lost_is_no_part_of_the_cluster_after_an_hour() -> None:
    load = Capacity(sessions=0, starting=0, max_sessions=1, max_starting=1)
    node = Node(Beat(node="n1", boot="b1", number=1, sent=0.0, capacity=load, processors=1))
    live = Liveness(lease_s=6.0, now=0.0)
    live.beat("n1", "b1", 0.0)
    clock: Any = SimpleNamespace(now=lambda: at)
    follower: Any = SimpleNamespace(
        nodes={"n1": node},
        live=live,
        held=Holdings(),
        memory=SimpleNamespace(drained=set()),
        judged=[],
        beaten=[],
        taken=[],
        hearing=SimpleNamespace(flooded=[]),
        ends=SimpleNamespace(withheld=[]),
    )
    roster, at = Roster(follower, clock, Relays("http://front")), FORGET_S
    assert [one.state for one in roster.listed()] == ["ready"]  # never given up: whoever judges was deaf
    live.left("n1", "b1")
    at = FORGET_S - 1.0
    assert [one.state for one in roster.listed()] == ["lost"]
    at = FORGET_S
    assert roster.listed() == []
