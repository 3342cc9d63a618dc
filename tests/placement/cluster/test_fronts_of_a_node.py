"""Which fronts a node knows, and how long it keeps what they want there."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from runtime.placement.cluster import messages as say
from runtime.placement.cluster import node as nodes
from runtime.placement.cluster.node import FORGET_S, NodeServer
from runtime.placement.cluster.sent.installed import InstalledBundles
from runtime.services.deployed.kept_folders import KeptFolders
from tests.placement.cluster.conftest import machine

pytestmark = [pytest.mark.unit, pytest.mark.asyncio]


class Told:
    """A node that fronts talk to, on a machine that runs since long before."""

    def __init__(self, folder: Path) -> None:
        self.at = 10 * FORGET_S
        nobody: Any = SimpleNamespace()
        self.sent = InstalledBundles(nobody, KeptFolders(folder), nobody, cluster="main", node="n1")
        self._node = NodeServer(machine("n1"), nobody, cluster="main", sent=self.sent, now=lambda: self.at)

    async def sync(self, front: str) -> None:
        await self._node._asked("", say.encoded(say.Sync(front=front, turn=1)))

    async def beat(self, front: str) -> None:
        await self._node._front_beat(
            "", say.encoded(say.FrontBeat(front=front, boot="b1", number=1, lease_s=6.0))
        )

    async def want(self, front: str) -> None:
        want = say.Want(front=front, turn=2, mark=f"mark of {front}", bundles=[])
        await self._node._asked("", say.encoded(want))

    async def wanted_by(self) -> set[str]:
        """Whose bundles are still there when the fence has looked."""
        await self._node._fence()
        return set(self.sent.marks)


async def test_what_a_front_wants_stays_until_it_was_silent_for_an_hour(tmp_path: Path) -> None:
    told = Told(tmp_path)
    await told.sync("f1")  # its first beat comes later
    await told.want("f1")
    assert await told.wanted_by() == {"f1"}
    told.at += FORGET_S - 1.0
    assert await told.wanted_by() == {"f1"}
    told.at += 1.0
    assert await told.wanted_by() == set()


async def test_of_too_many_fronts_the_one_goes_that_was_silent_longest_with_what_it_wants(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nodes, "MAX_FRONTS", 2)
    told = Told(tmp_path)
    for front in ("f1", "f2", "f1", "f3"):
        told.at += 1.0
        await told.beat(front)
        await told.want(front)
    assert await told.wanted_by() == {"f1", "f3"}
