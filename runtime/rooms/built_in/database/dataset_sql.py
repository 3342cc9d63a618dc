"""Queries of the toolkit ``dataset``: asked, read chunk by chunk, and closed.

An answer is made whole, as Arrow, when it is asked for, and kept until it is closed or its asker has gone.
"""

from __future__ import annotations

import sqlite3
import uuid
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from runtime.errors import InvalidRequest, NotFound, RoomFull
from runtime.rooms.built_in.database import grants, reading
from runtime.rooms.built_in.database.arrow.kind import guessed
from runtime.rooms.built_in.database.arrow.reading import read_stream
from runtime.rooms.built_in.database.arrow.writing import MIME_TYPE, write_stream
from runtime.rooms.built_in.database.database import Database
from runtime.rooms.built_in.tables import catalog, query, statement
from runtime.rooms.built_in.tables.catalog import TableName
from runtime.rooms.built_in.tables.query import Source
from runtime.rooms.connection import Peer
from runtime.rooms.request import Handlers, Outcome, Request
from runtime.rooms.streams import ServerStream
from runtime.wire.content import BinaryContent, EmptyContent, JsonContent

MAX_OPEN: Final = 16
"""Answers that one participant may have open."""
CHUNK_ROWS: Final = 1024
TAKE_BYTES: Final = frozenset(
    {
        "dataset.add_columns",
        "dataset.execute_sql",
        "dataset.open_sql_query",
        "dataset.execute_sql_statement",
    }
)
"""Tools of the toolkit that are called with bytes."""


@dataclass(slots=True)
class _Answer:
    """An answer that is kept: its columns as a stream, and its rows in chunks."""

    peer: Peer
    schema: bytes
    chunks: deque[bytes]
    size: int


class DatasetSql:
    """Those tools, over the room's tables."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._answers: dict[str, _Answer] = {}
        self._opening: Counter[str] = Counter()  # by participant

    def tools(self) -> Handlers:
        """Handlers of the plain tools by full name."""
        return {
            "dataset.execute_sql": self._execute,
            "dataset.open_sql_query": self._open,
            "dataset.execute_sql_statement": self._statement,
            "dataset.close_sql_query": self._close,
            "dataset.cancel_sql_query": self._cancel,
        }

    def leave(self, peer: Peer) -> None:
        """Forget the answers of a participant."""
        for key, answer in list(self._answers.items()):
            if answer.peer is peer:
                self._forget(key)

    async def read(self, stream: ServerStream) -> None:
        """Streamed tool ``read_sql_query``."""
        stream.accept()
        chunk = await stream.receive_binary("start")
        answer = self._answer(stream.request({} if chunk is None else chunk.headers))
        while await stream.receive() is not None:
            if not answer.chunks:
                return
            stream.send({"kind": "data", "content_type": MIME_TYPE}, answer.chunks.popleft())

    async def _execute(self, request: Request) -> Outcome:
        if statement.is_query(request.text("query")):
            return await self._open(request)
        return JsonContent({"kind": "statement", "rows_affected": await self._changed(request)})

    async def _open(self, request: Request) -> Outcome:
        peer = request.peer
        mine = sum(answer.peer is peer for answer in self._answers.values()) + self._opening[peer.id]
        if mine >= MAX_OPEN:
            raise RoomFull(f"a participant may have {MAX_OPEN} queries open", cure="Close some.")
        self._opening[peer.id] += 1
        try:
            return await self._opened(request)
        finally:
            self._opening[peer.id] -= 1
            self._opening += Counter()  # without those that are at zero

    async def _opened(self, request: Request) -> Outcome:
        peer = request.peer
        text = request.text("query")
        said = request.arguments.get("tables")
        sources = reading.sources(request) if said else await self._named(request, text)
        schema, chunks = await self._database.query(
            sources, lambda file: self._made(file, text, sources, _values(request.data))
        )
        key = uuid.uuid4().hex
        answer = self._answers[key] = _Answer(peer, schema, chunks, sum(map(len, chunks)))
        peer.held.grow(answer.size)
        if peer.is_gone:
            self.leave(peer)
        return BinaryContent({"kind": "query", "query_id": key}, schema)

    async def _named(self, request: Request, text: str) -> list[Source]:
        """The tables of the namespace that may be read and stand in the query: it says no tables itself."""
        claims = request.peer.participant.claims
        space = TableName.read("t", request.arguments.get("namespace")).namespace
        names = await self._database.file.read(lambda file: catalog.listed(file, space), list[TableName])
        spoken, readable = text.lower(), [name for name in names if grants.allows(claims, name, "read")]
        found = [Source(name) for name in readable if name.name.lower() in spoken]
        if len(found) > reading.MAX_SOURCES:
            raise InvalidRequest(
                f"the query may mean any of {len(found)} tables", cure="Name those that it reads in 'tables'."
            )
        return found or [Source(name) for name in readable[:1]]

    def _made(
        self, file: sqlite3.Connection, text: str, sources: list[Source], values: Mapping[str, Any] | None
    ) -> tuple[bytes, deque[bytes]]:
        bounds, size = self._database.bounds, 0
        with query.answered(file, text, sources, values, bounds) as answer:
            rows = []
            for row in answer.rows:
                rows.append(row)
                size += sum(len(value) if isinstance(value, str | bytes | list) else 8 for value in row)
                if size > bounds.max_result_bytes:
                    raise reading.too_large(bounds)
            names = list(answer.names)
            types = [guessed([row[at] for row in rows], known) for at, known in enumerate(answer.types)]
        if len(set(names)) != len(names):
            raise InvalidRequest("two columns of the answer have one name", cure="Name them with AS.")
        parts = [rows[at : at + CHUNK_ROWS] for at in range(0, len(rows), CHUNK_ROWS)] or [[]]
        return write_stream(names, types), deque(write_stream(names, types, part) for part in parts)

    async def _statement(self, request: Request) -> Outcome:
        return JsonContent({"rows_affected": await self._changed(request)})

    async def _changed(self, request: Request) -> int:
        """Do what a statement says, if the token allows it for the table that it changes."""
        text = request.text("query")
        said = request.arguments.get("tables")
        sources = reading.sources(request) if said else await self._named(request, text)
        read, bounds = statement.read_statement(text), self._database.bounds
        grants.need(request.peer.participant.claims, statement.target(read, sources), "write")
        data = request.data
        return await self._database.file.write(
            lambda file: statement.run(file, read, sources, _values(data), bounds)
        )

    async def _close(self, request: Request) -> Outcome:
        self._answer(request)
        self._forget(request.text("query_id"))
        return EmptyContent()

    async def _cancel(self, request: Request) -> Outcome:
        self._answer(request)
        self._forget(request.text("query_id"))
        return JsonContent({"status": "cancelled"})

    def _answer(self, request: Request) -> _Answer:
        answer = self._answers.get(request.text("query_id"))
        if answer is None or answer.peer is not request.peer:
            raise NotFound("there is no such query", cure="It was closed, or never opened.")
        return answer

    def _forget(self, key: str) -> None:
        answer = self._answers.pop(key)
        answer.peer.held.grow(-answer.size)


def _values(data: bytes) -> dict[str, Any] | None:
    """What stands for ``$name``, and by its place for ``$1``: the first row of a stream."""
    if not data:
        return None
    schema, rows = read_stream(data)
    first = rows[0] if rows else dict.fromkeys(schema)
    placed = {str(place): value for place, value in enumerate(first.values(), start=1)}
    return {**placed, **first}
