"""An open store in a folder of its own, and a clock that a test sets."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest_asyncio

from runtime.services.store import Store
from runtime.session.redaction import Hidden
from runtime.wire.sealed import KEY_BYTES, Seal

SEAL = Seal(bytes(range(KEY_BYTES)))
PROJECT = "11111111-2222-4333-8444-555555555555"


@dataclass
class SetClock:
    """Says what a test sets."""

    at: float = 1_000.0

    def now(self) -> float:
        return self.at

    def wall(self) -> float:
        return self.at


async def opened(
    path: Path, clock: SetClock | None = None, *, seal: Seal = SEAL, hidden: Hidden | None = None
) -> Store:
    clock, hidden = clock or SetClock(), hidden or Hidden()
    return await Store.open(path, lambda: seal, clock, hidden=hidden, project=PROJECT)


def manifest(name: str = "greeter", image: str = "greeter:1", **container: Any) -> dict[str, Any]:
    return {
        "version": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "container": {"image": image, **container},
    }


@pytest_asyncio.fixture
async def clock() -> SetClock:
    return SetClock()


@pytest_asyncio.fixture
async def hidden() -> Hidden:
    return Hidden()


@pytest_asyncio.fixture
async def store(tmp_path: Path, clock: SetClock, hidden: Hidden) -> AsyncIterator[Store]:
    store = await opened(tmp_path / "services.sqlite3", clock, hidden=hidden)
    yield store
    await store.aclose()
