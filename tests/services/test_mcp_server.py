"""A session with an MCP server that is started again, refuses for a while, or says nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from runtime.errors import RoomError
from runtime.front.model.provider import make_client
from runtime.services.life.mcp import server
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


@pytest.mark.parametrize("is_met_by_a_call", [False, True])
async def test_what_a_server_says_is_heard_again_once_it_greets(
    is_met_by_a_call: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "AGAIN_S", 0.01)

    class Slow(McpHere):
        """When it is started again it is not ready at first."""

        refused = 0

        async def answer(
            self, verb: str, asked: dict[str, Any], headers: dict[str, str]
        ) -> tuple[int, str, bytes, str]:
            if asked.get("method") == "initialize" and self.refused < 2:
                self.refused += 1
                return 503, "text/plain", b"", ""
            return await super().answer(verb, asked, headers)

    here = Slow()
    here.refused = 2
    async with calling(here) as called:
        await called.open()
        await here.listens.wait()
        here.listens.clear()
        here.refused = 0
        here.sessions.clear()
        if is_met_by_a_call:
            with pytest.raises(RoomError, match="answered 503"):
                await called.tools()
        else:
            for writer in here.streams.values():
                writer.close()
        await here.listens.wait()
        assert here.refused == 2


async def test_a_session_that_ends_while_it_begins_is_an_error_of_the_room() -> None:
    here = McpHere()
    here.is_older, here.told_path = True, "messages?session=another"
    async with calling(here) as called:
        with pytest.raises(RoomError, match="ended the session that it was to begin"):
            await called.open()


async def test_a_server_that_never_answers_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "OPEN_S", 0.2)

    class Silent(McpHere):
        async def stream(self, reader: asyncio.StreamReader, *_: Any) -> None:
            await reader.read()

    here = Silent()
    here.is_older = True
    async with calling(here) as called:
        with pytest.raises(RoomError, match=r"did not answer within 0\.2 s"):
            await called.open()
