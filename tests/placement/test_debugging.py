"""A debugger in a session: missing, and one that holds the session for longer than a hang may last."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from runtime.session.events import Exited, Warned
from runtime.session.exit_reasons import ExitReason

pytestmark = [pytest.mark.process, pytest.mark.asyncio]

# Stands in for the package where it listens; what a client of it does to the program is `time.sleep`.
DEBUGPY = """
    import sys, types
    fake = types.ModuleType("debugpy")
    fake.configure = lambda **_: None
    fake.listen = lambda address: (address[0], address[1] or 5678)
    sys.modules["debugpy"] = fake
"""
AGENT = """
    @service.path("/held", identity="held")
    class Held(Base):
        async def start(self, *, room):
            self.task = asyncio.create_task(self.work())
        async def work(self):
            while not os.path.exists("GO"):
                await asyncio.sleep(0.01)
            time.sleep(2)
            print("went on", flush=True)
            time.sleep(30)
"""


@asynccontextmanager
async def node_of(make_node: Callable[..., Any], body: str) -> AsyncIterator[tuple[Any, str]]:
    node = make_node(heartbeat_s=0.1, hang_warn_s=0.3, hang_kill_s=0.8)
    node.write("bundle.py", body.replace("GO", str(node.given / "go")))
    try:
        await node.start()
        yield node, await node.ready("/held")
    finally:
        await node.close()


async def test_a_missing_debugger_is_told_with_its_cure(make_node: Callable[..., Any]) -> None:
    missing = "    import sys\n    sys.modules['debugpy'] = None\n"
    async with node_of(make_node, missing + AGENT) as (node, session):
        found = await node.placement.debug(session, 0)
        assert "pip install debugpy" in found.error
        assert await node.placement.debug("s_NOBODY", 0) is None


async def test_one_that_a_debugger_holds_is_no_hang_until_a_truce_ends(
    make_node: Callable[..., Any],
) -> None:
    async with node_of(make_node, DEBUGPY + AGENT) as (node, session):
        assert (await node.placement.debug(session, 4711)).port == 4711
        assert (await node.placement.debug(session, 0)).port == 4711  # one for a process
        await asyncio.to_thread((node.given / "go").touch)
        await node.printed(session, "went on")
        assert not [one for one in node.seen if isinstance(one, Warned | Exited)]
        assert (await node.placement.debug(session, None)).port == 0
        assert (await node.exited(session)).exit.reason is ExitReason.HANG
