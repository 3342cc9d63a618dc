"""Counting in a thread, asked for and judged between two looks at a session."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from runtime.supervisor.watch.budget import Excess
from runtime.supervisor.watch.disks import Disks, SessionDisk
from tests.patience import PATIENCE

pytestmark = [pytest.mark.unit, pytest.mark.asyncio]

MIB = 1 << 20


async def test_what_was_counted_is_judged_at_a_later_look(tmp_path: Path) -> None:
    disks = Disks()
    disk = SessionDisk(lambda: str(tmp_path), MIB, disks=disks, now=0.0)
    assert disk.look([], 1.0) == []
    assert (disk.bytes, disk.next_s) == (None, 1.0)
    (tmp_path / "big").write_bytes(b"x" * (2 * MIB))
    assert disk.look([], 31.0) == []
    assert disk.next_s < 1.0
    async with asyncio.timeout(10 * PATIENCE):
        while not (found := disk.look([], 31.1)):
            await asyncio.sleep(0.001)
    assert isinstance(found[0], Excess)
    assert disk.bytes is not None
    assert disk.bytes >= 2 * MIB
    disk.close()
    disks.close()


async def test_a_folder_that_is_gone_or_was_never_there_is_not_judged(tmp_path: Path) -> None:
    disks = Disks()
    disk = SessionDisk(lambda: f"{tmp_path}/gone", MIB, disks=disks, now=0.0)
    assert disk.look([], 31.0) == []
    async with asyncio.timeout(10 * PATIENCE):
        while disk.next_s < 1.0:
            assert disk.look([], 31.1) == []
            await asyncio.sleep(0.001)
    none = SessionDisk(str, MIB, disks=disks, now=0.0)
    assert none.look([], 31.0) == []
    assert none.bytes is None
    disk.close()
    disks.close()
