"""Streamable HTTP: each request is a POST, answered by JSON or by events.

A GET brings what the server says by itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, Any, Final

from runtime.errors import RemoteProtocolError, RuntimeServiceError
from runtime.services.life.mcp.http import (
    EVENTS,
    Forgotten,
    McpHttp,
    events_of,
    is_stream,
    read_message,
    too_large,
)
from runtime.services.life.mcp.link import Hear
from runtime.wire.internet.mcp import TOOLS_CHANGED

if TYPE_CHECKING:
    from runtime.services.life.mcp.http import Answer

CLOSE_S: Final = 2.0
MAX_SAID_BYTES: Final = 1 << 20
"""Of one event that answers nothing."""
_SESSION: Final = "mcp-session-id"
_PASSES: Final = (409, 429)
"""One of ours is still there, as it seems to the server; or there are too many."""


class Streamable:
    """A `runtime.services.life.mcp.link.Link`.  Its session begins with the first answer.

    Args:
        hear: Is given what the server says besides answers.
    """

    def __init__(self, http: McpHttp, hear: Hear) -> None:
        self._http, self._hear = http, hear
        self._greeted: dict[str, str] = {}
        self._was_heard = False

    async def ask(self, said: bytes, number: int, *, most_bytes: int) -> dict[str, Any]:
        sent = self._greeted  # meanwhile another request may learn that it is over
        answer = await self._post(said)
        try:
            if answer.status_code != 200:
                raise self._refusal(answer, sent)
            if not sent and (session := answer.headers.get(_SESSION)):
                self._greeted = {_SESSION: session}
            async with aclosing(_messages(answer, most_bytes)) as messages:
                async for found in messages:
                    if "method" in found:
                        self._hear(found)
                    elif found.get("id") == number or (found.get("id") is None and "error" in found):
                        return found
            raise RemoteProtocolError("it ended its answer before there was one")
        finally:
            await answer.aclose()

    def agree(self, spoken: str) -> None:
        self._greeted["mcp-protocol-version"] = spoken

    async def tell(self, said: bytes) -> None:
        answer = await self._post(said)
        await answer.aclose()

    async def listen(self) -> bool:
        sent = self._greeted
        if _SESSION not in sent:
            return False
        async with self._http.told():
            answer = await self._http.send("GET", {**sent, "accept": EVENTS})
            try:
                status = answer.status_code
                if 400 <= status < 500 and status != 404 and status not in _PASSES:
                    return False
                if status != 200:
                    raise self._refusal(answer, sent)
                if not is_stream(answer):
                    return False
                if self._was_heard:  # what was said in between nobody knows
                    self._hear({"method": TOOLS_CHANGED})
                self._was_heard = True
                async with aclosing(events_of(answer, most_bytes=MAX_SAID_BYTES)) as events:
                    async for event in events:
                        if "method" in (found := await read_message(event.data)):
                            self._hear(found)
            finally:
                await answer.aclose()
        return True

    def drop(self) -> None:
        self._greeted = {}

    async def aclose(self) -> None:
        if _SESSION in self._greeted:
            with suppress(Exception):  # it ends for us either way
                async with asyncio.timeout(CLOSE_S):
                    answer = await self._http.send("DELETE", self._greeted)
                    await answer.aclose()

    async def _post(self, said: bytes) -> Answer:
        more = {"content-type": "application/json", "accept": f"application/json, {EVENTS}"}
        return await self._http.send("POST", {**self._greeted, **more}, body=said)

    def _refusal(self, answer: Answer, sent: Mapping[str, str]) -> RuntimeServiceError:
        if answer.status_code == 404 and _SESSION in sent:
            return Forgotten()
        return self._http.refusal(answer)


async def _messages(answer: Answer, most_bytes: int) -> AsyncGenerator[dict[str, Any]]:
    """What an answer says, which has so many bytes at most as a whole."""
    count = 0
    if is_stream(answer):
        async with aclosing(events_of(answer, most_bytes=most_bytes)) as events:
            async for event in events:
                count += len(event.data)
                if count > most_bytes:
                    raise too_large(most_bytes)
                yield await read_message(event.data)
        return
    whole = bytearray()
    async for piece in answer.aiter_raw():
        whole += piece
        if len(whole) > most_bytes:
            raise too_large(most_bytes)
    yield await read_message(bytes(whole))
