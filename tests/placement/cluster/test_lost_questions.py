"""A node that does not hear what it is asked for a while, and is heard itself all the time."""

from __future__ import annotations

import asyncio
import signal
from dataclasses import replace
from typing import Any

import pytest

from runtime.placement.cluster import follower
from runtime.placement.cluster import messages as say
from runtime.placement.cluster.engine.connection import MAX_MESSAGE_BYTES, TooLarge
from runtime.placement.cluster.node import NodeServer
from runtime.session.events import Exited, Ready
from runtime.session.exit_reasons import ExitReason
from runtime.session.spec import SessionId, SessionSpec, new_session_id
from tests.patience import PATIENCE
from tests.placement.cluster.conftest import machine

pytestmark = [pytest.mark.process, pytest.mark.asyncio]


class Deaf(NodeServer):
    """Loses what it is asked, as long as `loses` has its kind."""

    loses: tuple[type[Any], ...] = ()
    lost: asyncio.Event

    async def _asked(self, subject: str, data: bytes) -> bytes | None:
        if isinstance(say.decoded(say.Ask, data), self.loses):
            self.lost.set()
            return None
        return await super()._asked(subject, data)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follower, "ASK_S", 0.2)


def spec(session: SessionId) -> SessionSpec:
    where = {"room": "r", "room_url": "ws://h/rooms/r", "token": "t"}
    return SessionSpec(session_id=session, bundle="chat", endpoint="/chat", identity="chat", **where)


async def test_a_question_that_was_lost_is_asked_again_though_no_number_is_missing(
    site: Any, quick: None
) -> None:
    n1 = machine("n1")
    node = Deaf(n1, await site.as_user("n1"), cluster="main")
    node.lost = asyncio.Event()
    async with site.front() as front:
        await front.placement.adopt([])
        await node.start()
        try:
            await front.served("/chat")
            session, other = new_session_id(), new_session_id()
            await front.placement.place(spec(session), 1)
            await front.event(session, Ready)
            node.loses = (say.Stop, say.Sync)
            stopping = asyncio.create_task(front.placement.stop(session, ExitReason.STOPPED))
            await node.lost.wait()
            node.lost.clear()
            await node.lost.wait()  # the sync after it as well
            node.loses = ()
            async with asyncio.timeout(30 * PATIENCE):
                await stopping
            node.loses = (say.Place, say.Sync)
            await front.placement.place(spec(other), 1)
            node.lost.clear()
            await node.lost.wait()
            node.loses = ()
            ended = await front.event(other, Exited)
            assert ended.exit.reason is ExitReason.NOT_STARTED
            assert len(front.placement._follower.held) == 0
        finally:
            await node.aclose()


async def test_a_session_waits_for_nodes_that_are_away_for_a_moment_and_may_be_stopped_meanwhile(
    site: Any,
) -> None:
    n1 = machine("n1")
    async with site.front() as front, site.node(n1):
        placement = front.placement
        await placement.adopt([])
        await front.served("/chat")
        site.process._handle.send(signal.SIGSTOP)  # nobody hears anybody
        try:
            async with asyncio.timeout(30 * PATIENCE):
                while placement._follower.ready():
                    await asyncio.sleep(0.05)
            one, other = new_session_id(), new_session_id()
            placing = [asyncio.create_task(placement.place(spec(each), 1)) for each in (one, other)]
            await asyncio.sleep(0)
            await placement.stop(other, ExitReason.STOPPED)
        finally:
            site.process._handle.send(signal.SIGCONT)
        await front.event(one, Ready)
        assert [lease.node_id for lease in await asyncio.gather(*placing)] == ["n1", ""]
        assert (await front.event(other, Exited)).exit.reason is ExitReason.STOPPED
        assert [placed.session_id for placed, _ in n1.placed] == [one]


async def test_what_is_too_much_for_a_message_is_said_and_not_tried_for_ever(site: Any) -> None:
    async with site.front() as front, site.node(machine("n1")):
        await front.placement.adopt([])
        await front.served("/chat")
        session = new_session_id()
        large = replace(spec(session), arguments={"text": "x" * MAX_MESSAGE_BYTES})
        with pytest.raises(TooLarge, match="8 MiB at most"):
            await front.placement.place(large, 1)
        assert len(front.placement._follower.held) == 0
        await front.placement.place(spec(session), 1)
        await front.event(session, Ready)
