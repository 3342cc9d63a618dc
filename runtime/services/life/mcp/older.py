"""HTTP with events, as it was before streamable HTTP.

One GET brings all that the server says; first, where messages are posted.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import SplitResult, urljoin, urlsplit

from runtime.errors import RemoteProtocolError, RoomError, RuntimeServiceError
from runtime.services.life.mcp.http import (
    EVENTS,
    MAX_SAID_CHARS,
    Forgotten,
    McpHttp,
    events_of,
    is_stream,
    read_message,
    too_large,
)
from runtime.services.life.mcp.link import Hear
from runtime.wire.internet.mcp import ENDPOINT

if TYPE_CHECKING:
    from runtime.services.life.mcp.http import Answer

ENDPOINT_S: Final = 5.0
"""Until it has said where messages go; streams of other servers do not say that."""
MAX_EVENT_BYTES: Final = 8 << 20
_PORTS: Final = {"http": 80, "https": 443}


class Older:
    """A `runtime.services.life.mcp.link.Link`.  `open` it first.

    Args:
        hear: Is given what the server says besides answers.
    """

    def __init__(self, http: McpHttp, hear: Hear) -> None:
        self._http, self._hear = http, hear
        self._asked: dict[int, tuple[asyncio.Future[dict[str, Any]], int]] = {}
        self._endpoint: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._reading: asyncio.Task[None] | None = None

    async def open(self) -> bool:
        """Begin the session; False when this is not spoken there.

        Raises:
            RoomError: It refused us for another reason, or names an address that is not its own.
        """
        answer = await self._http.send("GET", {"accept": EVENTS})
        if answer.status_code == 200 and is_stream(answer):
            self._reading = asyncio.create_task(self._read(answer), name="mcp:events")
            try:
                async with asyncio.timeout(ENDPOINT_S):
                    await asyncio.shield(self._endpoint)
            except TimeoutError:
                self.drop()
                return False
            return True
        await answer.aclose()
        if answer.status_code in (401, 403):
            raise self._http.refusal(answer)
        return False

    async def ask(self, said: bytes, number: int, *, most_bytes: int) -> dict[str, Any]:
        awaited: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._asked[number] = awaited, most_bytes
        try:
            await self.tell(said)
            return await awaited
        finally:
            del self._asked[number]

    def agree(self, spoken: str) -> None:
        pass  # it is told nothing but messages

    async def tell(self, said: bytes) -> None:
        if self._is_over:
            raise Forgotten
        sent = {"content-type": "application/json"}
        answer = await self._http.send("POST", sent, url=self._endpoint.result(), body=said)
        await answer.aclose()
        if answer.status_code == 404:
            raise Forgotten
        if not 200 <= answer.status_code < 300:
            raise self._http.refusal(answer)

    async def listen(self) -> bool:
        if self._reading is not None:
            await asyncio.wait([self._reading])
        raise Forgotten

    def drop(self) -> None:
        if self._reading is not None:
            self._reading.cancel()

    async def aclose(self) -> None:
        self.drop()
        if self._reading is not None:
            await asyncio.wait([self._reading])

    @property
    def _is_over(self) -> bool:
        return self._reading is None or self._reading.done()

    async def _read(self, answer: Answer) -> None:
        error: RuntimeServiceError = RoomError(
            f"{self._http.named} ended its events before it answered", cure="Try again, or see its log."
        )
        try:
            async with self._http.told(), aclosing(events_of(answer, most_bytes=MAX_EVENT_BYTES)) as events:
                async for event in events:
                    if event.kind == ENDPOINT:
                        self._lead(event.data.decode(errors="replace").strip())
                    else:
                        await self._take(event.data)
        except RuntimeServiceError as failed:
            error = failed
        finally:
            _fail(self._endpoint, error)
            for awaited, _ in self._asked.values():
                _fail(awaited, error)
            await answer.aclose()

    def _lead(self, told: str) -> None:
        """Messages go there."""
        where = urljoin(self._http.url, told)
        if _origin(urlsplit(where)) != _origin(urlsplit(self._http.url)):
            raise RoomError(
                f"{self._http.named} wants its messages at {told[:MAX_SAID_CHARS]}",
                cure="Have it name a path of its own, without host and port.",
            )
        if not self._endpoint.done():
            self._endpoint.set_result(where)

    async def _take(self, data: bytes) -> None:
        found = await read_message(data)
        if "method" in found:
            self._hear(found)
            return
        number = found.get("id")
        awaited, most_bytes = self._asked.get(number, (None, 0)) if isinstance(number, int) else (None, 0)
        if awaited is None or awaited.done():
            return
        if len(data) > most_bytes:
            awaited.set_exception(too_large(most_bytes))
        else:
            awaited.set_result(found)


def _fail(awaited: asyncio.Future[Any], error: Exception) -> None:
    if not awaited.done():
        awaited.set_exception(error)
        awaited.exception()  # it may be that nobody waits any more


def _origin(url: SplitResult) -> tuple[str, str | None, int | None]:
    try:
        return url.scheme, url.hostname, url.port or _PORTS.get(url.scheme)
    except ValueError:
        raise RemoteProtocolError("the address for its messages is none") from None
