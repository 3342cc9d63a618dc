"""Rows of the toolkit ``sqlite``: tables made, rows added and looked for, as streams of Arrow."""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable, Mapping
from functools import partial

from runtime.errors import InvalidRequest
from runtime.rooms.built_in.database import forms
from runtime.rooms.built_in.database import reading as common
from runtime.rooms.built_in.database.answers import Written, sent
from runtime.rooms.built_in.database.arrow.kind import guessed
from runtime.rooms.built_in.database.arrow.reading import read_schema, read_stream
from runtime.rooms.built_in.sqlite import grants, reading, schema
from runtime.rooms.built_in.sqlite.asked import run
from runtime.rooms.built_in.sqlite.files import Databases
from runtime.rooms.built_in.sqlite.queries import DATA
from runtime.rooms.built_in.tables.column import ColumnType, infer_schema, quoted
from runtime.rooms.request import Request
from runtime.rooms.streams import ServerStream
from runtime.wire.content import BinaryContent

ALL = -1


class Rows:
    """Those tools.

    Args:
        max_bytes: What one stream may write.
    """

    def __init__(self, databases: Databases, *, max_bytes: int) -> None:
        self._databases, self._max_bytes = databases, max_bytes

    def streams(self) -> Mapping[str, Callable[[ServerStream], Awaitable[None]]]:
        """Handlers by full name."""
        return {
            "sqlite.create_table": self._create,
            "sqlite.insert": self._insert,
            "sqlite.search": self._search,
        }

    async def _create(self, stream: ServerStream) -> None:
        start, data = await _start(stream)
        name = reading.database(start)
        grants.need(start.peer.participant.claims, name, "create_table")
        _, table = reading.table(start, "alter", key="name")
        mode = start.optional_text("mode") or "create"
        await self._databases.need(name)
        told = await self._databases.beside(partial(read_schema, data)) if data else None
        given, rows = await self._given(stream)
        types = told or given or (infer_schema(rows) if rows else None)
        if types is None:
            raise InvalidRequest("a table needs a schema, or rows to tell it from")
        made = types

        def create(connection: sqlite3.Connection) -> None:
            if schema.create(connection, table, made, mode):
                schema.insert(
                    connection, table, rows, max_spilled_bytes=self._databases.bounds.max_spilled_bytes
                )

        await self._databases.write(name, create)

    async def _insert(self, stream: ServerStream) -> None:
        start, _ = await _start(stream)
        name, table = reading.table(start, "write")
        await self._databases.need(name)
        _, rows = await self._given(stream)
        await self._databases.write(
            name,
            lambda connection: schema.insert(
                connection, table, rows, max_spilled_bytes=self._databases.bounds.max_spilled_bytes
            ),
        )

    async def _given(self, stream: ServerStream) -> tuple[dict[str, ColumnType] | None, forms.Rows]:
        """All rows that the client has, and their columns where it says."""
        types, found = None, forms.Rows()
        async for chunk in stream.pulled(max_bytes=self._max_bytes):
            if not isinstance(chunk, BinaryContent):
                raise InvalidRequest(f"{stream.name} takes chunks of Arrow")
            told, rows = await self._databases.beside(partial(read_stream, chunk.data))
            types = types or told
            found += rows
        return types, found

    async def _search(self, stream: ServerStream) -> None:
        start, _ = await _start(stream)
        name, table = reading.table(start, "read")
        which, bounds = reading.chosen(start), self._databases.bounds
        select, allows = common.texts(start, "select"), reading.allowed(start, name)
        limit, offset = common.whole(start, "limit"), common.whole(start, "offset") or 0
        listed = "*" if select is None else ", ".join(map(quoted, select))
        text = (
            f"SELECT {listed} FROM {quoted(table)} WHERE {which.where} "
            f"LIMIT {ALL if limit is None else limit} OFFSET {offset}"
        )

        def found(connection: sqlite3.Connection) -> Written:
            known = schema.columns(connection, table)
            for column in select or ():
                if column not in known:
                    raise InvalidRequest(f"table {table!r} has no column {column!r:.80}")
            answer = run(connection, text, which.values, allows, bounds, changes=False)
            types = [known.get(column) for column in answer.names]
            rows = [
                [schema.shown(value, type) for value, type in zip(row, types, strict=True)]
                for row in answer.rows
            ]
            wanted = [guessed([row[at] for row in rows], type) for at, type in enumerate(types)]
            return Written.of(answer.names, wanted, rows)

        written = await self._databases.read(name, found)
        stream.hold(written.size)
        await sent(stream, written, DATA)


async def _start(stream: ServerStream) -> tuple[Request, bytes]:
    stream.accept()
    chunk = await stream.receive_binary("start")
    if chunk is None:
        raise InvalidRequest(f"{stream.name} was closed before it began")
    return stream.request(chunk.headers), chunk.data
