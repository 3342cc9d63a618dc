"""Streamed tools of the toolkit ``dataset``: rows in and out as Arrow, a chunk a pull; watching a table."""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Final

from runtime.errors import InvalidRequest
from runtime.rooms.built_in.database import cells, forms, reading
from runtime.rooms.built_in.database.arrow.reading import read_schema, read_stream
from runtime.rooms.built_in.database.arrow.writing import MIME_TYPE, write_stream
from runtime.rooms.built_in.database.database import Database
from runtime.rooms.built_in.tables import catalog, rows, search
from runtime.rooms.built_in.tables.catalog import TableName
from runtime.rooms.built_in.tables.column import Column, ColumnType
from runtime.rooms.built_in.tables.search import Search
from runtime.rooms.request import Request
from runtime.rooms.streams import ServerStream
from runtime.wire.content import BinaryContent, Content, JsonContent

CHUNK_ROWS: Final = 1024
LEAST_POLL_S, MOST_POLL_S = 0.2, 60.0
_DATA: Final = {"kind": "data", "content_type": MIME_TYPE}


class DatasetStreams:
    """Those tools, over the same tables.

    Args:
        max_bytes: What one stream may write.
    """

    def __init__(self, database: Database, *, max_bytes: int) -> None:
        self._database = database
        self._max_bytes = max_bytes

    def streams(self) -> dict[str, Callable[[ServerStream], Awaitable[None]]]:
        """Handlers by full name."""
        return {
            "dataset.create_table": self._create_table,
            "dataset.insert": self._insert,
            "dataset.merge": self._merge,
            "dataset.search": self._search,
            "dataset.watch_table": self._watch,
        }

    # ---- writing

    async def _create_table(self, stream: ServerStream) -> None:
        start, data = await _start(stream)
        name = reading.table(start, "alter", key="name")
        schema = await self._database.file.beside(partial(read_schema, data)) if data else None
        given_schema, given = await self._rows(stream)
        await self._database.create(start, name, schema or given_schema, given)

    async def _insert(self, stream: ServerStream) -> None:
        start, _ = await _start(stream)
        name, bounds = reading.table(start, "write"), self._database.bounds
        _, given = await self._rows(stream)
        await self._database.file.write(lambda file: rows.insert(file, name, given, bounds))

    async def _merge(self, stream: ServerStream) -> None:
        start, _ = await _start(stream)
        name, on, bounds = reading.table(start, "write"), start.text("on"), self._database.bounds
        _, given = await self._rows(stream)
        await self._database.file.write(lambda file: rows.merge(file, name, on, given, bounds))

    async def _rows(self, stream: ServerStream) -> tuple[dict[str, ColumnType] | None, forms.Rows]:
        """All rows that the client has, and their columns where it says."""
        found: forms.Rows = []
        schema = None
        async for chunk in stream.pulled(max_bytes=self._max_bytes):
            if isinstance(chunk, BinaryContent):
                told, given = await self._database.file.beside(partial(read_stream, chunk.data))
                schema = schema or told
                found += given
            else:
                found += await self._database.file.beside(partial(_json_rows, chunk))
        return schema, found

    # ---- reading

    async def _search(self, stream: ServerStream) -> None:
        asked = reading.asked_search(await _read_start(stream))
        begun = await self._database.read(asked.name, lambda file: search.begin(file, asked))
        names, types = _named(begun.columns)
        sent = False

        def chunk(file: sqlite3.Connection) -> bytes | None:
            found = search.page(file, begun, CHUNK_ROWS)
            # Without a single chunk the client would not know the columns.
            return write_stream(names, types, found) if found or not sent else None

        while await stream.receive() is not None:
            data = await self._database.read(asked.name, chunk)
            if data is None:
                return
            stream.send(_DATA, data)
            sent = True

    async def _watch(self, stream: ServerStream) -> None:
        """All rows, then each change of them, until the client has enough."""
        start = await _read_start(stream)
        name, wanted = reading.table(start, "read"), start.arguments.get("poll_interval_seconds")
        pause_s = float(wanted) if isinstance(wanted, int | float) else LEAST_POLL_S
        pause_s = max(LEAST_POLL_S, min(pause_s, MOST_POLL_S))
        table = await self._database.read(name, lambda file: catalog.get(file, name))
        seen = table.version
        begun = await self._database.read(name, lambda file: search.begin(file, Search(name, version=seen)))
        names, types = _named(begun.columns)

        def chunk(file: sqlite3.Connection) -> bytes | None:
            found = search.page(file, begun, CHUNK_ROWS)
            return write_stream(names, types, found) if found else None

        while await stream.receive() is not None:
            data = await self._database.read(name, chunk)
            if data is None:
                break
            stream.send({"kind": "data", "phase": "initial", "version": seen}, data)
        else:
            return
        stream.send_json({"kind": "ready", "phase": "initial", "version": seen})
        while await stream.receive() is not None:
            seen = await self._next_change(stream, name, seen, pause_s)
            if seen == 0:
                return

    async def _next_change(self, stream: ServerStream, name: TableName, seen: int, pause_s: float) -> int:
        """Wait for a change and send it; the version that is seen now, or 0 when the client has enough."""
        while True:
            now, parts = await self._database.read(name, partial(_changes, name=name, seen=seen))
            for number, (kind, data) in enumerate(parts):
                headers = {"kind": "data", "phase": "delta", "change_type": kind}
                stream.send({**headers, "begin_version": seen, "end_version": now}, data)
                if number + 1 < len(parts) and await stream.receive() is None:
                    return 0
            if parts:
                return now
            seen = now
            if await stream.ended_within(pause_s):
                return 0


def _changes(file: sqlite3.Connection, name: TableName, seen: int) -> tuple[int, list[tuple[str, bytes]]]:
    """What was added and deleted since a version, as Arrow, and the version that it is of now."""
    table = catalog.get(file, name)
    names, types = _named(list(table.columns.values()))
    parts = []
    if table.version != seen:
        for kind, found in search.changes(file, table, seen):
            if found:
                parts.append((kind, write_stream(names, types, found)))
    return table.version, parts


def _named(columns: Sequence[Column]) -> tuple[list[str], list[ColumnType]]:
    return [column.name for column in columns], [column.type for column in columns]


async def _start(stream: ServerStream) -> tuple[Request, bytes]:
    """The first chunk, which is of Arrow, or of JSON."""
    stream.accept()
    chunk = await stream.receive()
    match chunk:
        case BinaryContent(headers={"kind": "start"} as told, data=data):
            return stream.request(told), data
        case JsonContent(json={"kind": "start"} as told):
            return stream.request(told), b""
    raise InvalidRequest(f"{stream.name} begins with a chunk of kind 'start'")


async def _read_start(stream: ServerStream) -> Request:
    return (await _start(stream))[0]


def _json_rows(chunk: Content) -> forms.Rows:
    match chunk:
        case JsonContent(json={"rows": list(given)}):
            found = []
            for row in given:
                listed = row.get("columns") if isinstance(row, dict) else None
                if not isinstance(listed, list) or not all(isinstance(one, dict) for one in listed):
                    raise InvalidRequest("a row has columns with names and values")
                found.append({str(one.get("name")): cells.plain(one.get("value")) for one in listed})
            return found
    raise InvalidRequest("a chunk of rows is Arrow, or has rows")
