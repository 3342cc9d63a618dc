"""Logs of containers, followed: by requests and pushes in the older dialects, as a stream in the newer one.

One line is one chunk, without its end: so all releases show it well.  Nobody is sent more than it reads.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any, Final

from runtime.containers.contract import Box, Boxes
from runtime.errors import Conflict
from runtime.rooms.built_in.containers import grants
from runtime.rooms.connection import Peer
from runtime.rooms.request import Outcome, Request
from runtime.rooms.streams import ServerStream
from runtime.wire.content import EmptyContent

UNREAD_BYTES: Final = 1 << 18
"""More than this is not put behind what a participant has not read yet."""


class Logs:
    """Runs in: the front's event loop.

    Args:
        box: The container that a request names; raises what refuses it.
    """

    def __init__(self, room: str, boxes: Callable[[], Boxes], box: Callable[[Request], Box]) -> None:
        self._room, self._boxes, self._box = room, boxes, box
        self._following: dict[tuple[str, str], asyncio.Event] = {}

    async def follow(self, request: Request) -> Outcome:
        """``containers.logs`` of the older dialects: answered when it is over."""
        grants.check_logs(request.peer.participant.claims)
        key = (request.peer.id, request.text("request_id"))
        if key in self._following:
            raise Conflict("this request_id is in use")
        box, peer = self._box(request), request.peer
        lines = self._boxes().logs(self._room, box.id, follow=request.flag("follow"))
        stopped = self._following[key] = asyncio.Event()
        stopping = asyncio.create_task(stopped.wait())
        try:
            while not stopped.is_set():
                line = await _next_unless(lines, stopping)
                if line is None:
                    break
                await peer.outbox.settled(UNREAD_BYTES)
                peer.push("containers.log.chunk", {"request_id": key[1], "log": line})
        finally:
            stopping.cancel()
            self._following.pop(key, None)
            await lines.aclose()
        return EmptyContent()

    def stop(self, request: Request) -> Outcome:
        """``containers.stop_logs``; stopping what is over is harmless."""
        stopped = self._following.get((request.peer.id, request.text("request_id")))
        if stopped is not None:
            stopped.set()
        return EmptyContent()

    async def stream(self, stream: ServerStream) -> None:
        """The tool ``containers.logs``: until the log ends, or its reader leaves."""
        start = await stream.start()
        grants.check_logs(start.peer.participant.claims)
        box = self._box(start)
        lines = self._boxes().logs(self._room, box.id, follow=start.flag("follow"))
        stream.accept()
        left = asyncio.create_task(_left(stream))
        try:
            while (line := await _next_unless(lines, left)) is not None:
                await start.peer.outbox.settled(UNREAD_BYTES)
                stream.send({"channel": 1}, line.encode("utf-8", "replace"))
        finally:
            left.cancel()
            await lines.aclose()

    def leave(self, peer: Peer) -> None:
        """A participant has gone; its tasks are cancelled elsewhere."""
        for key in [key for key in self._following if key[0] == peer.id]:
            self._following.pop(key).set()


async def _left(stream: ServerStream) -> None:
    while await stream.receive() is not None:
        pass


async def _next_unless(lines: AsyncIterator[str], over: asyncio.Task[Any]) -> str | None:
    """The next line; None when there is none, or something else came first."""
    line = asyncio.ensure_future(_next(lines))
    both: set[asyncio.Future[Any]] = {line, over}
    try:
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        return line.result() if line.done() else None
    finally:
        if not line.done():
            line.cancel()
            await asyncio.gather(line, return_exceptions=True)


async def _next(lines: AsyncIterator[str]) -> str | None:
    return await anext(lines, None)
