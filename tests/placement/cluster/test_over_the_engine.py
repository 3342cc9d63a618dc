"""A front and a node in one process, with a real engine between them and real sessions."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import Any

import pytest

from runtime.placement.cluster.engine.announcing import slept_too
from runtime.placement.contract import Attempt
from runtime.session.events import Exited, Placed, Ready, Released, Started
from runtime.session.exit_reasons import ExitReason
from runtime.session.spec import SessionId, SessionSpec, new_session_id
from tests.patience import PATIENCE

pytestmark = [pytest.mark.process, pytest.mark.asyncio]

PLAIN = """
    @service.path("/x")
    class Plain(Base):
        async def start(self, *, room):
            await super().start(room=room)
            print("hello from here", flush=True)
"""


async def started(node: Any) -> None:
    node.write("x.py", PLAIN)
    await node.start()
    node._reader.cancel()  # its events are the node server's


def spec_at(node: Any, session: SessionId) -> SessionSpec:
    return SessionSpec(
        session_id=session,
        bundle="x",
        endpoint="/x",
        identity="agent",
        room="r",
        room_url=f"ws://127.0.0.1:{node.port}/rooms/r",
        token=node.hub.token("r", "agent"),
    )


async def called(front: Any, node: Any) -> SessionId:
    session = new_session_id()
    await front.placement.place(spec_at(node, session), 1)
    await front.event(session, Ready)
    return session


def is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


async def until(found: Any) -> None:
    async with asyncio.timeout(30 * PATIENCE):
        while not found():
            await asyncio.sleep(0.02)  # what a node does by itself makes no event here


async def test_a_session_lives_on_a_node_as_it_does_here(node: Any, site: Any) -> None:
    await started(node)
    async with site.front() as front, site.node(node.placement):
        placement = front.placement
        await placement.adopt([])
        assert placement.awaits("/x")  # nobody was heard yet: who calls waits
        await front.served("/x")
        session = await called(front, node)
        kinds = [type(event) for event in front.seen]
        assert kinds == [Placed, Started, Ready]
        assert (front.seen[0].node_id, front.seen[0].boot) == ("local", node.placement.supervisor.boot)
        assert placement.capacity().sessions == 1
        assert placement.capacity().fresh == node.placement.capacity().fresh
        assert (await placement.vitals(session)).rss_bytes > 0
        assert [line.text for line in await placement.log_lines(session)] == ["hello from here"]
        assert "base_events.py" in (await placement.stacks(session) or "")
        assert await placement.ping(session, 10.0 * PATIENCE) is not None
        assert [one.pid for one in await placement.processes(session)] == [front.seen[1].pid]
        assert await placement.messages(session)
        assert await placement.use(session) is not None
        await until(lambda: placement.glance(session) is not None)
        async with asyncio.timeout(30 * PATIENCE):
            await placement.stop(session, ExitReason.STOPPED)
        assert (await front.event(session, Exited)).exit.reason is ExitReason.STOPPED
        assert len(await placement.log_lines(session)) == 1  # of one that ended, while it is kept
        await until(lambda: placement.capacity().sessions == 0)  # with the node's next beat


async def test_what_happens_while_the_engine_is_away_is_told_when_it_is_back(node: Any, site: Any) -> None:
    await started(node)
    async with site.front() as front, site.node(node.placement) as server:
        await front.placement.adopt([])
        await front.served("/x")
        session, other = await called(front, node), await called(front, node)
        pid = next(event.pid for event in front.seen if isinstance(event, Started))
        site.process._handle.send(signal.SIGKILL)
        await site.process._handle.wait()
        os.kill(pid, signal.SIGKILL)
        ended = await front.event(session, Exited)
        assert ended.exit.reason is ExitReason.SIGNAL
        assert ended.report is not None
        await front.event(session, Released)
        assert [type(event) for event in front.seen if event.session_id == session].count(Exited) == 1
        async with asyncio.timeout(30 * PATIENCE):
            await front.placement.stop(other, ExitReason.STOPPED)
            await server.settle(30 * PATIENCE)  # both ends were acknowledged, and are kept no more
        assert all(not len(one.outbox) for one in server._fronts.values())


async def test_a_node_that_no_front_hears_ends_its_sessions_and_the_front_that_comes_back_is_told(
    node: Any, site: Any
) -> None:
    await started(node)
    async with site.node(node.placement) as server:
        async with site.front(lease_s=2.0) as front:
            await front.placement.adopt([])
            await front.served("/x")
            session = await called(front, node)
            pid = next(event.pid for event in front.seen if isinstance(event, Started))
            await front.silence()
            lease = server._fronts["f1"].lease
            assert lease.until <= slept_too() + 2.0
        await until(lambda: is_gone(pid))
        assert lease.is_over(slept_too())
        async with site.front() as back:
            seen = frozenset({"Placed", "Started", "Ready"})
            assert await back.placement.adopt([Attempt(session, 1, seen)]) == {session}
            ended = await back.event(session, Exited)
            assert ended.exit.reason is ExitReason.NODE_LOST
            assert not [event for event in back.seen if isinstance(event, Ready)]  # that was known


async def test_a_front_that_comes_back_in_time_keeps_what_runs_and_ends_what_it_does_not_know(
    node: Any, site: Any
) -> None:
    await started(node)
    async with site.node(node.placement):
        async with site.front() as front:
            await front.placement.adopt([])
            await front.served("/x")
            session, stray = await called(front, node), await called(front, node)
            pids = {event.session_id: event.pid for event in front.seen if isinstance(event, Started)}
            await front.silence()
        async with site.front() as back:
            gone = new_session_id()
            found = await back.placement.adopt([Attempt(session, 1), Attempt(gone, 1)])
            assert found == {session}
            await until(lambda: is_gone(pids[stray]))
            assert not is_gone(pids[session])
            await back.event(session, Ready)
            async with asyncio.timeout(30 * PATIENCE):
                await back.placement.stop(session, ExitReason.STOPPED)


async def test_nobody_to_start_it_ends_an_attempt_and_not_a_session(node: Any, site: Any) -> None:
    await started(node)
    async with site.front() as front:
        await front.placement.adopt([])
        session = new_session_id()
        await front.placement.place(spec_at(node, session), 1)
        ended = await front.event(session, Exited)
        assert ended.exit.reason is ExitReason.NOT_STARTED
        assert "no machine is there" in ended.exit.message
        await front.event(session, Released)


async def test_a_node_that_drains_has_its_sessions_go_on_elsewhere(node: Any, site: Any) -> None:
    await started(node)
    async with site.front() as front, site.node(node.placement) as server:
        await front.placement.adopt([])
        await front.served("/x")
        session = await called(front, node)
        async with asyncio.timeout(30 * PATIENCE):
            await server.drain(5.0)
        assert (await front.event(session, Exited)).exit.reason is ExitReason.MOVED
        again = new_session_id()
        await front.placement.place(spec_at(node, again), 1)
        assert (await front.event(again, Exited)).exit.reason is ExitReason.NOT_STARTED
