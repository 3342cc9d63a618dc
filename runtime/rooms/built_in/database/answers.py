"""Answers of queries that participants have open: made whole, as Arrow, read chunk by chunk, and closed."""

from __future__ import annotations

import uuid
from collections import Counter, deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import msgspec

from runtime.errors import InvalidRequest, NotFound, RoomFull
from runtime.rooms.built_in.database.arrow.writing import MIME_TYPE, write_stream
from runtime.rooms.built_in.tables.column import ColumnType
from runtime.rooms.connection import Peer
from runtime.rooms.request import Outcome, Request
from runtime.rooms.streams import ServerStream
from runtime.wire.content import EmptyContent, JsonContent

MAX_OPEN: Final = 16
"""Answers that one participant may have open, of each toolkit."""
CHUNK_ROWS: Final = 1024


class Written(msgspec.Struct):
    """An answer as Arrow.

    Attributes:
        schema: Its columns, as a stream without rows.
        chunks: Its rows, each as a stream; one at least.
    """

    schema: bytes
    chunks: deque[bytes]

    @classmethod
    def of(cls, names: Sequence[str], types: Sequence[ColumnType], rows: Sequence[Sequence[Any]]) -> Written:
        """Write it.  Raises InvalidRequest."""
        if len(set(names)) != len(names):
            raise InvalidRequest("two columns of the answer have one name", cure="Name them with AS.")
        parts = [rows[at : at + CHUNK_ROWS] for at in range(0, len(rows), CHUNK_ROWS)] or [[]]
        return cls(write_stream(names, types), deque(write_stream(names, types, part) for part in parts))

    @property
    def size(self) -> int:
        """Bytes that it takes."""
        return sum(map(len, self.chunks))


class _Open(msgspec.Struct):
    peer: Peer
    written: Written
    size: int


class Answers:
    """Those that are open, by id."""

    def __init__(self) -> None:
        self._open: dict[str, _Open] = {}
        self._opening: Counter[str] = Counter()  # by participant

    def leave(self, peer: Peer) -> None:
        """Forget the answers of a participant."""
        for key, answer in list(self._open.items()):
            if answer.peer is peer:
                self._forget(key)

    @asynccontextmanager
    async def room_for(self, peer: Peer, count: int = 1) -> AsyncIterator[None]:
        """Answers of this participant that are being made.  Raises RoomFull."""
        mine = sum(answer.peer is peer for answer in self._open.values()) + self._opening[peer.id]
        if mine + count > MAX_OPEN:
            raise RoomFull(f"a participant may have {MAX_OPEN} queries open", cure="Close some.")
        self._opening[peer.id] += count
        try:
            yield
        finally:
            self._opening[peer.id] -= count
            self._opening += Counter()  # without those that are at zero

    def keep(self, peer: Peer, written: Written) -> str:
        """Keep an answer for who asked; its id."""
        key = uuid.uuid4().hex
        answer = self._open[key] = _Open(peer, written, written.size)
        peer.held.grow(answer.size)
        if peer.is_gone:
            self.leave(peer)
        return key

    async def read(self, stream: ServerStream, headers: dict[str, Any] | None = None) -> None:
        """Streamed tool ``read_sql_query``.

        Args:
            headers: Of each chunk.
        """
        stream.accept()
        chunk = await stream.receive_binary("start")
        answer = self._answer(stream.request({} if chunk is None else chunk.headers))
        await sent(stream, answer.written, headers)

    async def close(self, request: Request) -> Outcome:
        """Tool ``close_sql_query``."""
        self._answer(request)
        self._forget(request.text("query_id"))
        return EmptyContent()

    async def cancel(self, request: Request) -> Outcome:
        """Tool ``cancel_sql_query``."""
        self._answer(request)
        self._forget(request.text("query_id"))
        return JsonContent({"status": "cancelled"})

    def _answer(self, request: Request) -> _Open:
        answer = self._open.get(request.text("query_id"))
        if answer is None or answer.peer is not request.peer:
            raise NotFound("there is no such query", cure="It was closed, or never opened.")
        return answer

    def _forget(self, key: str) -> None:
        answer = self._open.pop(key)
        answer.peer.held.grow(-answer.size)


async def sent(stream: ServerStream, written: Written, headers: dict[str, Any] | None = None) -> None:
    """Send an answer, a chunk for each pull."""
    while await stream.receive() is not None:
        if not written.chunks:
            return
        stream.send(headers or {"kind": "data", "content_type": MIME_TYPE}, written.chunks.popleft())
