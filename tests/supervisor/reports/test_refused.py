"""A session may say what it likes of its refusals: what is told of it is bounded, and decides nothing."""

from __future__ import annotations

import pytest

from runtime.confinement.ground import Ground
from runtime.confinement.level import Level
from runtime.confinement.policy import Policy
from runtime.supervisor.reports.refused import MOST_TOLD, Refused
from runtime.wire import control

pytestmark = pytest.mark.unit

GROUND = Ground(folder="/srv/chat", home="/home/x", state="/srv/.bulkhead", real=str)


def account(policy: Policy | None = None) -> Refused:
    made = Refused("helper", lambda text: text.replace("hunter2", "•••"))
    made.began(policy or Policy(Level.BASIC), GROUND)
    return made


def test_what_is_new_is_explained_and_counts_never_fall() -> None:
    refused = account()
    said = control.Refused([("files.write", "/srv/chat/data/x")], {"files.write": 3, "made.up": 9})
    ((refusal, explained),) = refused.take(said)
    assert (refusal.rule, refusal.what) == ("files.write", "/srv/chat/data/x")
    assert explained.cure.startswith('write=["data"]')
    assert refused.take(control.Refused([], {"files.write": 1, "files.read": 2})) == []
    assert refused.counts == {"files.write": 3, "files.read": 2}


def test_a_flood_is_cut() -> None:
    refused = account()
    flood = [("files.read", f"/{number}/x") for number in range(1000)]
    assert len(refused.take(control.Refused(flood, {"files.read": 1 << 62}))) == MOST_TOLD
    assert refused.take(control.Refused(flood, {})) == []
    assert refused.counts == {"files.read": 1 << 53}


def test_a_name_is_one_short_line_without_secrets() -> None:
    refused = account()
    ((refusal, explained),) = refused.take(
        control.Refused([("files.write", "/srv/\x1b[31mhunter2\n" + "x" * 9000)], {})
    )
    assert refusal.what.startswith("/srv/�[31m•••�xxx")
    assert len(refusal.what) <= 500
    assert "hunter2" not in explained.cure


def test_a_rule_that_nobody_knows_and_a_session_that_nothing_holds_are_not_heard() -> None:
    assert account().take(control.Refused([("made.up", "x")], {})) == []
    free = account(Policy())
    assert free.take(control.Refused([("files.write", "/x")], {"files.write": 1})) == []
    assert free.counts == {}
    assert free.explain("files.write", "/x") is None
