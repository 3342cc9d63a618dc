"""Imports side by side: as many as there are processors, and none behind one that waits."""

from __future__ import annotations

import asyncio
import os

import pytest

from runtime.process import procfs
from runtime.supervisor.bundles import import_turns
from runtime.supervisor.bundles.import_turns import ImportTurns

pytestmark = [pytest.mark.unit, pytest.mark.asyncio]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("IDLE_S", 0.04), ("_LOOK_S", 0.01), ("LONGEST_S", 0.2)):
        monkeypatch.setattr(import_turns, name, value)


async def test_no_more_at_once_than_there_are_turns() -> None:
    turns, running, most = ImportTurns(2, serves=bool, cpu_s=lambda _: 0.0), 0, 0

    async def one() -> None:
        nonlocal running, most
        async with turns.turn():
            running += 1
            most = max(most, running)
            await asyncio.sleep(0)
            running -= 1

    await asyncio.gather(*(one() for _ in range(6)))
    assert most == 2


@pytest.mark.parametrize("is_busy", [False, True])
async def test_one_that_waits_or_never_ends_gives_its_turn_to_the_next(within, is_busy: bool) -> None:
    used = iter(range(10_000))
    cpu_s = (lambda _: float(next(used))) if is_busy else (lambda _: 0.0)
    turns, over = ImportTurns(1, serves=bool, cpu_s=cpu_s), asyncio.Event()

    async def endless() -> None:
        async with turns.turn() as turn:
            turn.is_of(1)
            await over.wait()

    first = asyncio.create_task(endless())
    await asyncio.sleep(0)

    async def next_one() -> None:
        async with turns.turn():
            pass

    await within(5, next_one())
    assert not first.done()
    over.set()
    await first
    await within(5, next_one())  # the turn that was given up was not handed out twice
    async with turns.turn():
        assert turns._free.locked()


async def test_it_gives_way_as_soon_as_there_are_sessions_and_not_before(within) -> None:
    serves, gave_way = False, asyncio.Event()
    told: list[int] = []

    def give_way(pid: int) -> None:
        told.append(pid)
        gave_way.set()

    turns = ImportTurns(1, serves=lambda: serves, cpu_s=lambda _: 0.0, give_way=give_way)
    async with turns.turn() as turn:
        turn.is_of(7)
        async with turns.turn():  # it was idle, and gave up its turn
            assert told == []
        serves = True
        await within(5, gave_way.wait())
        turn.is_of(8)  # run once more, in another process
        assert told == [7, 8]


async def test_it_gives_way_no_more_once_it_has_waited_for_long(
    within, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_turns, "PATIENT_S", 2.0)
    waited, insisted = iter([10.0, 10.5, 11.9, 12.1, 99.0]), asyncio.Event()
    told: list[int] = []

    def insist(pid: int) -> None:
        told.append(pid)
        insisted.set()

    turns = ImportTurns(
        1,
        serves=lambda: True,
        cpu_s=lambda _: 0.0,
        waited_s=lambda _: next(waited),
        give_way=lambda _: None,
        insist=insist,
    )
    async with turns.turn() as turn:
        turn.is_of(7)
        await within(5, insisted.wait())
    assert told == [7]
    assert next(waited) == 99.0  # it looked no further


async def test_how_long_a_process_waited_for_a_processor_is_known() -> None:
    assert 0.0 <= (procfs.waited_s(os.getpid()) or 0.0) < 3600.0
    assert procfs.waited_s(2**22 - 1) is None
