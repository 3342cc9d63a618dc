"""Many rooms that open at once: one pull of what they share, and no more containers than there may be."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from runtime.clock import SystemClock
from runtime.containers.boxes import RoomBoxes
from runtime.containers.contract import (
    Ask,
    Bind,
    BoxId,
    Exit,
    Home,
    Image,
    Mounts,
    Running,
    RunSpec,
    Starter,
)
from runtime.containers.errors import EngineFailed
from runtime.containers.settings import ContainersSettings
from runtime.errors import RoomFull

pytestmark = [pytest.mark.unit, pytest.mark.asyncio]

SERVER = Starter("server", "")


class Slow:
    """An engine that has no image yet, and takes a moment for everything."""

    name = "slow"

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.has: set[str] = set()
        self.refuses = False
        self.spec: RunSpec | None = None

    async def reclaim(self) -> int:
        self.asked["reclaim"] += 1
        await asyncio.sleep(0.01)
        return 0

    async def image(self, reference: str) -> Image | None:
        await asyncio.sleep(0)
        return Image(id="sha256:1", references=(reference,)) if reference in self.has else None

    async def pull(self, reference: str, _: Any) -> None:
        self.asked["pull"] += 1
        await asyncio.sleep(0.01)
        if self.refuses:
            raise EngineFailed("denied")
        self.has.add(reference)

    async def run(self, spec: RunSpec) -> Running:
        self.asked["run"] += 1
        self.spec = spec
        await asyncio.sleep(0.01)
        return Running()

    async def wait(self, box: BoxId) -> Exit:
        await asyncio.Event().wait()
        raise AssertionError

    async def stop(self, box: BoxId, *, force: bool) -> None:
        return None

    async def remove(self, box: BoxId) -> None:
        self.asked["remove"] += 1

    async def aclose(self) -> None:
        return None


async def opened(engine: Slow, state_dir: Path) -> tuple[RoomBoxes, list[Any]]:
    """A hundred rooms, each of which starts a container of one image."""
    settings = ContainersSettings(max_running=64)
    boxes = RoomBoxes(engine, settings, clock=SystemClock(), base_url=lambda: "http://x")  # type: ignore[arg-type]
    homes = [Home(f"room-{number}", state_dir / str(number) / "files") for number in range(100)]
    starts = (boxes.run(home, Ask(image="a:1"), SERVER) for home in homes)
    return boxes, await asyncio.gather(*starts, return_exceptions=True)


async def test_a_hundred_rooms_pull_once_and_those_that_have_no_place_are_told(state_dir: Path) -> None:
    engine = Slow()
    boxes, found = await opened(engine, state_dir)
    assert engine.asked == {"reclaim": 1, "pull": 1, "run": 64}
    refused = [one for one in found if isinstance(one, RoomFull)]
    assert len(refused) == 36
    assert "containers.max_running" in refused[0].cure
    await boxes.aclose()
    assert engine.asked["remove"] == 64


async def test_each_is_told_why_an_image_is_not_to_be_had(state_dir: Path) -> None:
    engine = Slow()
    engine.refuses = True
    boxes, found = await opened(engine, state_dir)
    assert Counter(type(one) for one in found) == {EngineFailed: 64, RoomFull: 36}
    assert boxes.running_count == 0
    await boxes.aclose()


async def test_an_engine_is_told_which_folders_a_container_may_put_a_link_in_the_place_of(
    state_dir: Path,
) -> None:
    engine, home = Slow(), Home("lab", state_dir.resolve() / "data" / "lab" / "files")
    boxes = RoomBoxes(engine, ContainersSettings(), clock=SystemClock(), base_url=lambda: "http://x")  # type: ignore[arg-type]
    mounts = Mounts(
        room=(Bind("", "/data"), Bind("docs", "/docs")),
        project=(Bind("all", "/all"),),
        volumes=(Bind("kept", "/kept"), Bind("kept/part", "/part")),
    )
    await boxes.run(home, Ask(image="a:1", mounts=mounts), SERVER)
    assert engine.spec is not None
    within = {bind.path: bind.within for bind in engine.spec.binds}
    files, project, volumes = map(str, (home.files, home.project, home.volumes))
    assert within == {"/data": "", "/docs": files, "/all": project, "/kept": "", "/part": volumes}
    await boxes.aclose()
