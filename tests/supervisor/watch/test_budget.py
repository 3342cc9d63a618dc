"""Limits judged without a process: who is warned, who is ended, and how soon the next look comes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.process.procfs import Member
from runtime.process.tree import TreeUse
from runtime.session.exit_reasons import ExitReason
from runtime.session.spec import Limits
from runtime.supervisor.watch.budget import Budget, Excess, Finding, NearLimit, Pause

pytestmark = pytest.mark.unit

MIB = 1 << 20


def use(rss: float = 10, *, pss: float = 0, cpu_s: float = 0.0, threads: int = 1, **more: Any) -> TreeUse:
    """A reading; memory in MiB."""
    main = Member(7, "python", "S", threads, cpu_s, int(rss * MIB), 1)
    more = {"processes": 1, "fds": 5, "most_fds": 5, "members": (main,), **more}
    more.setdefault("uss_bytes", int(pss * MIB))
    return TreeUse(threads=threads, cpu_s=cpu_s, rss_bytes=int(rss * MIB), pss_bytes=int(pss * MIB), **more)


def kinds(found: list[Finding]) -> list[tuple[type, ExitReason]]:
    return [(type(one), one.reason) for one in found if not isinstance(one, Pause)]


def test_memory_is_warned_of_once_then_ended_with_the_figures() -> None:
    budget = Budget(Limits(memory="300MiB"), 0.0)
    assert budget.take(use(100), 0.0) == []
    assert kinds(budget.take(use(250, pss=245), 1.0)) == [(NearLimit, ExitReason.MEMORY)]
    assert budget.take(use(260, pss=250), 2.0) == []
    members = tuple(Member(pid, name, "S", 1, 0.0, rss * MIB, 1) for pid, name, rss in
                    [(7, "python", 40), (8, "chrome", 250), (9, "node", 20), (10, "sh", 1)])  # fmt: skip
    (excess,) = budget.take(use(311, pss=305, processes=4, members=members), 3.0)
    assert isinstance(excess, Excess)
    assert excess.message == (
        "used 305 MiB of 300 MiB of memory in 4 processes; "
        "the largest: chrome (8) 250 MiB, python (7) 40 MiB, node (9) 20 MiB"
    )


def test_a_warning_comes_again_after_the_use_went_down() -> None:
    budget = Budget(Limits(memory="100MiB"), 0.0)
    assert len(budget.take(use(90, pss=85), 0.0)) == 1
    assert budget.take(use(60), 1.0) == []
    assert len(budget.take(use(90, pss=85), 2.0)) == 1


def test_what_is_shared_does_not_count_as_long_as_it_is_known() -> None:
    budget = Budget(Limits(memory="300MiB"), 0.0)
    assert not budget.wants_pss(use(100))
    assert budget.wants_pss(use(250))
    assert budget.take(use(900, pss=100), 0.0) == []
    assert kinds(budget.take(use(900), 0.1)) == [(Excess, ExitReason.MEMORY)]


@given(
    limit=st.integers(min_value=200, max_value=4000),
    mib_per_s=st.floats(min_value=10, max_value=400),
    first_s=st.floats(min_value=0.0, max_value=1.0),
)
def test_a_bomb_is_found_within_a_quarter_above_its_limit(
    limit: int, mib_per_s: float, first_s: float
) -> None:
    budget = Budget(Limits(memory=limit * MIB), 0.0)
    budget.take(use(20), 0.0)
    now = budget.next_s
    bomb_from = now * first_s
    while True:
        held = 20 + max(0.0, now - bomb_from) * mib_per_s
        if kinds(budget.take(use(held, pss=held), now))[-1:] == [(Excess, ExitReason.MEMORY)]:
            break
        now += budget.next_s
    assert held <= 1.25 * limit


def test_memory_that_is_still_being_weighed_is_judged_later() -> None:
    budget = Budget(Limits(memory="300MiB"), 0.0)
    budget.take(use(10), 0.0)
    many = use(900, processes=30, threads=30)
    assert budget.wants_pss(many)
    budget.do_not_weigh()
    assert budget.take(many, 1.0) == []
    assert budget.next_s <= 0.1
    weighed = use(900, pss=305, processes=30, threads=30)
    assert kinds(budget.take(weighed, 1.1)) == [(Excess, ExitReason.MEMORY)]


def test_what_a_session_was_forked_with_is_not_its_own() -> None:
    budget = Budget(Limits(memory="300MiB"), 0.0)
    # A bundle that imports a gigabyte: half of it would be the session's by its share alone.
    assert budget.take(use(1000, pss=500, uss_bytes=5 * MIB), 0.0) == []
    assert budget.take(use(1200, pss=700, uss_bytes=205 * MIB), 1.0) == []
    assert kinds(budget.take(use(1310, pss=810, uss_bytes=315 * MIB), 2.0)) == [(Excess, ExitReason.MEMORY)]
    # What its own children share with it is, however little each of them has alone.
    budget = Budget(Limits(memory="300MiB"), 0.0)
    budget.take(use(50), 0.0)
    found = budget.take(use(2000, pss=420, uss_bytes=20 * MIB), 1.0)
    assert kinds(found) == [(Excess, ExitReason.MEMORY)]


def test_an_idle_session_is_looked_at_once_a_second() -> None:
    budget = Budget(Limits.from_declared({"memory_bytes": 512 * MIB, "pids": 256, "files": 1024}), 0.0)
    for second in range(5):
        budget.take(use(40), float(second))
        assert budget.next_s >= 0.9


def test_processes_and_threads_are_counted_together() -> None:
    budget = Budget(Limits(pids=40), 0.0)
    assert kinds(budget.take(use(threads=35), 0.0)) == [(NearLimit, ExitReason.PIDS)]
    assert budget.next_s <= 0.1
    (excess,) = budget.take(use(threads=41), 0.1)
    assert isinstance(excess, Excess)
    assert excess.message == "had 41 of 40 processes and threads; the most: python 41"


def test_one_that_stays_without_files_is_ended() -> None:
    budget = Budget(Limits(files=64), 0.0)
    assert kinds(budget.take(use(most_fds=64), 0.0)) == [(NearLimit, ExitReason.FILES)]
    assert budget.take(use(most_fds=30), 3.0) == []
    assert len(budget.take(use(most_fds=64), 4.0)) == 1
    assert budget.take(use(most_fds=64), 8.0) == []
    assert kinds(budget.take(use(most_fds=63), 9.5)) == [(Excess, ExitReason.FILES)]


def test_processor_time_of_a_life() -> None:
    budget = Budget(Limits(cpu_total="10s"), 0.0)
    assert budget.take(use(cpu_s=1.0), 0.0) == []
    assert kinds(budget.take(use(cpu_s=9.0), 8.0)) == [(NearLimit, ExitReason.CPU)]
    assert budget.next_s <= 0.5
    assert kinds(budget.take(use(cpu_s=10.1), 9.1)) == [(Excess, ExitReason.CPU)]


@given(cores=st.sampled_from([0.1, 0.5, 1.0, 1.5]), wanted=st.sampled_from([0.05, 0.5, 2.0]))
def test_a_share_of_processors_holds_over_time(cores: float, wanted: float) -> None:
    budget = Budget(Limits(cpu=cores), 0.0)
    now = used_s = paused_until = 0.0
    while now < 60.0:
        for found in budget.take(use(cpu_s=used_s), now):
            assert isinstance(found, Pause)
            paused_until = now + found.for_s
        step = budget.next_s
        used_s += wanted * max(0.0, now + step - max(now, paused_until))
        now += step
    most = min(wanted, cores) * 60.0
    assert used_s <= most * 1.15 + 2.0  # what it may use at once comes on top
    assert used_s >= 0.8 * min(wanted, cores) * 60.0


def test_time_is_limited_with_and_without_messages() -> None:
    budget = Budget(Limits(timeout="2m", idle_timeout=30), 1000.0)
    assert budget.take(use(), 1029.0) == []
    assert budget.next_s == pytest.approx(1.0)
    (idle,) = budget.take(use(), 1030.0)
    assert isinstance(idle, Excess)
    assert (idle.reason, idle.message) == (ExitReason.IDLE, "had no message for 30 s")
    assert budget.take(use(), 1030.0, active_at=1025.0) == []
    assert kinds(budget.take(use(), 1100.0, active_at=1099.0)) == [(NearLimit, ExitReason.DEADLINE)]
    (over,) = budget.take(use(), 1120.0, active_at=1119.0)
    assert isinstance(over, Excess)
    assert (over.reason, over.message) == (ExitReason.DEADLINE, "ran for longer than its 2 min")


def test_processes_that_multiply_are_counted_not_weighed() -> None:
    budget = Budget(Limits(memory="300MiB", pids=100), 0.0)
    assert budget.take(use(30, threads=1), 0.0) == []
    many = use(900, threads=40)
    assert not budget.wants_pss(many)
    assert budget.take(many, 0.1) == []
    assert budget.next_s <= 0.02
    more = use(2000, threads=101)
    assert not budget.wants_pss(more)
    assert kinds(budget.take(more, 0.15)) == [(Excess, ExitReason.PIDS)]
    calm = Budget(Limits(memory="300MiB", pids=100), 0.0)
    calm.take(use(30, threads=1), 0.0)
    calm.wants_pss(many)
    calm.take(many, 0.1)
    assert calm.wants_pss(use(900, threads=41))  # they came, and they stayed: now they are weighed
    assert kinds(calm.take(use(900, pss=400, threads=41), 0.2)) == [(Excess, ExitReason.MEMORY)]


def test_a_tree_is_stopped_while_it_is_counted_when_it_has_become_too_many() -> None:
    budget = Budget(Limits(pids=256), 0.0)
    assert budget.crowd() == (256, 256)  # nobody knows yet what it starts with
    budget.take(use(10, processes=3, threads=9), 0.0)
    most_tasks, most_processes = budget.crowd() or (0, 0)
    assert (most_tasks, most_processes) == (256, 27)
    # Whoever is stopped for being more than that is either above the limit, or goes on after a moment.
    found = budget.take(use(10, processes=most_processes + 1, threads=most_processes + 1), 0.02)
    assert [type(one) for one in found] == [Pause]
    assert Budget(Limits(), 0.0).crowd() is None


def test_without_limits_nothing_is_found() -> None:
    budget = Budget(Limits(memory="unlimited", pids="unlimited"), 0.0)
    assert not budget.wants_pss(use(1e6))
    assert budget.take(use(1e6, cpu_s=1e6, threads=10_000, most_fds=100_000), 1e6) == []
    assert budget.next_s == 1.0
