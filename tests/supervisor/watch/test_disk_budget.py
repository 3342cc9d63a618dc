"""A limit of the disk judged without one: when it is counted, who is warned, who is ended."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.session.exit_reasons import ExitReason
from runtime.supervisor.watch.budget import Excess, NearLimit
from runtime.supervisor.watch.disk_budget import DiskBudget
from runtime.supervisor.watch.disk_use import DiskUse

pytestmark = pytest.mark.unit

MIB = 1 << 20
GIB = 1 << 30


def use(mib: float, **more: object) -> DiskUse:
    return DiskUse(int(mib * MIB), 3, **more)  # type: ignore[arg-type]


def test_it_is_warned_of_once_then_ended_with_the_figures() -> None:
    budget = DiskBudget(100 * MIB, 0.0)
    assert budget.take(use(50), 1.0, 0) == []
    (near,) = budget.take(use(85), 2.0, 0)
    assert near == NearLimit(ExitReason.DISK, "keeps 85 MiB of 100 MiB on the disk in 3 files and folders")
    assert budget.take(use(90), 3.0, 0) == []
    assert budget.take(use(60), 4.0, 0) == []
    assert len(budget.take(use(85), 5.0, 0)) == 1  # it had gone well below
    (excess,) = budget.take(use(101, largest=(("a.bin", 99 * MIB), ("b", MIB))), 6.0, 0)
    assert excess == Excess(
        ExitReason.DISK,
        "kept 101 MiB of 100 MiB on the disk in 3 files and folders; the largest: 'a.bin' 99 MiB, 'b' 1 MiB",
    )


def test_what_nobody_can_count_ends_it() -> None:
    (excess,) = DiskBudget(GIB, 0.0).take(use(1, hidden="a folder that cannot be read"), 1.0, 0)
    assert isinstance(excess, Excess)
    assert excess.message == "keeps on the disk what nobody can count: a folder that cannot be read"
    assert DiskBudget(None, 0.0).take(use(1, hidden="a folder that cannot be read"), 1.0, 0) == []


def test_far_from_its_limit_it_is_counted_at_first_and_every_half_a_minute() -> None:
    budget = DiskBudget(GIB, 0.0)
    counted = [second for second in range(100) if budget.wants(second, 5 * GIB)
               and not budget.take(use(7), second, 5 * GIB)]  # fmt: skip
    assert counted == [3, 33, 63, 93]
    unlimited = DiskBudget(None, 0.0)
    assert not unlimited.wants(2.9, 99 * GIB)
    assert unlimited.wants(3.0, 99 * GIB)


def test_it_is_counted_as_soon_as_the_disk_has_filled_by_half_of_what_is_left() -> None:
    budget = DiskBudget(GIB, 0.0)
    assert not budget.wants(0.0, 7 * GIB)
    assert not budget.wants(1.0, 7 * GIB + 500 * MIB)
    assert budget.wants(1.0, 7 * GIB + 512 * MIB)
    budget.take(use(0), 1.0, 7 * GIB + 512 * MIB)  # somebody else's
    assert not budget.wants(2.0, 8 * GIB - MIB)
    assert not budget.wants(2.0, None)  # nobody can tell any more


def test_a_count_that_took_long_is_not_soon_made_again() -> None:
    budget = DiskBudget(100 * MIB, 0.0)
    budget.take(use(99, took_s=0.5), 1.0, 0)
    assert not budget.wants(5.9, GIB)
    assert budget.wants(6.0, GIB)


@given(
    limit=st.integers(min_value=1, max_value=4000),
    mib_per_s=st.floats(min_value=1, max_value=400),
    from_s=st.floats(min_value=0, max_value=3),
    others=st.floats(min_value=-1, max_value=400),
    tells=st.booleans(),
)
def test_a_bomb_is_found_about_a_second_after_its_limit(
    limit: int, mib_per_s: float, from_s: float, others: float, tells: bool
) -> None:
    budget = DiskBudget(limit * MIB, 0.0)
    now = counted = 0.0
    while now < 5000:
        kept = max(0.0, now - from_s) * mib_per_s
        filled = int((1000 + kept + max(0.0, others) * now) * MIB) if tells else None
        if budget.wants(now, filled):
            counted += 1
            if any(isinstance(one, Excess) for one in budget.take(use(kept), now, filled)):
                break
        now += budget.next_s
    passed_s = now - from_s - limit / mib_per_s
    assert passed_s <= (1.1 if tells else 31)
    assert counted <= 40 + now / 0.5
