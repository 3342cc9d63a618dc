"""Streamed tools of the toolkit ``database`` (0.35): rows in and out, a chunk for each pull.

Chunks are JSON with typed cells.  Nothing is written before the client has closed its side, so one that goes
away in the middle leaves no half table.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final

from runtime.errors import InvalidRequest
from runtime.rooms.built_in.database import forms, reading
from runtime.rooms.built_in.database.database import Database
from runtime.rooms.built_in.tables import query, rows, search
from runtime.rooms.built_in.tables.column import read_schema
from runtime.rooms.request import Request
from runtime.rooms.streams import ServerStream
from runtime.wire.content import JsonContent

CHUNK_ROWS: Final = 128


class StreamedDatabase:
    """Those tools, over the same tables."""

    def __init__(self, database: Database, *, max_bytes: int) -> None:
        self._database = database
        self._max_bytes = max_bytes

    def streams(self) -> dict[str, Callable[[ServerStream], Awaitable[None]]]:
        """Handlers by full name."""
        return {
            "database.create_table": self._create_table,
            "database.insert": self._insert,
            "database.merge": self._merge,
            "database.search": self._search,
            "database.sql": self._sql,
        }

    async def _create_table(self, stream: ServerStream) -> None:
        start = await _start(stream)
        name, fields = reading.table(start, "alter", key="name"), start.arguments.get("fields")
        schema = None if fields is None else read_schema(fields)
        await self._database.create(start, name, schema, await self._rows(stream))

    async def _insert(self, stream: ServerStream) -> None:
        start = await _start(stream)
        name, bounds = reading.table(start, "write"), self._database.bounds
        given = await self._rows(stream)
        await self._database.file.write(lambda file: rows.insert(file, name, given, bounds))

    async def _merge(self, stream: ServerStream) -> None:
        start = await _start(stream)
        name, on, bounds = reading.table(start, "write"), start.text("on"), self._database.bounds
        given = await self._rows(stream)
        await self._database.file.write(lambda file: rows.merge(file, name, on, given, bounds))

    async def _rows(self, stream: ServerStream) -> forms.Rows:
        """All rows that the client has, pulled chunk by chunk."""
        found: forms.Rows = []
        async for chunk in stream.pulled(max_bytes=self._max_bytes, by_json=True):
            if not isinstance(chunk, JsonContent) or not isinstance(chunk.json, dict):
                raise InvalidRequest(f"{stream.name} takes chunks of rows as JSON")
            found += await self._database.file.beside(partial(forms.uncells_rows, chunk.json))
        return found

    async def _search(self, stream: ServerStream) -> None:
        asked = reading.asked_search(await _start(stream))
        begun = await self._database.read(asked.name, lambda file: search.begin(file, asked))
        names, types = forms.named(begun.columns)

        def chunk(file: Any) -> list[dict[str, Any]]:
            return [forms.cells_row(names, types, row) for row in search.page(file, begun, CHUNK_ROWS)]

        while await _pulled(stream):
            found = await self._database.read(asked.name, chunk)
            if not found:
                return
            stream.send_json({"kind": "rows", "rows": found})

    async def _sql(self, stream: ServerStream) -> None:
        start = await _start(stream)
        sources, text = reading.sources(start), start.text("query")
        values = forms.json_value(start.arguments.get("params_json"))
        bounds = self._database.bounds

        def answer(file: Any) -> tuple[list[dict[str, Any]], int]:
            found, size = [], 0
            with query.answered(file, text, sources, values, bounds) as answer:
                for row in answer.rows:
                    found.append(forms.cells_row(answer.names, answer.types, row))
                    size += len(json.dumps(found[-1]))
                    if size > bounds.max_result_bytes:
                        raise reading.too_large(bounds)
            return found, size

        found, size = await self._database.query(sources, answer)
        stream.hold(size)
        while await _pulled(stream) and found:
            stream.send_json({"kind": "rows", "rows": found[:CHUNK_ROWS]})
            found = found[CHUNK_ROWS:]


async def _start(stream: ServerStream) -> Request:
    stream.accept()
    return await stream.start_json()


async def _pulled(stream: ServerStream) -> bool:
    return await stream.receive() is not None
