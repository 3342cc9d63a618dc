"""Inputs that kill are parked; others, and calls without an input, never are."""

from __future__ import annotations

from typing import Any

import pytest

from runtime.session.exit_reasons import ExitReason
from runtime.session.quarantine import Parked, Quarantine, input_hash, is_death
from runtime.session.record import Exit

pytestmark = pytest.mark.unit

SEGFAULT = Exit(
    reason=ExitReason.SIGNAL, signal=11, message="ended by signal 11 (SIGSEGV) at main.py:4 in start"
)
FINE = Exit(reason=ExitReason.FINISHED, message="finished")


def died(quarantine: Quarantine, hash: str, exit: Exit = SEGFAULT, *, at: float = 0.0) -> Parked | None:
    return quarantine.ended(hash, exit, endpoint="/x", room="r", session_id="s_1", at=at)


def test_an_input_is_its_endpoint_room_and_arguments_in_any_order() -> None:
    one = input_hash("/x", "r", {"a": 1, "b": [1, {"c": "ü\ud800"}]})
    assert one == input_hash("/x", "r", {"b": [1, {"c": "ü\ud800"}], "a": 1})
    others = [("/y", "r", {"a": 1}), ("/x", "q", {"a": 1}), ("/x", "r", {"a": 2}), ("/x", "r", {"a": "1"})]
    assert len({one, *(input_hash(*other) for other in others)}) == 5
    assert input_hash("/x", "r", {}) == ""


@pytest.mark.parametrize(
    ("exit", "counts"),
    [
        *(
            ({"reason": reason}, True)
            for reason in ("signal", "memory", "hang", "agent_error", "start_error")
        ),
        *(
            ({"reason": reason}, False)
            for reason in ("room_lost", "stopped", "drained", "deadline", "finished")
        ),
        ({"reason": "exit", "code": 3}, True),
        ({"reason": "exit", "code": 0}, False),
    ],
)
def test_which_ends_count(exit: dict[str, Any], counts: bool) -> None:
    given = {**exit, "reason": ExitReason(exit["reason"])}
    assert is_death(Exit(message="", **given)) is counts


def test_the_third_death_parks_and_release_begins_anew() -> None:
    quarantine = Quarantine(deaths=3)
    assert [died(quarantine, "h") for _ in range(2)] == [None, None]
    parked = died(quarantine, "h", at=7.0)
    assert parked is not None
    assert (parked.deaths, parked.at, parked.session_id) == (3, 7.0, "s_1")
    assert "SIGSEGV" in parked.sentence
    assert "bulkhead quarantine release h" in parked.cure
    assert quarantine.find("h") == parked == quarantine.release("h")
    assert quarantine.find("h") is None
    assert quarantine.release("h") is None
    assert died(quarantine, "h") is None


def test_no_input_is_never_parked() -> None:
    quarantine = Quarantine(deaths=1)
    assert died(quarantine, "") is None
    assert quarantine.find("") is None


def test_old_deaths_and_those_before_a_good_end_do_not_count() -> None:
    quarantine = Quarantine(deaths=2, period_s=100)
    died(quarantine, "old", at=0)
    assert died(quarantine, "old", at=100) is None
    died(quarantine, "fine", at=0)
    died(quarantine, "fine", FINE, at=1)
    assert died(quarantine, "fine", at=2) is None


def test_suspects_and_parked_inputs_are_bounded_the_oldest_go_first() -> None:
    quarantine = Quarantine(deaths=2, max_inputs=3)
    for number in range(50):
        died(quarantine, f"s{number}")
    assert quarantine.suspect_count == 3
    for number in range(5):
        for _ in range(2):
            died(quarantine, f"p{number}", at=number)
    assert [one.hash for one in quarantine.parked()] == ["p4", "p3", "p2"]
    fresh = Quarantine(max_inputs=2)
    fresh.restore(reversed(quarantine.parked()))
    assert [one.hash for one in fresh.parked()] == ["p4", "p3"]
