"""How a front follows its nodes, whose messages are put into its hands here."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from runtime.placement.cluster import messages as say
from runtime.placement.cluster.resync import Outbox
from runtime.session.events import Exited, Placed, Released
from runtime.session.spec import SessionId
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


async def test_a_beat_of_an_old_life_that_comes_late_ends_nothing_of_the_new_one(followed: Followed) -> None:
    await followed.beats("n1", "b1")
    await followed.beats("n1", "b2")
    session = SessionId("s_1")
    followed.front.give(session, 1, "n1")
    placed = Placed(session_id=session, at=0.0, generation=1)
    await followed.tells("n1", Outbox("b2").put(1, placed))
    with capture_logs() as logs:
        for number in (7, 8):
            await followed.beats("n1", "b1", number)
    assert [one["event"] for one in logs] == ["node.there_twice"]
    assert followed.front.live.boot("n1") == "b2"
    assert [type(event) for event in followed.heard] == [Placed]


async def test_a_life_that_is_announced_ends_the_one_before_it_and_takes_nothing_yet(
    followed: Followed,
) -> None:
    front = followed.front
    await followed.beats("n1", "b1")
    session = SessionId("s_1")
    front.give(session, 1, "n1")
    await followed.tells("n1", Outbox("b1").put(1, Placed(session_id=session, at=0.0, generation=1)))
    assert [node.beat.node for node in front.ready()] == ["n1"]
    followed.wire.sent.clear()
    await followed.beats("n1", "b2", 0, early=True)
    assert [type(event) for event in followed.heard] == [Placed, Exited, Released]
    assert (front.ready(), [node.beat.boot for node in front.there()]) == ([], ["b2"])
    assert followed.wire.sent == []  # it does not listen yet
    await followed.beats("n1", "b2", 1)
    assert [node.beat.boot for node in front.ready()] == ["b2"]
    (told,) = [say.decoded(say.FrontBeat, data).heard["n1"] for _, data in followed.wire.sent]
    assert told.boot == "b2"  # its lease begins at once


async def test_a_node_that_is_not_heard_in_a_life_of_its_front_is_waited_for_in_no_later_one(
    tmp_path: Path,
) -> None:
    before = Followed(tmp_path)
    for name in ("n1", "n2", "n3"):
        await before.beats(name)
    before.front.memory.drain("n3")
    back = Followed(tmp_path)
    assert back.front.memory.names == ["n1", "n2", "n3"]
    await back.beats("n1")
    await back.front._judge()
    assert back.front.memory.names == ["n1", "n2", "n3"]  # it may be heard yet
    back.front._adoption._until = 0.0
    await back.front._judge()
    assert Followed(tmp_path).front.memory.names == ["n1", "n3"]
