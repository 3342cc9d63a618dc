"""Sessions that an operator keeps from running."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import psutil
import pytest

from runtime.session.events import Warned
from runtime.session.exit_reasons import ExitReason
from tests.patience import PATIENCE

pytestmark = [pytest.mark.process, pytest.mark.asyncio]

COUNTS = """
    @service.path("/counts", identity="counts")
    class Counts(Base):
        async def start(self, *, room):
            self.child = subprocess.Popen([sys.executable, "-c", "while True: pass"])
            self.task = asyncio.create_task(self.count())
        async def count(self):
            for number in range(1_000_000):
                print("count", number, flush=True)
                await asyncio.sleep(0.01)
        async def stop(self):
            print("asked to stop", flush=True)
"""


@asynccontextmanager
async def node_of(make_node: Callable[..., Any], **settings: Any) -> AsyncIterator[tuple[Any, str]]:
    node = make_node(heartbeat_s=0.1, hang_warn_s=0.3, hang_kill_s=0.6, stopped_kill_s=0.6, **settings)
    node.write("bundle.py", COUNTS)
    try:
        await node.start()
        session = await node.ready("/counts")
        await node.printed(session, "count")
        yield node, session
    finally:
        await node.close()


@pytest.mark.parametrize("cgroups", ["auto", "off"])
async def test_a_frozen_session_stands_still_is_no_hang_and_goes_on(
    make_node: Callable[..., Any], cgroups: str
) -> None:
    async with node_of(make_node, cgroups=cgroups) as (node, session):
        main = psutil.Process(node.pid(session))
        assert await node.placement.freeze(session, True)
        whole = [main, *main.children(recursive=True)]
        assert len(whole) > 1
        used = [one.cpu_times() for one in whole]
        lines = node.lines(session)
        await asyncio.sleep(1.5)  # longer than a hang, or a stop from outside, may last
        assert [one.cpu_times() for one in whole] == used
        assert len(node.lines(session)) - len(lines) <= 1  # what was in the pipe
        vitals = node.placement.glance(session)
        assert vitals is not None
        assert vitals.frozen
        assert "bulkhead thaw" in vitals.note
        kinds = [one.kind for one in node.seen if isinstance(one, Warned)]
        assert kinds == ["frozen"]

        assert await node.placement.freeze(session, False)
        async with asyncio.timeout(20 * PATIENCE):
            while len(node.lines(session)) < len(lines) + 10:
                await asyncio.sleep(0.01)
        vitals = node.placement.glance(session)
        assert vitals is not None
        assert (vitals.frozen, vitals.note) == (False, "")


async def test_one_that_is_stopped_or_terminated_is_thawed_for_it(make_node: Callable[..., Any]) -> None:
    async with node_of(make_node) as (node, session):
        assert await node.placement.freeze(session, True)
        await node.placement.stop(session, ExitReason.STOPPED)
        assert (await node.exited(session)).exit.reason is ExitReason.STOPPED
        assert "asked to stop" in node.lines(session)
        assert not await node.placement.freeze(session, True)

        other = await node.ready("/counts")
        assert await node.placement.freeze(other, True)
        psutil.Process(node.pid(other)).send_signal(signal.SIGTERM)
        assert (await node.exited(other)).exit.reason is ExitReason.SIGNAL
