"""``GET /events``: everything that happens to sessions, as server-sent events that can be resumed.

A reader costs a cursor, no queue.  One that does not read blocks in its own socket; when it has then missed
events and still does not move, it is cut, and finds out from `events.missed` when it comes back.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, Final, Protocol

import msgspec
from msgspec import UNSET
from quart import Blueprint, Response, json, request

from runtime.front.http.contract import also, asks, belongs, heeds
from runtime.front.http.exchange import cut_of
from runtime.front.http.refusal import Refusal
from runtime.front.openapi.shapes.webhooks import EventsQuery, ResumeHeaders
from runtime.front.state import Front, caller
from runtime.logs import get_logger
from runtime.session.feed import FeedEvent

EVENT_STREAM: Final = "text/event-stream"
HEARTBEAT_S: Final = 15.0
STALL_S: Final = 5.0
"""How long a reader may stand still once it has missed something."""
_log = get_logger("events")


class Numbered(Protocol):
    """One entry of a source."""

    @property
    def seq(self) -> int: ...


class Source(Protocol):
    """The newest of what is told, numbered: the feed, or what is made of it."""

    @property
    def first(self) -> int:
        """Number of the oldest entry that is kept."""
        ...

    def after(self, cursor: int, *, limit: int = 100) -> Sequence[Numbered]:
        """Up to `limit` kept entries numbered above `cursor`."""
        ...


class Reader(msgspec.Struct, eq=False):
    """One open stream, of what a source tells after a number."""

    source: Source
    cursor: int
    cut: Callable[[], None]
    sending_since: float | None = None


class Readers:
    """All open streams, bounded in number."""

    def __init__(self, front: Front) -> None:
        self._front = front
        self._open: set[Reader] = set()

    @property
    def count(self) -> int:
        """Open streams."""
        return len(self._open)

    def check(self) -> None:
        """Refuse one more stream when there are too many."""
        if len(self._open) >= self._front.settings.max_subscribers:
            raise Refusal(
                "too_many_readers",
                f"{len(self._open)} readers are following events, which is the most this server takes.",
                headers={"Retry-After": "5"},
            )

    def enter(self, reader: Reader) -> None:
        """The stream begins."""
        self._open.add(reader)

    def leave(self, reader: Reader) -> None:
        """The stream is over."""
        self._open.discard(reader)

    def cut_stalled(self) -> int:
        """End every stream that missed events and does not read; how many there were."""
        now = self._front.clock.now()
        stalled = [
            reader
            for reader in self._open
            if reader.sending_since is not None
            and now - reader.sending_since >= STALL_S
            and reader.cursor < reader.source.first - 1
        ]
        for reader in stalled:
            self.leave(reader)
            self._front.metrics.reader_cut()
            reader.cut()
        if stalled:
            _log.warning("events.reader_cut", count=len(stalled))
        return len(stalled)

    async def watch(self) -> None:
        """Cut stalled streams for as long as the server runs."""
        while True:
            await asyncio.sleep(STALL_S / 5)
            self.cut_stalled()


def routes(front: Front, readers: Readers) -> Blueprint:
    """``/events``."""
    paths = Blueprint("events", __name__)
    belongs(paths, "events", to_operators=True)

    @paths.get("/events")
    @heeds(ResumeHeaders)
    @asks(EventsQuery)
    @also(200, "Server-sent events; resume with Last-Event-ID", EVENT_STREAM)
    async def events(query_args: EventsQuery) -> Response:
        """Everything that happens to sessions, as it happens"""
        front.access.operator(caller())
        feed = front.registry.feed
        asked = None if query_args.since is UNSET else query_args.since
        since = request.headers.get("Last-Event-ID") or asked
        readers.check()
        cursor: int | None = feed.last
        if since is not None:
            cursor = 0 if since == "0" else feed.cursor(since)
        reader = Reader(feed, cursor or feed.first - 1, cut_of(request))
        lost = since if cursor is None else None
        return stream(_stream(front, readers, reader, lost))

    return paths


def sse(kind: str, data: str, event_id: str = "") -> bytes:
    """One server-sent event; `data` has no line breaks."""
    head = f"id: {event_id}\n" if event_id else ""
    return f"{head}event: {kind}\ndata: {data}\n\n".encode(errors="replace")


def stream(pieces: AsyncIterator[bytes]) -> Response:
    """The answer that carries a stream of events."""
    answer = Response(pieces, content_type=f"{EVENT_STREAM}; charset=utf-8")
    answer.timeout = None
    return answer


async def sent(front: Front, reader: Reader, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The pieces, while it is noted since when the reader has been taking one: a stalled one is cut."""
    async for piece in pieces:
        reader.sending_since = front.clock.now()
        yield piece
        reader.sending_since = None


async def follow(
    front: Front,
    reader: Reader,
    *,
    encode: Callable[[Any], bytes],
    more: Callable[[int], Awaitable[None]],
    missed: Callable[[], AsyncIterator[bytes]],
) -> AsyncIterator[bytes]:
    """What comes after a reader's cursor, until the server closes.

    Args:
        encode: One entry of the source as it is sent.
        more: Returns once the source has an entry above a number.
        missed: What is sent when entries were missed; it may move the cursor on.
    """
    while not front.closing.is_set():
        batch = reader.source.after(reader.cursor)
        if batch and batch[0].seq > reader.cursor + 1:
            before = reader.cursor
            async for piece in sent(front, reader, missed()):
                yield piece
            if reader.cursor == before:
                reader.cursor = batch[0].seq - 1
            continue
        if not batch:
            if not await _more(front, more(reader.cursor)):
                yield b": alive\n\n"
            continue
        reader.sending_since = front.clock.now()
        yield b"".join(encode(entry) for entry in batch)
        reader.sending_since = None
        reader.cursor = batch[-1].seq


async def _stream(front: Front, readers: Readers, reader: Reader, lost: str | None) -> AsyncIterator[bytes]:
    async def missed() -> AsyncIterator[bytes]:
        yield _missed(str(reader.cursor))

    readers.enter(reader)
    try:
        yield b"retry: 1000\n\n"
        if lost is not None:
            yield _missed(lost)
        async for piece in follow(front, reader, encode=_one, more=front.registry.news, missed=missed):
            yield piece
    finally:
        readers.leave(reader)


async def _more(front: Front, news: Awaitable[None]) -> bool:
    coming = asyncio.ensure_future(news)
    closing = asyncio.ensure_future(front.closing.wait())
    try:
        done, _ = await asyncio.wait(
            {coming, closing}, timeout=HEARTBEAT_S, return_when=asyncio.FIRST_COMPLETED
        )
        return bool(done)
    finally:
        for task in (coming, closing):
            task.cancel()


def _one(event: FeedEvent) -> bytes:
    return sse(event.kind, json.dumps(event.data, ensure_ascii=False), event.id)


def _missed(since: str) -> bytes:
    return sse("events.missed", json.dumps({"type": "events.missed", "since": since[:64]}))
