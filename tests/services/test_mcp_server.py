"""A session with an MCP server that is started again, refuses for a while, or says nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from runtime.front.model.provider import make_client
from runtime.services.life.mcp.server import McpServer
from tests.front.operator.room.test_mcp_endpoints import McpHere, listening
from tests.patience import PATIENCE

pytestmark = [pytest.mark.process, pytest.mark.asyncio]


@asynccontextmanager
async def calling(here: McpHere) -> AsyncIterator[McpServer]:
    def changed() -> None:
        pass

    async with listening(here), asyncio.timeout(15 * PATIENCE):
        url = f"http://127.0.0.1:{here.port}/mcp"
        called = McpServer(url, {}, is_near=True, client=make_client, changed=changed)
        try:
            yield called
        finally:
            await called.aclose()


async def test_all_calls_that_a_new_start_of_the_server_meets_are_made_again() -> None:
    class Restarted(McpHere):
        """Answers the first of two calls of a session that it forgot, and the other when it was greeted."""

        def __init__(self) -> None:
            super().__init__()
            self.met = asyncio.Barrier(2)
            self.greeted = asyncio.Event()

        async def answer(
            self, verb: str, asked: dict[str, Any], headers: dict[str, str]
        ) -> tuple[int, str, bytes, str]:
            answer = await super().answer(verb, asked, headers)
            if asked.get("method") == "initialize":
                self.greeted.set()
            elif answer[0] == 404 and verb == "POST" and await self.met.wait():
                await self.greeted.wait()
            return answer

    here = Restarted()
    async with calling(here) as called:
        await called.open()
        await here.listens.wait()
        here.greeted.clear()
        here.sessions.clear()
        answers = await asyncio.gather(*(called.call("add", {"numbers": [number]}) for number in (1, 2)))
        assert [answer.to_header()["json"] for answer in answers] == [{"sum": 1}, {"sum": 2}]
