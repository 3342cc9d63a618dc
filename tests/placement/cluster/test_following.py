"""How a front follows its nodes, whose messages are put into its hands here."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from runtime.placement.cluster import messages as say
from tests.placement.cluster.conftest import Followed

pytestmark = [pytest.mark.unit, pytest.mark.asyncio]


@pytest_asyncio.fixture
async def followed(tmp_path: Path) -> AsyncIterator[Followed]:
    made = Followed(tmp_path)
    yield made
    await made.front.aclose()


async def test_of_nodes_that_come_together_each_is_told_alone_that_it_was_heard(followed: Followed) -> None:
    for name in ("n1", "n2", "n3"):
        await followed.beats(name)
    told = [say.decoded(say.FrontBeat, data).heard for _, data in followed.wire.sent]
    assert [list(heard) for heard in told] == [["n1"], ["n2"], ["n3"]]  # all of all to all would be much
