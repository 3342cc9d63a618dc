"""When a program is loaded again for what came to lie beside it."""

from __future__ import annotations

from typing import Any, cast

import pytest

from runtime.confinement.ground import Ground
from runtime.confinement.level import Level
from runtime.confinement.policy import Policy
from runtime.supervisor.bundles.confined.held import Held
from runtime.supervisor.bundles.confined.keep_up import AGAIN_S, MOST_S, KeepUp

pytestmark = [pytest.mark.unit, pytest.mark.asyncio]


class Entries:
    def __init__(self) -> None:
        self.path = ""

    def news(self, *, of_system_alone: bool) -> str:
        return "" if of_system_alone else self.path


class Bundle:
    """One that is loaded at once."""

    def __init__(self) -> None:
        self.name, self.error, self.under_way = "a", None, None
        self.entries, self.loads = Entries(), 0
        ground = Ground(folder="/a", home="/h", state="/s", real=str, foreign=("/a/known",))
        self.held = Held(Policy(Level.BASIC), {}, ground, entries=cast(Any, self.entries))

    def load_soon(self) -> None:
        self.loads += 1


async def test_it_is_when_news_stay_and_not_over_and_over() -> None:
    bundle, now = Bundle(), [0.0]
    keep_up = KeepUp(lambda: [cast(Any, bundle)], lambda _: (), follows=True, clock=lambda: now[0])
    bundle.entries.path = "/a/new"
    await keep_up.look()
    assert bundle.loads == 0, "it may be gone in a moment"
    await keep_up.look()
    assert bundle.loads == 1
    for path in ("/a/next", "/a/last", "/a/last"):
        bundle.entries.path = path
        await keep_up.look()
    assert bundle.loads == 1
    now[0] = AGAIN_S
    await keep_up.look()
    assert bundle.loads == 2
    now[0] = 2 * AGAIN_S
    await keep_up.look()
    assert bundle.loads == 2, "somebody keeps writing there"
    for _ in range(20):
        now[0] += MOST_S
        await keep_up.look()
    assert bundle.loads == 22


async def test_it_is_for_what_another_program_was_granted_to_write_in_its_folder() -> None:
    bundle, foreign = Bundle(), ["/a/known"]
    keep_up = KeepUp(lambda: [cast(Any, bundle)], lambda _: foreign, follows=True)
    for _ in range(3):
        await keep_up.look()
    assert bundle.loads == 0
    foreign.append("/a/data")
    for _ in range(3):
        await keep_up.look()
    assert bundle.loads == 1


async def test_nobody_is_disturbed_whose_files_nobody_follows_or_who_is_being_loaded() -> None:
    bundle = Bundle()
    bundle.entries.path = "/a/new"
    for _ in range(3):
        await KeepUp(lambda: [cast(Any, bundle)], lambda _: (), follows=False).look()
    bundle.under_way = cast(Any, "a load")
    keep_up = KeepUp(lambda: [cast(Any, bundle)], lambda _: (), follows=True)
    for _ in range(3):
        await keep_up.look()
    assert bundle.loads == 0
