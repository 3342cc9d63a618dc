"""A disk that is full shows in /readyz for as long as it is, whatever still goes into what is left of it."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.patience import PATIENCE

pytestmark = [pytest.mark.process, pytest.mark.asyncio]

PAGE_BYTES = 4096


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small disk of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=6m", "none", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip("this user may not mount a disk")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(disk: Path, pages_left: int) -> Path:
    """Leave so many pages of the disk."""
    filling = disk / "filling"
    with filling.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * PAGE_BYTES)
        except OSError:
            pass
    os.truncate(filling, filling.stat().st_size - pages_left * PAGE_BYTES)
    return filling


async def test_between_refused_calls_a_full_disk_is_not_ready(
    serving: Any, disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runtime.session.journal.journal._RETRY_S", 0.02)
    long = b'{"event":"room.call","data":{"room_name":"r","arguments":{"text":"%s"}}}' % (b"x" * 40_000)
    async with serving(state_dir=disk / "state") as site:
        assert (await site.post("/chat", long)).status == 200
        assert (await site.get("/readyz")).status == 200
        filling = fill(disk, pages_left=6)  # room for a small row, now and again
        for _ in range(3):
            assert (await site.post("/chat", long)).status == 503
            for _ in range(10):
                looked = await site.get("/readyz")
                assert looked.status == 503
                assert b"no space left" in looked.body or b"journal" in looked.body
                await asyncio.sleep(0.02)
        filling.unlink()
        async with asyncio.timeout(20 * PATIENCE):
            while (await site.get("/readyz")).status != 200:
                await asyncio.sleep(0.02)
        assert (await site.post("/chat", long)).status == 200
