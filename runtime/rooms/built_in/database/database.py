"""Requests ``database.*`` of the older dialects, and the plain tools of the toolkit ``database``.

Arguments are the same but for lists of entries where older releases send objects.  All work is done by the
file's threads, the writing of large answers included.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, TypeVar

from runtime.clock import iso
from runtime.errors import InvalidRequest
from runtime.rooms.built_in.database import forms, grants, reading
from runtime.rooms.built_in.tables import catalog, columns, indexes, query, rows, search, versions
from runtime.rooms.built_in.tables.bounds import TableBounds
from runtime.rooms.built_in.tables.catalog import TableName
from runtime.rooms.built_in.tables.column import ColumnType, read_schema
from runtime.rooms.built_in.tables.file import TableFile
from runtime.rooms.built_in.tables.query import Source
from runtime.rooms.request import Handlers, Outcome, Request
from runtime.wire.content import EmptyContent, JsonContent

T = TypeVar("T")
_INDEXES: Final = {
    "create_vector_index": indexes.VECTOR,
    "create_scalar_index": indexes.SCALAR,
    "create_full_text_search_index": indexes.WORDS,
}


class Database:
    """The tables of one room for its participants."""

    def __init__(self, file: TableFile) -> None:
        self._file = file

    @property
    def file(self) -> TableFile:
        """Where they are."""
        return self._file

    @property
    def bounds(self) -> TableBounds:
        """How much they may hold."""
        return self._file.bounds

    def requests(self) -> Handlers:
        """The older dialects' names."""
        return {
            **self.tools(),
            "database.create_table": self._create_table,
            "database.insert": self._insert,
            "database.merge": self._merge,
            "database.search": self._search,
            "database.sql": self._sql,
        }

    def tools(self) -> Handlers:
        """The newer dialect's plain tools."""
        return {
            "database.list_tables": self._list_tables,
            "database.inspect": self._inspect,
            "database.drop_table": self._drop_table,
            "database.update": self._update,
            "database.delete": self._delete,
            "database.count": self._count,
            "database.add_columns": self._add_columns,
            "database.alter_columns": self._alter_columns,
            "database.drop_columns": self._drop_columns,
            **{f"database.{name}": self._create_index for name in _INDEXES},
            "database.list_indexes": self._list_indexes,
            "database.drop_index": self._drop_index,
            "database.optimize": self._optimize,
            "database.list_versions": self._list_versions,
            "database.checkout": self._checkout,
            "database.restore": self._restore,
        }

    # ---- tables

    async def _list_tables(self, request: Request) -> Outcome:
        claims = request.peer.participant.claims
        grants.need_listing(claims)
        space = TableName.read("t", request.arguments.get("namespace")).namespace
        names = await self._file.read(lambda file: catalog.listed(file, space), list[TableName])
        return JsonContent({"tables": [name.name for name in names if grants.allows(claims, name, "read")]})

    async def _inspect(self, request: Request) -> Outcome:
        name = reading.table(request, "read")
        found = await self.read(name, lambda file: catalog.get(file, name))
        if request.is_tool:
            entries = forms.schema_entries((one.name, one.type) for one in found.columns.values())
            return JsonContent({"fields": entries})
        return JsonContent({"schema": {one.name: one.type.to_json() for one in found.columns.values()}})

    async def _create_table(self, request: Request) -> Outcome:
        name, given = reading.table(request, "alter", key="name"), request.arguments.get("schema")
        data = request.arguments.get("data")
        first = [] if data is None else forms.plain_rows(data, "data")
        await self.create(request, name, None if given is None else read_schema(given), first)
        return EmptyContent()

    async def create(
        self, request: Request, name: TableName, schema: dict[str, ColumnType] | None, first: forms.Rows
    ) -> None:
        """Make a table as a request says, with its first rows.  Raises PermissionDenied for rows."""
        if first:
            grants.need(request.peer.participant.claims, name, "write")
        mode, metadata = request.optional_text("mode") or "create", request.arguments.get("metadata")
        await self._file.write(
            lambda file: rows.create(file, name, schema, first, mode, self.bounds, metadata)
        )

    async def _drop_table(self, request: Request) -> Outcome:
        name, missing_ok = reading.table(request, "alter", key="name"), request.flag("ignore_missing")

        def drop(file: sqlite3.Connection) -> None:
            found = catalog.find(file, name)
            if found is not None:
                catalog.drop(file, found)
            elif not missing_ok:
                raise catalog.missing(name)

        await self._file.write(drop)
        return EmptyContent()

    # ---- rows

    async def _insert(self, request: Request) -> Outcome:
        name, given = (
            reading.table(request, "write"),
            forms.plain_rows(request.arguments.get("records"), "records"),
        )
        await self._file.write(lambda file: rows.insert(file, name, given, self.bounds))
        return EmptyContent()

    async def _merge(self, request: Request) -> Outcome:
        name, on = reading.table(request, "write"), request.text("on")
        given = forms.plain_rows(request.arguments.get("records"), "records")
        await self._file.write(lambda file: rows.merge(file, name, on, given, self.bounds))
        return EmptyContent()

    async def _update(self, request: Request) -> Outcome:
        name, where = reading.table(request, "write"), request.text("where")
        if request.is_tool:
            texts = forms.by_column(request.arguments.get("values"), "value_json")
            values = {column: forms.json_value(text) for column, text in texts.items()}
            expressions = forms.by_column(request.arguments.get("values_sql"), "expression")
        else:
            values = request.optional_object("values") or {}
            expressions = request.optional_object("values_sql") or {}
        await self._file.write(lambda file: rows.update(file, name, where, values, expressions, self.bounds))
        return EmptyContent()

    async def _delete(self, request: Request) -> Outcome:
        name, where = reading.table(request, "write"), request.text("where")
        quoted = reading.quotes_are_text(request)
        await self._file.write(
            lambda file: rows.delete(file, name, where, self.bounds, quotes_are_text=quoted)
        )
        return EmptyContent()

    # ---- reading

    async def _search(self, request: Request) -> Outcome:
        asked = reading.asked_search(request)

        def answer(file: sqlite3.Connection) -> bytes:
            begun = search.begin(file, asked)
            names, types = forms.named(begun.columns)
            return self._written(names, types, search.pages(file, begun))

        return JsonContent(None, await self.read(asked.name, answer))

    async def _count(self, request: Request) -> Outcome:
        asked = reading.asked_search(request)
        return JsonContent({"count": await self.read(asked.name, lambda file: search.count(file, asked))})

    async def _sql(self, request: Request) -> Outcome:
        sources, values = reading.sources(request), request.optional_object("params")
        text = request.text("query")

        def answer(file: sqlite3.Connection) -> bytes:
            with query.answered(file, text, sources, values, self.bounds) as answer:
                return self._written(answer.names, answer.types, answer.rows)

        return JsonContent(None, await self.query(sources, answer))

    async def query(self, sources: Sequence[Source], work: Callable[[sqlite3.Connection], T]) -> T:
        """Run what reads these tables; without any it needs no file, and there is none to ask."""
        if not sources:
            raise InvalidRequest("a query names the tables that it reads")
        return await self.read(sources[0].name, work)

    def _written(
        self, names: Sequence[str], types: Sequence[ColumnType | None], found: Iterable[Sequence[Any]]
    ) -> bytes:
        """The answer with all rows, written in the file's thread.  InvalidRequest when it is too large."""
        parts, size = [], 0
        for row in found:
            values = map(forms.plain_value, row, types)
            part = json.dumps(dict(zip(names, values, strict=True)), separators=(",", ":"), allow_nan=False)
            size += len(part) + 1
            if size > self.bounds.max_result_bytes:
                raise reading.too_large(self.bounds)
            parts.append(part)
        return ('{"type":"json","json":{"results":[' + ",".join(parts) + "]}}").encode("ascii")

    # ---- columns, indexes, versions

    async def _add_columns(self, request: Request) -> Outcome:
        name, new = reading.table(request, "alter"), reading.new_columns(request)
        await self._file.write(lambda file: columns.add(file, name, new, self.bounds))
        return EmptyContent()

    async def _alter_columns(self, request: Request) -> Outcome:
        name, new = reading.table(request, "alter"), read_schema(request.arguments.get("columns"))
        await self._file.write(lambda file: columns.alter(file, name, new, self.bounds))
        return EmptyContent()

    async def _drop_columns(self, request: Request) -> Outcome:
        name, dropped = reading.table(request, "alter"), reading.texts(request, "columns") or []
        await self._file.write(lambda file: columns.drop(file, name, dropped, self.bounds))
        return EmptyContent()

    async def _create_index(self, request: Request) -> Outcome:
        name, column = reading.table(request, "alter"), request.text("column")
        kind, again = _INDEXES[request.name.rpartition(".")[2]], request.flag("replace", default=True)
        await self._file.write(
            lambda file: indexes.create(file, name, [column], kind, replace=again), times=indexes.TIMES
        )
        return EmptyContent()

    async def _list_indexes(self, request: Request) -> Outcome:
        name = reading.table(request, "read")
        found = await self.read(name, lambda file: indexes.listed(file, name))
        listed = [{"name": one.name, "columns": list(one.columns), "type": one.kind} for one in found]
        return JsonContent({"indexes": listed})

    async def _drop_index(self, request: Request) -> Outcome:
        name, index = reading.table(request, "alter"), request.text("name")
        await self._file.write(lambda file: indexes.drop(file, name, index))
        return EmptyContent()

    async def _optimize(self, request: Request) -> Outcome:
        name = reading.table(request, "alter")
        await self._file.write(lambda file: indexes.optimize(file, name), times=indexes.TIMES)
        return EmptyContent()

    async def _list_versions(self, request: Request) -> Outcome:
        name = reading.table(request, "read")
        found = await self.read(name, lambda file: versions.listed(file, name))
        listed = []
        for one in found:
            notes: Any = {"operation": one.what, "rows": str(one.rows)}
            more = {"metadata_json": json.dumps(notes)} if request.is_tool else {"metadata": notes}
            listed.append({"version": one.number, "timestamp": iso(one.made_at), **more})
        return JsonContent({"versions": listed})

    async def _checkout(self, request: Request) -> Outcome:
        name, version = reading.table(request, "alter"), reading.whole(request, "version", least=1)
        await self._file.write(lambda file: versions.check_out(file, name, version or 0))
        return EmptyContent()

    async def _restore(self, request: Request) -> Outcome:
        name, version = reading.table(request, "alter"), reading.whole(request, "version", least=1)
        await self._file.write(lambda file: versions.restore(file, name, version or 0, self.bounds))
        return EmptyContent()

    async def read(self, name: TableName, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run what reads a table.  Raises NotFound where the room never had one."""

        def missing() -> T:
            raise catalog.missing(name)

        return await self._file.read(work, missing)
