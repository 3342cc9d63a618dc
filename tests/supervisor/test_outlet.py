"""What a session is told of the hosts that it was refused."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from runtime.confinement.policy import Policy
from runtime.supervisor.outward.outlet import MOST_TOLD, Outlet
from runtime.wire import control

pytestmark = pytest.mark.unit


def test_a_host_is_told_once_however_often_it_is_asked_for() -> None:
    told: list[control.Refused] = []
    outlet = Outlet(told.append, lambda _: None)
    outlet.began(cast(Any, SimpleNamespace(pid=1, policy=Policy(network=("a.example",)))))
    for name in ("b.example", "b.example", "b.example.corp.internal", "192.0.2.1:443", "b.example"):
        outlet.leaves.refused(name)
    assert [what for one in told for _, what in one.found] == ["b.example", "192.0.2.1:443"]
    assert told[-1].counts == {"network.connect": 5}
    for number in range(2 * MOST_TOLD):
        outlet.leaves.refused(f"10.0.0.{number}:1")
    assert sum(len(one.found) for one in told) == MOST_TOLD
