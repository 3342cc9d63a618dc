"""Bundles are packed for nodes one after the other, and once for all that wait for one."""

from __future__ import annotations

import asyncio
from pathlib import Path
from threading import Lock

import pytest

from runtime.placement.cluster import messages as say
from runtime.placement.cluster.sent import packed
from runtime.placement.cluster.sent.packed import MAX_KEPT, Archives

pytestmark = [pytest.mark.unit, pytest.mark.asyncio]


async def test_nodes_that_ask_for_many_by_turns_take_one_thread_and_have_each_packed_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders, real = dict[str, Path](), packed.pack
    for name in "abcdef":
        folders[name] = tmp_path / name
        folders[name].mkdir()
        (folders[name] / "main.py").write_text(name)
    packing, times = Lock(), list[str]()

    def pack(folder: Path) -> bytes:
        assert packing.acquire(blocking=False), "two at once"
        try:
            times.append(folder.name)
            return real(folder)
        finally:
            packing.release()

    monkeypatch.setattr(packed, "pack", pack)
    archives = Archives(lambda: folders)

    async def fetched(name: str) -> str:
        answer = say.decoded(say.Answer, await archives.asked("", say.encoded(say.Fetch(digest=name, at=0))))
        return str(answer.code)

    assert set(await asyncio.gather(*(fetched(name) for _ in range(5) for name in folders))) == {""}
    assert sorted(times) == [*folders]
    await fetched("f")
    assert len(archives._kept) == MAX_KEPT
    assert len(times) == 6
