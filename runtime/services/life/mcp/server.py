"""One MCP server: greeted, asked for its tools, and heard when it says that they changed.

Streamable HTTP is tried first, then the transport before it.  A server that forgot our session, as one does
that was started again, is greeted anew, and asked once more.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Final

import runtime
from runtime.errors import RoomError, ToolFailed
from runtime.logs import get_logger
from runtime.services.life.mcp.http import NOT_STREAMABLE, Forgotten, MakeClient, McpHttp, Refused
from runtime.services.life.mcp.link import Link
from runtime.services.life.mcp.older import Older
from runtime.services.life.mcp.streamable import Streamable
from runtime.tasks import Tasks
from runtime.wire.content import Content
from runtime.wire.internet.mcp import (
    OFFERED,
    SPOKEN,
    TOOLS_CHANGED,
    McpTool,
    content_of,
    message,
    reply,
    result_of,
    tools_of,
)

OPEN_S: Final = 10.0
"""For the greeting, and for each page of the list of tools."""
CALL_S: Final = 300.0
MAX_LIST_BYTES: Final = 4 << 20
MAX_ANSWER_BYTES: Final = 8 << 20
"""Of one answer, with all that the server says on the way to it."""
MAX_PAGES: Final = 64
MAX_REPLIES: Final = 64
"""To what the server asks, at once; more of it is left unanswered."""
AGAIN_S: Final = 1.0
"""Until what it says by itself is listened to again, when that has ended; twice as long each time."""
AGAIN_MOST_S: Final = 60.0
_log = get_logger("mcp")


class McpServer:
    """Runs in: the front's event loop.  `open` it first, `aclose` it in the end.

    Args:
        headers: Of every request.
        is_near: It is on this machine, where no proxy leads.
        client: Makes what asks it.
        changed: Called when its tools may be others than they were.
    """

    def __init__(
        self,
        url: str,
        headers: Mapping[str, str],
        *,
        is_near: bool,
        client: MakeClient,
        changed: Callable[[], None],
    ) -> None:
        self._url, self._headers = url, headers
        self._is_near, self._make_client, self._changed = is_near, client, changed
        self._http: McpHttp | None = None
        self._numbers = itertools.count(1)
        self._link: Link | None = None
        self._listening: asyncio.Task[None] | None = None
        self._greeting = asyncio.Lock()
        self._tasks = Tasks(_log, "mcp.failed")

    async def open(self) -> None:
        """Greet it.

        Raises:
            RoomError: It cannot be reached, or does not speak a release of MCP that is spoken here.
        """
        client = await asyncio.to_thread(self._make_client, is_near=self._is_near)
        self._http = McpHttp(self._url, self._headers, client)
        await self._linked()

    async def tools(self) -> list[McpTool]:
        """All that it has.

        Raises:
            RoomError: It cannot be reached, or lists none.
        """
        found: list[McpTool] = []
        cursor: dict[str, str] = {}
        for _ in range(MAX_PAGES):
            page = await self._ask("tools/list", cursor, within_s=OPEN_S, most_bytes=MAX_LIST_BYTES)
            async with self._reached.told():
                found += tools_of(page)
            following = page.get("nextCursor")
            if not isinstance(following, str) or not following:
                return found
            cursor = {"cursor": following}
        raise RoomError(
            f"{self._reached.named} lists its tools on more than {MAX_PAGES} pages", cure="Let it have fewer."
        )

    async def call(self, tool: str, arguments: Mapping[str, Any]) -> Content:
        """Call a tool; who is cancelled here has the server told so.

        Raises:
            ToolFailed: The tool did, in its words.
            RoomError: The server cannot be reached, or did not answer in `CALL_S`.
        """
        params = {"name": tool, "arguments": dict(arguments)}
        result = await self._ask("tools/call", params, within_s=CALL_S, most_bytes=MAX_ANSWER_BYTES)
        async with self._reached.told():
            return await asyncio.to_thread(content_of, result)

    async def aclose(self) -> None:
        """Take leave of it, in seconds."""
        await self._tasks.aclose()
        (link, self._link), (http, self._http) = (self._link, None), (self._http, None)
        if link is not None:
            await link.aclose()
        if http is not None:
            await http.aclose()

    # ---- within

    @property
    def _reached(self) -> McpHttp:
        if self._http is None:
            raise RoomError("the MCP server is not called any more")
        return self._http

    async def _linked(self) -> Link:
        """The session with it, which begins when there is none."""
        async with self._greeting:
            if self._link is None:
                self._link = await self._greeted()
                if self._listening is not None:
                    self._changed()  # it may be another program by now
                self._listening = self._tasks.spawn(self._listen(self._link), "mcp:listen")
            return self._link

    def _lose(self, link: Link) -> None:
        if self._link is link:
            self._link = None
            link.drop()
            if self._listening is not None and self._listening is not asyncio.current_task():
                self._listening.cancel()
                self._listening = self._tasks.spawn(self._listen(link), "mcp:listen")

    async def _greeted(self) -> Link:
        http = self._reached
        try:
            return await self._greet(Streamable(http, self._heard))
        except Refused as refused:
            if refused.status not in NOT_STREAMABLE:
                raise
            older = Older(http, self._heard)
            try:
                async with http.told(OPEN_S):
                    is_spoken = await older.open()
                if is_spoken:
                    return await self._greet(older)
            except BaseException:
                older.drop()
                raise
            raise

    async def _greet(self, link: Link) -> Link:
        http, number = self._reached, next(self._numbers)
        about = {"name": "bulkhead", "version": runtime.__version__}
        params = {"protocolVersion": OFFERED, "capabilities": {}, "clientInfo": about}
        try:
            async with http.told(OPEN_S):
                asked = message("initialize", params, number=number)
                said = result_of(await link.ask(asked, number, most_bytes=MAX_LIST_BYTES))
        except Forgotten:
            raise RoomError(
                f"{http.named} ended the session that it was to begin", cure="See its log."
            ) from None
        spoken = said.get("protocolVersion")
        if spoken not in SPOKEN:
            raise RoomError(
                f"{http.named} speaks MCP of {str(spoken)[:40]!r}",
                cure=f"Have it speak one of {', '.join(SPOKEN)}.",
            )
        link.agree(str(spoken))
        await self._tell(link, message("notifications/initialized", {}))
        return link

    async def _ask(
        self, method: str, params: Mapping[str, Any], *, within_s: float, most_bytes: int
    ) -> dict[str, Any]:
        """The result of a request; asked again where the server forgot us."""
        for _ in range(2):
            link, number = await self._linked(), next(self._numbers)
            try:
                async with self._reached.told(within_s):
                    asked = message(method, params, number=number)
                    return result_of(await link.ask(asked, number, most_bytes=most_bytes))
            except Forgotten:
                self._lose(link)
            except asyncio.CancelledError:
                told = message("notifications/cancelled", {"requestId": number})
                self._tasks.spawn(self._tell(link, told), "mcp:cancelled")
                raise
        raise RoomError(f"{self._reached.named} forgets its sessions", cure="See its log.")

    async def _tell(self, link: Link, said: bytes) -> None:
        """What is not answered; that it is not taken is no matter."""
        with suppress(Exception):
            async with asyncio.timeout(OPEN_S):
                await link.tell(said)

    def _heard(self, found: dict[str, Any]) -> None:
        """What it says besides answers."""
        if "id" in found:
            if self._link is not None and len(self._tasks) < MAX_REPLIES:
                self._tasks.spawn(self._tell(self._link, reply(found)), "mcp:reply")
        elif found["method"] == TOOLS_CHANGED:
            self._changed()

    async def _listen(self, link: Link) -> None:
        """Hear what it says by itself as long as the session goes on; then see that there is another."""
        now = asyncio.get_running_loop().time
        wait_s = AGAIN_S
        while True:
            began_at = now()
            try:
                if self._link is not link:
                    await self._linked()  # which has a listener of its own
                    return
                if not await link.listen():
                    return
            except Forgotten:
                self._lose(link)
            except (RoomError, ToolFailed):
                pass  # it is tried again
            if now() - began_at > AGAIN_MOST_S:
                wait_s = AGAIN_S
            await asyncio.sleep(wait_s)
            wait_s = min(2 * wait_s, AGAIN_MOST_S)
