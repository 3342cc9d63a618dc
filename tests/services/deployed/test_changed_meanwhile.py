"""A bundle that is sent while its service changes: never a half of both."""

from __future__ import annotations

import asyncio
import gc
import io
import tarfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from runtime.errors import Conflict
from runtime.services.deployed.deployments import Deployments
from runtime.services.deployed.kept_folders import KeptFolders
from runtime.services.store import Store
from tests.patience import PATIENCE
from tests.services.conftest import opened

pytestmark = [pytest.mark.process, pytest.mark.asyncio]


class Sent(bytes):
    """What is sent, and counted when nobody has it any more."""

    gone = 0

    def __del__(self) -> None:
        Sent.gone += 1


@dataclass
class Loaded:
    name: str
    endpoints: tuple[Any, ...] = ()


@dataclass
class Loader:
    """Programs that load when a test lets them, and serve as it is told."""

    goes_on: asyncio.Event = field(default_factory=asyncio.Event)
    is_loading: asyncio.Event = field(default_factory=asyncio.Event)
    serving: dict[str, str] = field(default_factory=dict)
    discarded: list[str] = field(default_factory=list)
    folders_in_use: set[Path] = field(default_factory=set)

    async def prepare(self, *_: Any) -> None:
        return None

    async def load(self, name: str, *_: Any) -> Loaded:
        self.is_loading.set()
        await self.goes_on.wait()
        return Loaded(name)

    def serve(self, service: str, bundle: Loaded) -> None:
        self.serving[service] = bundle.name

    def expect(self, service: str) -> None:
        return None

    def drop(self, service: str) -> None:
        self.serving.pop(service, None)

    async def discard(self, bundle: Loaded) -> None:
        self.discarded.append(bundle.name)


def packed(text: str) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as tar:
        entry = tarfile.TarInfo("main.py")
        entry.size = len(text)
        tar.addfile(entry, io.BytesIO(text.encode()))
    return made.getvalue()


@pytest_asyncio.fixture
async def store(tmp_path: Path) -> Any:
    one = await opened(tmp_path / "services.sqlite3")
    yield one
    await one.aclose()


async def sent(deployments: Deployments, text: str) -> Any:
    one = deployments.open("greeter", "", None, now=False, by="test")
    deployments.begin(one, packed(text))
    return one


async def over(one: Any) -> None:
    async with asyncio.timeout(20 * PATIENCE):
        while not one.is_over:
            await one.news(one.dropped + len(one.lines), one.state, timeout_s=1)


async def test_what_was_changed_while_a_bundle_loaded_is_not_undone(store: Store, tmp_path: Path) -> None:
    loader = Loader()
    deployments = Deployments(loader, KeptFolders(tmp_path / "bundles"), store)
    loader.goes_on.set()
    first = await sent(deployments, "1")
    await over(first)
    assert first.error is None
    service = first.service.id
    serves = loader.serving[service]
    loader.goes_on.clear()
    loader.is_loading.clear()
    second = deployments.open("greeter", "", None, now=False, by="test")
    deployments.begin(second, Sent(packed("2")))
    with pytest.raises(Conflict, match="under way"):
        await sent(deployments, "3")
    await loader.is_loading.wait()
    await store.services.enable(service, False, by="somebody else")
    loader.goes_on.set()
    await over(second)
    assert isinstance(second.error, Conflict)
    assert "revision 2 is in force, not 1" in str(second.error)
    gc.collect()
    assert Sent.gone == 1  # what was sent is not held by what is remembered of it
    assert loader.serving[service] == serves
    assert len(loader.discarded) == 1
    assert not (await store.services.get(service)).is_enabled
    await deployments.aclose()


async def test_a_rollback_that_comes_late_does_not_serve_over_a_later_revision(
    store: Store, tmp_path: Path
) -> None:
    loader = Loader()
    loader.goes_on.set()
    deployments = Deployments(loader, KeptFolders(tmp_path / "bundles"), store)
    made = []
    for text in ("1", "2"):
        made.append(await sent(deployments, text))
        await over(made[-1])
    service = made[0].service.id
    (_, old) = await store.services.history(service)
    candidate = await deployments.tried(made[1].service, old)

    async def change() -> Any:
        back = await store.services.roll_back(service, 1, by="test")
        later = await sent(deployments, "3")
        await over(later)
        assert later.error is None
        return back

    await deployments.rolled_back(candidate, change)
    newest = await store.services.get(service)
    assert newest.revision == 4
    assert loader.serving[service].partition("@")[2] in newest.spec["container"]["image"]
    assert loader.discarded[-1] != loader.serving[service]
    await deployments.aclose()
