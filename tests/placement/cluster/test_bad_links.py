"""A node behind a link that is slow, that stutters as one that loses packets, and that is cut one way.

The link is a program in between, which holds bytes back and closes nothing: that is what TCP makes of a
network that delays and loses, and it needs neither rights nor a kernel's module.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any

import pytest

from runtime.placement.cluster.liveness import NodeState
from runtime.session.events import Exited, Placed, Ready, Released, SessionEvent, Started
from runtime.session.exit_reasons import ExitReason
from runtime.session.spec import SessionSpec, new_session_id
from runtime.tasks import cancelled
from tests.patience import PATIENCE
from tests.placement.cluster.conftest import machine

pytestmark = [pytest.mark.process, pytest.mark.asyncio, pytest.mark.long]

DELAY_S = 0.05
LOSS = 0.05
STUTTER_S = (0.2, 0.8)
"""What a lost packet costs a connection until it was sent again."""
COUNT = 120


class Link:
    """Between a node and the engine.

    Attributes:
        delay_s: Of each piece, each way.
        loss: The part of pieces that come late, and all after them.
        open: By way, ``to`` and ``from`` the node: nothing gets through while it is not set.
    """

    def __init__(self, port: int, seed: int = 7) -> None:
        self._to, self._chance = port, random.Random(seed)
        self.delay_s = self.loss = 0.0
        self.open = {"to": asyncio.Event(), "from": asyncio.Event()}
        for way in self.open.values():
            way.set()
        self._pumps: list[asyncio.Task[None]] = []
        self._writers: list[asyncio.StreamWriter] = []

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[int]:
        """Its port."""
        server = await asyncio.start_server(self._came, "127.0.0.1", 0)
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            server.close()
            for pump in self._pumps:
                await cancelled(pump)
            for writer in self._writers:
                writer.transport.abort()
                with suppress(OSError):
                    await writer.wait_closed()

    async def _came(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._to)
        self._writers.append(far_writer)
        for way, source, target in (("from", reader, far_writer), ("to", far_reader, writer)):
            self._pumps.append(asyncio.create_task(self._pump(way, source, target)))

    async def _pump(self, way: str, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        loop, due = asyncio.get_running_loop(), 0.0
        waiting: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(1000)

        async def deliver() -> None:
            while True:
                at, data = await waiting.get()
                await asyncio.sleep(max(0.0, at - loop.time()))
                await self.open[way].wait()
                target.write(data)
                await target.drain()

        delivering = asyncio.create_task(deliver())
        try:
            with suppress(OSError):
                while data := await source.read(1400):
                    late = self._chance.uniform(*STUTTER_S) if self._chance.random() < self.loss else 0.0
                    due = max(due, loop.time() + self.delay_s) + late
                    await waiting.put((due, data))
        finally:
            await cancelled(delivering)
            target.transport.abort()


def call() -> SessionSpec:
    where = {"room": "r", "room_url": "ws://h/rooms/r", "token": "t"}
    return SessionSpec(session_id=new_session_id(), bundle="chat", endpoint="/chat", identity="chat", **where)


def outcome(front: Any, session: str) -> SessionEvent | None:
    return next((e for e in front.seen if e.session_id == session and isinstance(e, (Ready, Exited))), None)


@pytest.mark.timeout(300)
async def test_over_a_link_that_delays_and_loses_each_session_begins_once_and_ends_once(site: Any) -> None:
    far, link = machine("n1"), Link(site.process.port)
    far.max_sessions = far.max_starting = COUNT
    async with link.listening() as port, site.front(lease_s=6.0) as front, site.node(far, port=port):
        await front.placement.adopt([])
        await front.served("/chat")
        verdicts = list[Any]()
        front.placement._follower.judged.append(lambda verdict, _: verdicts.append(verdict.state))
        link.delay_s, link.loss = DELAY_S, LOSS
        turns = asyncio.Semaphore(20)

        async def lives(spec: SessionSpec) -> None:
            async with turns:
                await front.placement.place(spec, 1)
                await front.ready(spec.session_id)
                far.exit(spec.session_id, ExitReason.FINISHED)
                await front.event(spec.session_id, Released)

        calls = [call() for _ in range(COUNT)]
        async with asyncio.timeout(120 * PATIENCE):
            await asyncio.gather(*map(lives, calls))
        seen = defaultdict[str, list[type[SessionEvent]]](list)
        for event in front.seen:
            seen[event.session_id].append(type(event))
        assert {tuple(kinds) for kinds in seen.values()} == {(Placed, Started, Ready, Exited, Released)}
        assert len(seen) == COUNT
        assert set(Counter(spec.session_id for spec, _ in far.placed).values()) == {1}
        assert NodeState.LOST not in verdicts
        assert {e.exit.reason for e in front.seen if isinstance(e, Exited)} == {ExitReason.FINISHED}


@pytest.mark.timeout(180)
@pytest.mark.parametrize("way", ["to", "from"])
async def test_a_link_that_is_cut_one_way_for_less_than_a_lease_costs_no_session(site: Any, way: str) -> None:
    far, link = machine("n1"), Link(site.process.port)
    async with link.listening() as port, site.front(lease_s=12.0) as front, site.node(far, port=port):
        await front.placement.adopt([])
        await front.served("/chat")
        spec, doubted, again = call(), asyncio.Event(), asyncio.Event()
        await front.placement.place(spec, 1)
        await front.ready(spec.session_id)

        def judged(verdict: Any, _: int) -> None:
            (doubted if verdict.state is NodeState.SUSPECT else again).set()

        front.placement._follower.judged.append(judged)
        link.open[way].clear()
        async with asyncio.timeout(30 * PATIENCE):
            await doubted.wait()
            link.open[way].set()
            await again.wait()
        far.exit(spec.session_id, ExitReason.FINISHED)  # also over a connection that was made anew
        ended = await front.event(spec.session_id, Exited)
        assert ended.exit.reason is ExitReason.FINISHED
        assert far.stopped == []


@pytest.mark.timeout(180)
@pytest.mark.parametrize("way", ["to", "from"])
async def test_a_link_that_is_cut_one_way_for_longer_ends_a_session_there_first(site: Any, way: str) -> None:
    far, link = machine("n1"), Link(site.process.port)
    async with link.listening() as port, site.front(lease_s=2.0) as front, site.node(far, port=port):
        await front.placement.adopt([])
        await front.served("/chat")
        spec = call()
        await front.placement.place(spec, 1)
        await front.ready(spec.session_id)
        link.open[way].clear()
        ended = await front.event(spec.session_id, Exited)
        assert [(session, reason) for session, reason, _ in far.stopped] == [
            (spec.session_id, ExitReason.NODE_LOST)
        ]
        assert ended.exit.reason is ExitReason.NODE_LOST
        link.open[way].set()
        async with asyncio.timeout(30 * PATIENCE):
            # A beat that was on its way may be heard before the node hears that it is.
            while not isinstance(ended, Ready):
                await front.placement.place(other := call(), 1)
                ended = await front.until(partial(outcome, front, other.session_id))
