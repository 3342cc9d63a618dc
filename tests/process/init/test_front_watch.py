"""The watch over a front, under a clock of the test's own."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from runtime.process.init.front_watch import ENDING_HANG_S, LOADING_S, FrontWatch, Sight, Verdict

pytestmark = pytest.mark.unit

ASLEEP = Sight(state="S")


class Machine:
    """Looks once a second, as the init does; what is seen may change."""

    def __init__(self, *, hang_s: float = 30.0, drain_s: float = 30.0) -> None:
        self.now, self.sight = 100.0, ASLEEP
        self.watch = FrontWatch(now=self.now)
        self.watch.introduced(hang_s=hang_s, drain_s=drain_s)

    def run(self, seconds: int, *, beats: bool = False) -> list[tuple[Verdict, float]]:
        told, began = [], self.now
        for _ in range(seconds):
            self.now += 1
            if beats:
                self.watch.beat()
            if (verdict := self.watch.look(self.sight, self.now)) is not None:
                told.append((verdict, self.now - began))
        return told


def test_a_front_that_beats_is_left_alone() -> None:
    assert Machine().run(1000, beats=True) == []


@pytest.mark.parametrize("state", ["S", "T"])
def test_silence_is_told_once_at_half_of_the_time_and_ended_at_the_whole(state: str) -> None:
    machine = Machine()
    machine.sight = Sight(state=state)
    assert machine.run(30) == [(Verdict.LATE, 15.0), (Verdict.STUCK, 30.0)]
    assert machine.watch.stopped is (state == "T")


def test_a_loop_that_computes_stands_still_too() -> None:
    machine = Machine()
    for second in range(29):
        machine.sight = Sight(state="R", ran_s=float(second))
        assert machine.run(1) in ([], [(Verdict.LATE, 1.0)])
    machine.sight = Sight(state="R", ran_s=29.0)
    assert machine.run(1) == [(Verdict.STUCK, 1.0)]


def test_whoever_answers_again_is_told_and_counts_anew() -> None:
    machine = Machine()
    assert machine.run(20) == [(Verdict.LATE, 15.0)]
    assert machine.watch.beat() is True
    assert machine.watch.beat() is False
    assert machine.run(14) == []


def test_a_machine_that_slept_for_hours_is_no_silence_of_the_front() -> None:
    machine = Machine()
    machine.run(10)
    machine.now += 8 * 3600
    assert machine.run(1) == []
    assert machine.watch.silent_s <= 12


@pytest.mark.parametrize(
    "sight",
    [
        replace(ASLEEP, traced=True),
        replace(ASLEEP, state="t", traced=True),
        replace(ASLEEP, state="T", traced=True),
        replace(ASLEEP, state="D"),
        replace(ASLEEP, log_full=True),
    ],
)
def test_who_is_held_by_somebody_else_does_not_stand_still(sight: Sight) -> None:
    machine = Machine()
    machine.sight = sight
    assert machine.run(600) == []


def test_a_front_that_gets_no_processor_does_not_stand_still() -> None:
    machine = Machine()
    for second in range(600):
        machine.sight = Sight(state="R", waited_s=0.9 * second, ran_s=0.05 * second)
        machine.run(1)
    assert machine.watch.silent_s <= 2


def test_zero_waits_for_ever_but_not_for_an_end() -> None:
    machine = Machine(hang_s=0.0)
    assert machine.run(1000) == []
    machine.watch.ending()
    assert machine.run(41)[0] == (Verdict.OVERDUE, 40.0)


def test_an_end_has_a_deadline_that_nothing_excuses() -> None:
    machine = Machine(drain_s=5.0)
    machine.watch.ending()
    machine.watch.ending()
    machine.sight = replace(ASLEEP, traced=True)
    assert machine.run(15, beats=True) == [(Verdict.OVERDUE, 15.0)]


def test_a_front_that_stands_still_while_it_ends_is_not_waited_for_long() -> None:
    machine = Machine()
    machine.watch.ending()
    verdicts = dict(machine.run(int(ENDING_HANG_S)))
    assert verdicts[Verdict.STUCK] == ENDING_HANG_S


def test_a_front_that_never_came_so_far_is_given_longer() -> None:
    watch = FrontWatch(now=0.0)
    assert not watch.listens
    verdicts = [watch.look(ASLEEP, float(second)) for second in range(1, int(LOADING_S) + 1)]
    assert verdicts.index(Verdict.STUCK) == LOADING_S - 1
