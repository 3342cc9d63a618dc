"""Hangs told from everything that only looks like one, on a clock of our own."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.supervisor.watch.hang_detector import (
    Awake,
    HangDetector,
    Hung,
    Late,
    Phase,
    Pulse,
    Sign,
    Silence,
)

pytestmark = pytest.mark.unit

RUN = Phase.RUNNING


def detector() -> HangDetector:
    return HangDetector(warn_s=2.0, kill_s=10.0, now=100.0)


def watch(
    over_s: float,
    *,
    state: str = "S",
    busy: float = 0.0,
    starved: bool = False,
    beats: bool = False,
    asleep: bool = False,
    phase: Phase = RUN,
    who: HangDetector | None = None,
    since: float = 100.0,
) -> list[tuple[float, Sign]]:
    """Look as often as asked for; returns each sign with when it came."""
    who = who or detector()
    now, seen = since, []
    while now < since + over_s:
        passed = now - since
        pulse = Pulse(
            beat_at=now if beats else since,
            state=state,
            cpu_s=busy * passed,
            ran_s=1.0 + (0.0 if starved else busy * passed),
            waited_s=passed if starved else 0.0,
            asleep_at=since if asleep else None,
        )
        seen += [(round(now - since, 2), sign) for sign in who.look(pulse, now, phase)]
        if any(isinstance(sign, Hung) for _, sign in seen):
            break
        now += who.next_s
    return seen


def test_what_we_stop_ourselves_is_neither_silent_nor_stopped_from_outside() -> None:
    who = detector()
    busy = Pulse(beat_at=100.0, state="R", cpu_s=1.0)
    assert who.look(busy, 101.0, RUN) == []
    who.held(131.0)  # thirty seconds
    assert who.look(busy, 131.5, RUN) == []
    # The silence before and after it counts: 1 s and 1.2 s.
    (late,) = who.look(busy, 132.2, RUN)
    assert isinstance(late, Late)
    assert late.silent_s == pytest.approx(2.2)


@pytest.mark.parametrize(
    ("state", "busy", "kind"),
    [("S", 0.0, Silence.BLOCKED), ("D", 0.0, Silence.BLOCKED), ("R", 1.0, Silence.CPU_BOUND),
     ("R", 0.12, Silence.CPU_BOUND), ("S", 1.0, Silence.CPU_BOUND)],
)  # fmt: skip
def test_a_silence_is_told_at_the_soft_and_ended_at_the_hard_deadline(
    state: str, busy: float, kind: Silence
) -> None:
    (warned_at, late), (hung_at, hung) = watch(60, state=state, busy=busy)
    assert isinstance(late, Late)
    assert isinstance(hung, Hung)
    assert (late.kind, hung.kind) == (kind, kind)
    assert 2.0 <= warned_at <= 2.1
    assert 10.0 <= hung_at <= 10.1


def test_one_that_waits_is_left_alone_however_long() -> None:
    who = detector()
    assert watch(600, asleep=True, who=who) == []
    assert who.is_calm
    signs = watch(60, who=who, since=700.0)  # it woke, and has not come back since
    assert [type(sign) for _, sign in signs] == [Late, Hung]
    assert 2.0 <= signs[0][0] <= 2.1


def test_one_that_says_it_waits_and_burns_is_not_believed() -> None:
    signs = watch(60, asleep=True, busy=1.0, state="R")
    assert [(type(sign), sign.kind) for _, sign in signs] == [
        (Late, Silence.CPU_BOUND),
        (Hung, Silence.CPU_BOUND),
    ]
    assert signs[1][0] <= 11.1
    # Seen only after a while, it was silent for as long as it burned.
    who = detector()
    rested = Pulse(beat_at=100.0, state="S", cpu_s=0.0, ran_s=1.0, asleep_at=100.0)
    assert who.look(rested, 100.0, RUN) == []
    burned = Pulse(beat_at=100.0, state="R", cpu_s=4.0, ran_s=5.0, asleep_at=100.0)
    (late,) = who.look(burned, 105.0, RUN)
    assert isinstance(late, Late)
    assert late.silent_s == pytest.approx(4.0)


def test_what_a_signal_has_it_do_while_it_waits_is_no_hang() -> None:
    who, now = detector(), 100.0
    for second in range(60):
        worked_s = 0.2 * second  # a handler, each second
        pulse = Pulse(beat_at=100.0, state="S", cpu_s=worked_s, ran_s=1 + worked_s, asleep_at=100.0)
        assert who.look(pulse, now + second, RUN) == []


def test_one_that_beats_is_left_alone_and_looked_at_once_a_second() -> None:
    who = detector()
    assert watch(100, beats=True, who=who) == []
    assert who.next_s == 1.0


def test_one_that_a_signal_stopped_is_told_at_once_and_ended_after_its_own_time() -> None:
    who = HangDetector(warn_s=2.0, kill_s=10.0, now=100.0, stopped_kill_s=60.0)
    (told, hung) = watch(600, state="T", who=who)
    assert (told[0], told[1].kind) == (0.1, Silence.STOPPED)  # type: ignore[union-attr]
    assert isinstance(hung[1], Hung)
    assert hung[1].kind is Silence.STOPPED
    assert 60.0 <= hung[0] <= 60.2


def test_a_stop_that_is_over_before_it_is_seen_twice_is_not_told() -> None:
    who = HangDetector(warn_s=2.0, kill_s=10.0, now=100.0, stopped_kill_s=60.0)
    for second in range(20):
        state = "T" if second % 2 else "S"
        assert who.look(Pulse(beat_at=100.0 + second, state=state, cpu_s=0.0), 100.0 + second, RUN) == []
        assert not who.is_stopped


@pytest.mark.parametrize("state", ["T", "t"])
def test_a_frozen_one_is_told_once_and_never_ended(state: str) -> None:
    who = detector()
    (told,) = watch(600, state=state, who=who)
    assert isinstance(told[1], Late)
    assert told[1].kind is Silence.STOPPED
    # Thawed, it has its whole time again from where its clock stood.
    signs = watch(60, who=who, since=700.0)
    assert [type(sign) for _, sign in signs] == [Awake, Late, Hung]


def test_one_that_got_no_processor_is_not_hung() -> None:
    assert watch(120, state="R", starved=True) == []
    assert watch(120, state="S", starved=True) == []


def test_a_front_that_slept_knows_nothing_about_that_time() -> None:
    who = detector()
    assert watch(1.5, who=who) == []
    who.front_slept(400.0)
    assert who.look(Pulse(beat_at=100.0, state="S", cpu_s=0.0), 400.1, RUN) == []
    (first, _) = watch(60, who=who, since=400.0)
    assert first[0] >= 2.0


def test_waking_up_is_told_and_the_next_silence_again() -> None:
    who = detector()
    assert len(watch(5, who=who)) == 1
    (awake,) = who.look(Pulse(beat_at=105.5, state="S", cpu_s=0.0), 105.6, RUN)
    assert isinstance(awake, Awake)
    assert awake.silent_s == pytest.approx(5.5)
    assert [type(sign) for _, sign in watch(60, who=who, since=106.0)] == [Late, Hung]


def test_before_the_first_beat_the_start_has_its_own_deadline() -> None:
    who = detector()
    for second in range(60):
        assert who.look(Pulse(beat_at=None, state="R", cpu_s=second), 100.0 + second, Phase.STARTING) == []
    assert [type(sign) for _, sign in watch(60, who=who, since=160.0)] == [Late, Hung]


def test_answering_is_not_progress() -> None:
    signs = watch(60, beats=True, phase=Phase.STARTING)
    assert [(type(sign), sign.kind) for _, sign in signs if isinstance(sign, Late)] == [
        (Late, Silence.AWAITING)
    ]
    assert 10.0 <= signs[0][0] <= 11.1
    signs = watch(60, beats=True, phase=Phase.ENDING)
    assert len(signs) == 1
    assert 2.0 <= signs[0][0] <= 3.1


def test_what_is_ending_has_other_deadlines() -> None:
    assert watch(60, phase=Phase.ENDING) == []


def test_killing_can_be_turned_off() -> None:
    who = HangDetector(warn_s=2.0, kill_s=0.0, now=100.0)
    assert [type(sign) for _, sign in watch(600, who=who)] == [Late]


@given(
    st.lists(
        st.tuples(
            st.floats(min_value=0.0, max_value=5.0),
            st.booleans(),
            st.sampled_from("RSDTt"),
            st.sampled_from(list(Phase)),
        ),
        max_size=60,
    )
)
def test_whatever_comes_a_look_is_soon_and_nobody_hangs_who_beat_within_the_deadline(
    steps: list[tuple[float, bool, str, Phase]],
) -> None:
    who, now, beat_at = detector(), 100.0, 100.0
    for gap_s, beats, state, phase in steps:
        now += gap_s
        if beats:
            beat_at = now
        signs = who.look(Pulse(beat_at=beat_at, state=state, cpu_s=0.0), now, phase)
        assert 0 < who.next_s <= 1.0
        for sign in signs:
            if isinstance(sign, Hung):
                assert now - beat_at >= 10.0
                assert phase is not Phase.ENDING
