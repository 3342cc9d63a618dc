"""What a node does with bundles that it has; that they are fetched, with an engine: test_sent_bundles."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from runtime.placement.cluster import messages as say
from runtime.placement.cluster.sent import installed
from runtime.placement.cluster.sent.installed import InstalledBundles
from runtime.session.info import EndpointInfo
from tests.fakes import endpoint
from tests.patience import PATIENCE

pytestmark = [pytest.mark.unit, pytest.mark.asyncio]


class Loads:
    """What loads bundles, which here are their names."""

    def __init__(self) -> None:
        self.loaded: list[str] = []
        self.serving: dict[str, Any] = {}
        self.folders_in_use: set[Path] = set()

    async def prepare(self, name: str, folder: Path, tell: Any) -> None: ...

    async def load(self, name: str, folder: Path, env: Mapping[str, str]) -> Any:
        self.loaded.append(name)
        return name

    def rows_of(self, bundle: Any) -> list[EndpointInfo]:
        return [endpoint("/greet")]

    def serve(self, service: str, bundle: Any) -> None:
        self.serving[service] = bundle

    def expect(self, service: str) -> None: ...

    def drop(self, service: str) -> None: ...

    async def discard(self, bundle: Any) -> None: ...


class Unlisted:
    """Folders that are all there, and cannot be listed at first."""

    def __init__(self) -> None:
        self.tried = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._is_first = True

    def path(self, digest: str) -> Path:
        return Path("/kept") / digest

    def prune(self, *_: Any, **__: Any) -> list[str]:
        is_first, self._is_first = self._is_first, False
        self._loop.call_soon_threadsafe(self.tried.set)
        if is_first:
            raise OSError(24, "Too many open files")
        return []


async def test_a_bundle_that_is_loaded_stays_so_when_old_ones_cannot_be_removed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(installed, "FIRST_RETRY_S", 0.0)
    loads, folders = Loads(), Unlisted()
    kept: Any = folders
    engine: Any = SimpleNamespace()
    bundles = InstalledBundles(loads, kept, engine, cluster="main", node="n1")
    wish = say.Wanted(id="1", name="greeter", digest="0123456789abcdef", env={"A": "b"})
    bundles.want(say.Want(front="f1", turn=1, mark="m", bundles=[wish]))
    async with asyncio.timeout(30 * PATIENCE):
        await folders.tried.wait()
        await bundles._tasks.settle()
    assert [(one.state, one.code) for one in bundles.have()] == [("ready", "")]
    assert loads.loaded == ["greeter@01234567"]
    # A session of a service that it does not serve yet has it serve.
    assert bundles.takes("/deployed/s1/greet", "1")
    assert loads.serving == {"s1": "greeter@01234567"}
    assert [(one.digest, one.service) for one in bundles.have()] == [(wish.digest, "s1")]
    await bundles.aclose()
