"""Queries of the toolkit ``dataset``: asked, read chunk by chunk, and closed.

An answer is made whole, as Arrow, when it is asked for, and kept until it is closed or its asker has gone.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Any, Final

from runtime.errors import InvalidRequest
from runtime.rooms.built_in.database import grants, reading
from runtime.rooms.built_in.database.answers import Answers, Written
from runtime.rooms.built_in.database.arrow.kind import guessed
from runtime.rooms.built_in.database.arrow.reading import read_stream
from runtime.rooms.built_in.database.database import Database
from runtime.rooms.built_in.tables import catalog, query, statement
from runtime.rooms.built_in.tables.catalog import TableName
from runtime.rooms.built_in.tables.query import Source
from runtime.rooms.built_in.tables.sql.statement import is_query, read_statement
from runtime.rooms.connection import Peer
from runtime.rooms.request import Handlers, Outcome, Request
from runtime.rooms.streams import ServerStream
from runtime.wire.content import BinaryContent, JsonContent

TAKE_BYTES: Final = frozenset(
    {
        "dataset.add_columns",
        "dataset.execute_sql",
        "dataset.open_sql_query",
        "dataset.execute_sql_statement",
    }
)
"""Tools of the toolkit that are called with bytes."""


class DatasetSql:
    """Those tools, over the room's tables."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._answers = Answers()

    def tools(self) -> Handlers:
        """Handlers of the plain tools by full name."""
        return {
            "dataset.execute_sql": self._execute,
            "dataset.open_sql_query": self._open,
            "dataset.execute_sql_statement": self._statement,
            "dataset.close_sql_query": self._answers.close,
            "dataset.cancel_sql_query": self._answers.cancel,
        }

    def leave(self, peer: Peer) -> None:
        """Forget the answers of a participant."""
        self._answers.leave(peer)

    async def read(self, stream: ServerStream) -> None:
        """Streamed tool ``read_sql_query``."""
        await self._answers.read(stream)

    async def _execute(self, request: Request) -> Outcome:
        if is_query(request.text("query")):
            return await self._open(request)
        return JsonContent({"kind": "statement", "rows_affected": await self._changed(request)})

    async def _open(self, request: Request) -> Outcome:
        async with self._answers.room_for(request.peer):
            text, said = request.text("query"), request.arguments.get("tables")
            sources = reading.sources(request) if said else await self._named(request, text)
            written = await self._database.query(
                sources, lambda file: self._made(file, text, sources, _values(request.data))
            )
            key = self._answers.keep(request.peer, written)
        return BinaryContent({"kind": "query", "query_id": key}, written.schema)

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
    ) -> Written:
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
        return Written.of(names, types, rows)

    async def _statement(self, request: Request) -> Outcome:
        return JsonContent({"rows_affected": await self._changed(request)})

    async def _changed(self, request: Request) -> int:
        """Do what a statement says, if the token allows it for the table that it changes."""
        text = request.text("query")
        said = request.arguments.get("tables")
        sources = reading.sources(request) if said else await self._named(request, text)
        read, claims = read_statement(text), request.peer.participant.claims
        space = TableName.read("t", request.arguments.get("namespace")).namespace
        name = statement.target(read, sources, None if said and not read.makes else space)
        data, bounds = request.data, self._database.bounds
        if read.makes:
            grants.need(claims, name, "alter")
        if read.query or not read.makes:
            grants.need(claims, name, "write")
        return await self._database.file.write(
            lambda file: statement.run(file, read, name, sources, _values(data), bounds)
        )


def _values(data: bytes) -> dict[str, Any] | None:
    """What stands for ``$name``, and by its place for ``$1``: the first row of a stream."""
    if not data:
        return None
    schema, rows = read_stream(data)
    first = rows[0] if rows else dict.fromkeys(schema)
    placed = {str(place): value for place, value in enumerate(first.values(), start=1)}
    return {**placed, **first}
