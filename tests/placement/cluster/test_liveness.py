"""Nodes that are late, lost, born again; and a front that is deaf itself."""

from __future__ import annotations

import pytest

from runtime.placement.cluster.liveness import MARGIN_S, SUSPECT_S, Liveness, NodeState, Verdict

pytestmark = pytest.mark.unit

READY, SUSPECT, LOST = NodeState.READY, NodeState.SUSPECT, NodeState.LOST
LEASE_S = 6.0


def heard(*, until: float, nodes: tuple[str, ...] = ("n1",)) -> Liveness:
    """Everybody beats until then, this front as well."""
    live = Liveness(lease_s=LEASE_S, now=0.0)
    for half in range(int(until * 2) + 1):
        live.echo(half / 2)
        for node in nodes:
            live.beat(node, "b1", half / 2)
    return live


def silence(live: Liveness, start: float, end: float, *, deaf: bool = False) -> list[tuple[float, Verdict]]:
    found = []
    for half in range(int(start * 2) + 1, int(end * 2) + 1):
        if not deaf:
            live.echo(half / 2)
        found += [(half / 2, verdict) for verdict in live.tick(half / 2)]
    return found


def test_a_silent_node_is_doubted_and_given_up_after_its_lease() -> None:
    live = heard(until=20)
    first, second = silence(live, 20, 40)
    assert first == (20 + SUSPECT_S, Verdict("n1", "b1", SUSPECT))
    assert second == (20 + LEASE_S + MARGIN_S, Verdict("n1", "b1", LOST))


def test_one_that_is_late_is_ready_again() -> None:
    live = heard(until=20)
    silence(live, 20, 23)
    assert live.state("n1") is SUSPECT
    assert live.beat("n1", "b1", 23.0) == [Verdict("n1", "b1", READY)]


def test_a_new_life_ends_the_one_before_it_at_once() -> None:
    live = heard(until=20)
    assert live.beat("n1", "b2", 20.1) == [Verdict("n1", "b1", LOST), Verdict("n1", "b2", READY)]
    silence(live, 20, 40)
    assert live.beat("n1", "b3", 41.0) == [Verdict("n1", "b3", READY)]  # that one was given up already


def test_who_is_deaf_gives_nobody_up() -> None:
    live = heard(until=20, nodes=("n1", "n2"))
    states = [verdict.state for _, verdict in silence(live, 20, 60, deaf=True)]
    assert states == [SUSPECT, SUSPECT]
    live.echo(60.5)  # it hears again: the nodes have a whole lease to be heard
    live.beat("n2", "b1", 60.5)
    lost = [found for found in silence(live, 60.5, 80) if found[1].state is LOST]
    assert lost[0][0] >= 60.5 + LEASE_S
    assert lost[0][1].node == "n1"


def test_the_nodes_of_a_state_are_known_after_each_change() -> None:
    live = heard(until=20, nodes=("n1", "n2"))
    assert live.among(READY) == live.among(READY, SUSPECT) == ["n1", "n2"]
    live.tick(20 + SUSPECT_S)
    assert (live.among(READY), live.among(READY, SUSPECT)) == ([], ["n1", "n2"])
    live.beat("n1", "b1", 22.0)
    assert live.among(READY) == ["n1"]
    live.left("n1", "b1")
    live.forget("n2")
    assert (live.among(READY, SUSPECT), live.among(LOST)) == ([], ["n1"])


def test_a_front_that_did_not_run_is_deaf() -> None:
    live = heard(until=20)
    assert [one.state for one in live.tick(50.0)] == [SUSPECT]
    live.echo(50.1)
    assert live.tick(50.2) == []


def test_a_node_that_is_forgotten_is_as_one_that_was_never_heard() -> None:
    live = heard(until=20)
    live.forget("n1")
    assert (live.state("n1"), live.boot("n1"), live.silent_s("n1", 21.0)) == (LOST, "", None)


def test_what_an_old_life_says_after_a_new_one_was_heard_counts_for_nothing() -> None:
    live = Liveness(lease_s=6.0, now=0.0)
    live.beat("n1", "b1", 0.0)
    assert not live.is_over("n1", "b1")
    live.beat("n1", "b2", 1.0)
    assert live.is_over("n1", "b1")
    assert not live.is_over("n1", "b2")
    assert not live.is_over("n2", "b1")
    for number in range(100):
        live.beat("n1", f"c{number}", 2.0)
    assert live.is_over("n1", "c98")
    assert not live.is_over("n1", "b1")  # of so many lives nobody keeps all
