"""What an operator does with nodes, over a real engine; the sessions are data alone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from runtime.errors import Conflict, NotFound
from runtime.placement.machines import NodeEvent
from runtime.session.events import Exited, Ready
from runtime.session.exit_reasons import ExitReason
from runtime.session.spec import SessionId, SessionSpec, new_session_id
from tests.patience import PATIENCE
from tests.placement.cluster.conftest import machine

pytestmark = [pytest.mark.process, pytest.mark.asyncio]


class Heard:
    """What is told of nodes."""

    def __init__(self, front: Any) -> None:
        self.told: list[tuple[str, str]] = []
        self._news = asyncio.Condition()
        self._front = front
        front.placement.machines.told.append(self._hear)

    def _hear(self, event: NodeEvent) -> None:
        self.told.append((event.kind, event.name))

    async def until(self, found: Callable[[], Any]) -> Any:
        async with asyncio.timeout(30 * PATIENCE):
            while not (result := found()):
                await asyncio.sleep(0.02)  # beats come twice a second
            return result

    def of(self, name: str) -> Any:
        return next((one for one in self._front.placement.machines.listed() if one.name == name), None)


async def called(front: Any) -> SessionId:
    session = new_session_id()
    spec = SessionSpec(
        session_id=session,
        bundle="chat",
        endpoint="/chat",
        identity="chat",
        room="r",
        room_url="ws://h/rooms/r",
        token="t",
    )
    await front.placement.place(spec, 1)
    await front.event(session, Ready)
    return session


async def test_what_a_drained_node_ran_goes_on_elsewhere_and_it_is_given_nothing_until_it_is_undrained(
    site: Any,
) -> None:
    n1, n2 = machine("n1"), machine("n2")
    async with site.front() as front:
        heard, machines = Heard(front), front.placement.machines
        await front.placement.adopt([])
        async with site.node(n1) as first:
            await front.served("/chat")
            with pytest.raises(Conflict, match="no other node"):
                await machines.drain("n1")
            with pytest.raises(NotFound, match="There are: n1"):
                await machines.drain("n9")
            session = await called(front)
            assert heard.of("n1").code == {"chat": "9c1f00000000"}
            assert heard.of("n1").load.memory_most_bytes > 0
            async with site.node(n2) as second:
                await heard.until(lambda: heard.of("n2") and heard.of("n2").code)
                assert (await machines.drain("n1")).state == "draining"
                ended = await front.event(session, Exited)
                assert ended.exit.reason is ExitReason.MOVED
                assert (heard.of("n1").moved, heard.of("n1").sessions) == (1, 0)
                for _ in range(5):
                    await called(front)
                assert (len(n1.running), len(n2.running)) == (0, 5)
                with pytest.raises(Conflict):
                    await machines.drain("n2")
                await first.aclose()
                await first._engine.aclose()
                async with site.node(machine("n1", "b2")) as again:
                    await heard.until(lambda: again.draining)  # also over its lives, for whoever drained it
                    await machines.undrain("n1")
                    await heard.until(lambda: heard.of("n1").state == "ready")
                    assert not again.draining
                await second.drain(1.0)
                await second.settle(30 * PATIENCE)
                await second.leave()
                await heard.until(lambda: heard.of("n2") is None)
        kinds = [kind for kind, name in heard.told if name == "n1"]
        assert kinds == ["node.joined", "node.draining", "node.lost", "node.joined", "node.undrained"]
        assert [kind for kind, name in heard.told if name == "n2"] == ["node.joined", "node.left"]
