"""One MCP server, spoken to by streamable HTTP: each request is a POST, answered by JSON or by events.

Where it is the operator said, so any address will do; but it may not send us elsewhere.  A server that forgot
our session, as one does that was started again, is greeted anew, and asked once more.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, Any, Final, Protocol

import runtime
from runtime.errors import RemoteProtocolError, RoomError, RuntimeServiceError
from runtime.logs import get_logger
from runtime.tasks import Tasks
from runtime.wire.content import Content
from runtime.wire.internet.mcp import (
    OFFERED,
    SPOKEN,
    Events,
    McpTool,
    content_of,
    message,
    read,
    reply,
    result_of,
    tools_of,
)

if TYPE_CHECKING:
    import httpx

OPEN_S: Final = 10.0
"""For the greeting, and for each page of the list of tools."""
CALL_S: Final = 300.0
CLOSE_S: Final = 2.0
MAX_LIST_BYTES: Final = 4 << 20
MAX_ANSWER_BYTES: Final = 8 << 20
"""Of one answer, with all that the server says on the way to it."""
MAX_PAGES: Final = 64
MAX_SAID_CHARS: Final = 300
_READ_AT_ONCE_BYTES: Final = 64 << 10
_SESSION: Final = "mcp-session-id"
_log = get_logger("mcp")


class MakeClient(Protocol):
    """Makes a client that follows no redirects and has no memory; waits, so it is called in a thread."""

    def __call__(self, *, is_near: bool) -> httpx.AsyncClient:
        """For what is on this machine, or anywhere."""
        ...


class McpServer:
    """Runs in: the front's event loop.  `open` it first, `aclose` it in the end.

    Args:
        headers: Of every request.
        is_near: It is on this machine, where no proxy leads.
        client: Makes what asks it.
    """

    def __init__(self, url: str, headers: Mapping[str, str], *, is_near: bool, client: MakeClient) -> None:
        self._url, self._headers = url, dict(headers)
        self._is_near, self._make_client = is_near, client
        self._client: httpx.AsyncClient | None = None
        self._numbers = itertools.count(1)
        self._greeted: dict[str, str] = {}
        self._greeting = asyncio.Lock()
        self._tasks = Tasks(_log, "mcp.failed")

    async def open(self) -> None:
        """Greet it.

        Raises:
            RoomError: It cannot be reached, or does not speak a release of MCP that is spoken here.
        """
        self._client = await asyncio.to_thread(self._make_client, is_near=self._is_near)
        async with self._greeting:
            await self._greet()

    async def tools(self) -> list[McpTool]:
        """All that it has.

        Raises:
            RoomError: It cannot be reached, or lists none.
        """
        found: list[McpTool] = []
        cursor: dict[str, str] = {}
        for _ in range(MAX_PAGES):
            page = await self._ask("tools/list", cursor, within_s=OPEN_S, most_bytes=MAX_LIST_BYTES)
            try:
                found += tools_of(page)
            except RemoteProtocolError as error:
                raise self._strange(error) from error
            following = page.get("nextCursor")
            if not isinstance(following, str) or not following:
                return found
            cursor = {"cursor": following}
        raise RoomError(
            f"{self._named} lists its tools on more than {MAX_PAGES} pages", cure="Let it have fewer."
        )

    async def call(self, tool: str, arguments: Mapping[str, Any]) -> Content:
        """Call a tool; who is cancelled here has the server told so.

        Raises:
            ToolFailed: The tool did, in its words.
            RoomError: The server cannot be reached, or did not answer in `CALL_S`.
        """
        params = {"name": tool, "arguments": dict(arguments)}
        result = await self._ask("tools/call", params, within_s=CALL_S, most_bytes=MAX_ANSWER_BYTES)
        try:
            return await asyncio.to_thread(content_of, result)
        except RemoteProtocolError as error:
            raise self._strange(error) from error

    async def aclose(self) -> None:
        """Take leave of it, for `CLOSE_S` at most."""
        await self._tasks.aclose()
        client, self._client = self._client, None
        if client is None:
            return
        if _SESSION in self._greeted:
            with suppress(Exception):  # it ends for us either way
                async with asyncio.timeout(CLOSE_S):
                    await client.delete(self._url, headers={**self._headers, **self._greeted})
        await client.aclose()

    # ---- within

    @property
    def _named(self) -> str:
        return f"the MCP server at {self._url.partition('?')[0][:200]}"

    def _strange(self, error: RemoteProtocolError) -> RoomError:
        return RoomError(f"{self._named} cannot be understood: {error.message}", cure="See its log.")

    async def _greet(self) -> None:
        self._greeted = {}
        about = {"name": "bulkhead", "version": runtime.__version__}
        params = {"protocolVersion": OFFERED, "capabilities": {}, "clientInfo": about}
        number = next(self._numbers)
        said, greeted = await self._exchange(
            message("initialize", params, number=number), number, within_s=OPEN_S, most_bytes=MAX_LIST_BYTES
        )
        spoken = said.get("protocolVersion")
        if spoken not in SPOKEN:
            raise RoomError(
                f"{self._named} speaks MCP of {str(spoken)[:40]!r}",
                cure=f"Have it speak one of {', '.join(SPOKEN)}.",
            )
        self._greeted = {**greeted, "mcp-protocol-version": str(spoken)}
        await self._tell(message("notifications/initialized", {}))

    async def _ask(
        self, method: str, params: Mapping[str, Any], *, within_s: float, most_bytes: int
    ) -> dict[str, Any]:
        """The result of a request; asked again where the server forgot us."""
        for may_repeat in (True, False):
            greeted, number = self._greeted, next(self._numbers)
            try:
                asked = message(method, params, number=number)
                found, _ = await self._exchange(asked, number, within_s=within_s, most_bytes=most_bytes)
                return found
            except _Forgotten as error:
                if not may_repeat:
                    raise RoomError(f"{self._named} forgets its sessions", cure="See its log.") from error
            except asyncio.CancelledError:
                told = message("notifications/cancelled", {"requestId": number})
                self._tasks.spawn(self._tell(told), "mcp:cancelled")
                raise
            async with self._greeting:
                if self._greeted is greeted:
                    await self._greet()
        raise AssertionError("the second attempt returns or raises")

    async def _tell(self, said: bytes) -> None:
        """What is not answered; that it is not taken is no matter."""
        with suppress(Exception):
            async with asyncio.timeout(OPEN_S):
                answer = await self._post(said)
                await answer.aclose()

    async def _post(self, said: bytes) -> httpx.Response:
        client = self._client
        if client is None:
            raise RoomError(f"{self._named} is not called any more")
        sent = {
            **self._headers,
            **self._greeted,
            "content-type": "application/json",
            "accept": "application/json, text/event-stream",
            "accept-encoding": "identity",  # what unpacks is bounded by no length
        }
        request = client.build_request("POST", self._url, content=said, headers=sent)
        return await client.send(request, stream=True)

    async def _exchange(
        self, said: bytes, number: int, *, within_s: float, most_bytes: int
    ) -> tuple[dict[str, Any], dict[str, str]]:
        """The result of a request, and the session in which it was answered."""
        import httpx

        try:
            async with asyncio.timeout(within_s):
                answer = await self._post(said)
                try:
                    if answer.status_code != 200:
                        raise await self._refusal(answer)
                    session = answer.headers.get(_SESSION)
                    found = await self._awaited(answer, number, most_bytes)
                    return result_of(found), {_SESSION: session} if session else {}
                finally:
                    await answer.aclose()
        except TimeoutError:
            raise RoomError(
                f"{self._named} did not answer within {within_s:g} s", cure="Try again, or see its log."
            ) from None
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            told = str(error) or type(error).__name__
            raise RoomError(
                f"{self._named} cannot be reached: {told}", cure="See whether it runs."
            ) from error
        except RemoteProtocolError as error:
            raise self._strange(error) from error

    async def _refusal(self, answer: httpx.Response) -> RuntimeServiceError:
        status = answer.status_code
        if status == 404 and _SESSION in self._greeted:
            return _Forgotten()
        cure = "See its log."
        if status in (401, 403):
            cure = "Give what proves who asks among the endpoint's mcp.headers."
        elif 300 <= status < 400:
            cure = f"Write the address it names: {answer.headers.get('location', 'none')[:MAX_SAID_CHARS]}"
        elif status in (404, 405, 406) and not self._greeted:
            cure = "Look at the path; it has to speak streamable HTTP, not the older HTTP with events."
        return RoomError(f"{self._named} answered {status}", cure=cure)

    async def _awaited(self, answer: httpx.Response, number: int, most_bytes: int) -> dict[str, Any]:
        async with aclosing(self._said(answer, most_bytes)) as messages:
            async for found in messages:
                if "method" in found:
                    if "id" in found:
                        self._tasks.spawn(self._tell(reply(found)), "mcp:reply")
                elif found.get("id") == number or (found.get("id") is None and "error" in found):
                    return found
        raise RemoteProtocolError("it ended its answer before there was one")

    async def _said(self, answer: httpx.Response, most_bytes: int) -> AsyncGenerator[dict[str, Any]]:
        """The messages of an answer, as they come."""
        is_stream = answer.headers.get("content-type", "").lower().startswith("text/event-stream")
        events, whole, count = Events(), bytearray(), 0
        async for piece in answer.aiter_raw():
            count += len(piece)
            if count > most_bytes:
                raise RemoteProtocolError(f"its answer has more than {most_bytes >> 20} MiB")
            if not is_stream:
                whole += piece
                continue
            for data in events.take(piece):
                yield await _read(data)
        if not is_stream:
            yield await _read(bytes(whole))


async def _read(data: bytes) -> dict[str, Any]:
    return await asyncio.to_thread(read, data) if len(data) > _READ_AT_ONCE_BYTES else read(data)


class _Forgotten(RuntimeServiceError):
    """The server does not know our session any more."""

    code = "mcp_session_over"

    def __init__(self) -> None:
        super().__init__("the session is over")
