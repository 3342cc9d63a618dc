"""One timer for all: everybody in time, nobody kept waiting by another, storms seen, lost time admitted."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import pytest_asyncio

from runtime.clock import SystemClock
from runtime.process.procfs import Machine
from runtime.supervisor.watch.sampler import Sampler
from tests.patience import PATIENCE

pytestmark = [pytest.mark.unit, pytest.mark.asyncio]


class Shifted(SystemClock):
    """The machine's clock, which a test can put forward."""

    ahead_s = 0.0

    def now(self) -> float:
        return super().now() + self.ahead_s


class Looked:
    """Somebody to look at; counts."""

    def __init__(self, next_s: float | None, peek_s: float = 0.1) -> None:
        self.next_s, self.peek_s = next_s, peek_s
        self.looks = 0
        self.slept = 0
        self.has_moved = False
        self.asked = 0
        self.news = asyncio.Event()

    def look(self, now: float) -> float | None:
        self.looks += 1
        self.has_moved = False
        self.news.set()
        return self.next_s

    def moved(self) -> bool:
        self.asked += 1
        return self.has_moved

    def front_slept(self, now: float) -> None:
        self.slept += 1
        self.news.set()

    async def until(self, looks: int) -> None:
        async with asyncio.timeout(5 * PATIENCE):
            while self.looks < looks:
                self.news.clear()
                await self.news.wait()


class World:
    def __init__(self) -> None:
        self.clock = Shifted()
        self.machine = Machine(tasks=100, available_bytes=8 << 30)
        self.files_bytes = 0
        self.sampler = Sampler(
            clock=self.clock, read_machine=lambda: self.machine, read_files=lambda: self.files_bytes
        )


@pytest_asyncio.fixture
async def world() -> AsyncIterator[World]:
    made = World()
    yield made
    for who in list(made.sampler._turns):
        made.sampler.forget(who)


async def test_each_is_looked_at_as_often_as_it_asked(world: World) -> None:
    often, seldom, once = Looked(0.02), Looked(100.0), Looked(None)
    for who in (often, seldom, once):
        world.sampler.watch(who)
    await often.until(10)
    assert (seldom.looks, once.looks) == (1, 1)
    assert world.sampler.watched_count == 2


async def test_one_that_is_forgotten_is_not_looked_at_again(world: World) -> None:
    one, other = Looked(0.01), Looked(0.01)
    world.sampler.watch(one)
    world.sampler.watch(other)
    await one.until(2)
    world.sampler.forget(one)
    seen = one.looks
    await other.until(other.looks + 5)
    assert one.looks == seen


async def test_one_that_raises_does_not_keep_the_others_from_it(world: World) -> None:
    class Broken(Looked):
        def look(self, now: float) -> float | None:
            super().look(now)
            raise ValueError("no")

    broken, healthy = Broken(0.01), Looked(0.01)
    world.sampler.watch(broken)
    world.sampler.watch(healthy)
    await healthy.until(5)
    assert broken.looks == 1
    assert world.sampler.watched_count == 2


@pytest.mark.parametrize("storm", [Machine(tasks=400, available_bytes=8 << 30), Machine(100, 7 << 30)])
async def test_a_storm_on_the_machine_makes_it_look_at_all_at_once(world: World, storm: Machine) -> None:
    all_ = [Looked(100.0, peek_s=100.0) for _ in range(20)]
    resting, moved = Looked(200.0, peek_s=100.0), Looked(200.0, peek_s=100.0)
    for who in (resting, moved, *all_):
        world.sampler.watch(who)
    await all_[-1].until(1)
    moved.has_moved = True
    world.machine = storm
    for who in (moved, *all_):
        await who.until(2)
    assert {who.looks for who in (moved, *all_)} == {2}  # not again and again: the storm is the new calm
    assert (resting.looks, resting.asked) == (1, 1)  # who did nothing is no part of it


async def test_storms_that_go_on_have_thousands_that_rest_asked_no_more_often_than_a_bound(
    world: World,
) -> None:
    many = [Looked(200.0, peek_s=100.0) for _ in range(5000)]
    for who in many:
        world.sampler.watch(who)
    await many[-1].until(1)
    world.sampler._read_machine = storms().__next__
    pacing = Looked(0.02)
    world.sampler.watch(pacing)
    asked, began = many[0].asked, world.clock.now()
    async with asyncio.timeout(20 * PATIENCE):
        while many[0].asked < asked + 4:
            await pacing.until(pacing.looks + 1)
    assert world.clock.now() - began >= 3 * 0.15  # a fifth of a second each, and never at each tick


def storms() -> Iterator[Machine]:
    for tasks in itertools.count(1000, 1000):
        yield Machine(tasks=tasks, available_bytes=8 << 30)


async def test_when_files_in_memory_grow_those_that_rest_are_looked_at_too(world: World) -> None:
    resting = Looked(200.0, peek_s=100.0)
    world.sampler.watch(resting)
    await resting.until(1)
    world.files_bytes = 40 << 20
    other = Looked(0.02)
    world.sampler.watch(other)
    await other.until(10)
    assert resting.looks == 1
    world.files_bytes = 60 << 20
    await resting.until(2)
    await other.until(20)
    assert resting.looks == 2


async def test_storms_that_were_none_of_ours_do_not_blind_it(world: World) -> None:
    who = Looked(100.0, peek_s=100.0)
    world.sampler.watch(who)
    await who.until(1)
    for count in range(2, 8):  # one after the other, as on a machine that others share
        world.machine = Machine(tasks=world.machine.tasks + 100, available_bytes=8 << 30)
        began = world.clock.now()
        await who.until(count)
        assert world.clock.now() - began < 0.5 * PATIENCE  # a few ticks


async def test_a_storm_that_cannot_be_looked_into_yet_is_not_forgotten(world: World) -> None:
    many = [Looked(100.0, peek_s=100.0) for _ in range(500)]  # all of them, every 1.2 s at most
    for who in many:
        world.sampler.watch(who)
    await many[-1].until(1)
    for looks in (2, 3):
        world.machine = Machine(tasks=world.machine.tasks + 100, available_bytes=8 << 30)
        await many[-1].until(looks)


async def test_one_that_rests_is_asked_whether_it_moved_and_only_then_looked_at(world: World) -> None:
    resting, other, pacing = Looked(100.0), Looked(100.0), Looked(0.05)
    for who in (resting, other, pacing):
        world.sampler.watch(who)
    await pacing.until(20)
    assert (resting.looks, other.looks, pacing.asked) == (1, 1, 0)
    assert resting.asked >= 2
    resting.has_moved = True
    await resting.until(2)
    assert other.looks == 1


async def test_asking_thousands_leaves_the_loop_to_others_in_between(world: World) -> None:
    class Slow(Looked):
        def moved(self) -> bool:
            world.clock.ahead_s += 1e-4  # a turn is over after forty of them
            return super().moved()

    many = [Slow(100.0) for _ in range(1000)]
    for who in many:
        world.sampler.watch(who)
    await many[-1].until(1)
    turns = 0

    def turn() -> None:
        nonlocal turns
        turns += 1
        if not all(who.asked for who in many):
            asyncio.get_running_loop().call_soon(turn)

    turn()
    async with asyncio.timeout(5 * PATIENCE):
        while not all(who.asked for who in many):
            await asyncio.sleep(0)
    assert turns >= 4


async def test_lost_time_is_told_to_all(world: World) -> None:
    who = Looked(0.02)
    world.sampler.watch(who)
    await who.until(2)
    assert who.slept == 0
    world.clock.ahead_s = 30.0  # as after a pause of the machine
    async with asyncio.timeout(5 * PATIENCE):
        while not who.slept:
            who.news.clear()
            await who.news.wait()
    assert who.slept == 1


async def test_a_slow_look_leaves_the_loop_to_others_in_between(world: World) -> None:
    class Slow(Looked):
        def look(self, now: float) -> float | None:
            world.clock.ahead_s += 0.01  # longer than a turn may take
            return super().look(now)

    slow: list[Any] = [Slow(100.0) for _ in range(10)]
    turns = 0

    def turn() -> None:
        nonlocal turns
        turns += 1
        asyncio.get_running_loop().call_soon(turn)

    for who in slow:
        world.sampler.watch(who)
    asyncio.get_running_loop().call_soon(turn)
    await slow[-1].until(1)
    assert turns >= 9
