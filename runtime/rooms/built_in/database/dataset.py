"""The toolkit ``dataset``, by which clients from 0.37 on ask for tables.

Schemas and rows are streams of Arrow.  What only reads or changes whole tables is the older family's.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, Final

from runtime.errors import InvalidRequest, NotSupported
from runtime.rooms.built_in.database import cells, forms, reading
from runtime.rooms.built_in.database.arrow.reading import read_schema
from runtime.rooms.built_in.database.arrow.writing import write_stream
from runtime.rooms.built_in.database.database import Database
from runtime.rooms.built_in.database.dataset_sql import DatasetSql
from runtime.rooms.built_in.database.dataset_streams import DatasetStreams
from runtime.rooms.built_in.tables import catalog, columns, indexes, rows
from runtime.rooms.built_in.tables.column import ColumnType, read_name
from runtime.rooms.connection import Peer
from runtime.rooms.request import Handlers, Outcome, Request
from runtime.rooms.streams import ServerStream
from runtime.wire.content import BinaryContent, EmptyContent, JsonContent

_SHARED: Final = (
    "list_tables",
    "drop_table",
    "delete",
    "count",
    "drop_columns",
    "drop_index",
    "restore",
    "list_versions",
)
_INDEXES: Final = {*indexes.OF_VALUES, *indexes.OF_WORDS, *indexes.OF_VECTORS}
_KNOWN: Final = f"One of {', '.join(sorted(_INDEXES))}."


class Dataset:
    """Its tools, over the tables of the older family.

    Args:
        max_bytes: What one stream may write.
    """

    def __init__(self, database: Database, *, max_bytes: int) -> None:
        self._database = database
        self._file = database.file
        self._sql = DatasetSql(database)
        self._streams = DatasetStreams(database, max_bytes=max_bytes)

    def streams(self) -> Mapping[str, Callable[[ServerStream], Awaitable[None]]]:
        """Handlers of the streamed tools by full name."""
        return {**self._streams.streams(), "dataset.read_sql_query": self._sql.read}

    def leave(self, peer: Peer) -> None:
        """Forget what is kept for a participant."""
        self._sql.leave(peer)

    def tools(self) -> Handlers:
        """Handlers by full name."""
        shared = self._database.tools()
        return {
            **self._sql.tools(),
            **{f"dataset.{name}": shared[f"database.{name}"] for name in _SHARED},
            "dataset.inspect": self._inspect,
            "dataset.rename_table": self._rename,
            "dataset.update": self._update,
            "dataset.add_columns": self._add_columns,
            "dataset.create_index": self._create_index,
            "dataset.list_indexes": self._list_indexes,
            "dataset.optimize": self._optimize,
            "dataset.stats": self._stats,
            "dataset.list_branches": self._list_branches,
            "dataset.create_branch": self._no_branch,
            "dataset.delete_branch": self._no_branch,
        }

    async def _inspect(self, request: Request) -> Outcome:
        name, version = reading.table(request, "read"), reading.whole(request, "version")

        def schema(file: sqlite3.Connection) -> bytes:
            found = catalog.get(file, name, version=version)
            return write_stream(list(found.columns), [column.type for column in found.columns.values()])

        return BinaryContent({"kind": "schema"}, await self._database.read(name, schema))

    async def _rename(self, request: Request) -> Outcome:
        name = reading.table(request, "alter", key="name")
        other = reading.table(request, "alter", key="new_name")

        def rename(file: sqlite3.Connection) -> None:
            catalog.rename(file, catalog.for_writing(file, name), other)

        await self._file.write(rename)
        return EmptyContent()

    async def _update(self, request: Request) -> Outcome:
        name, where = reading.table(request, "write"), request.text("where")
        texts = forms.by_column(request.arguments.get("values"), "value_json")
        given = {column: forms.json_value(text) for column, text in texts.items()}
        expressions = {column: text for column, one in given.items() if (text := cells.expression(one))}
        values = {column: cells.plain(one) for column, one in given.items() if column not in expressions}
        bounds = self._file.bounds
        await self._file.write(
            lambda file: rows.update(file, name, where, values, expressions, bounds, quotes_are_text=False)
        )
        return EmptyContent()

    async def _add_columns(self, request: Request) -> Outcome:
        name, bounds = reading.table(request, "alter"), self._file.bounds
        new: dict[str, ColumnType | str]
        if request.data:
            new = {**await self._file.beside(partial(read_schema, request.data))}
        else:
            new = reading.new_columns(request)
        await self._file.write(lambda file: columns.add(file, name, new, bounds, quotes_are_text=False))
        return EmptyContent()

    async def _create_index(self, request: Request) -> Outcome:
        name, config = reading.table(request, "alter"), request.optional_object("config") or {}
        given, kind = config.get("column"), str(config.get("index_type", "")).upper()
        chosen: list[Any] = given if isinstance(given, list) and given else [given]
        if kind not in _INDEXES:
            raise InvalidRequest(f"there is no index of type {kind!r:.80}", cure=_KNOWN)
        index = None if config.get("name") is None else read_name(config["name"], "index")
        again = config.get("replace") is not False
        await self._file.write(
            lambda file: indexes.create(file, name, chosen, kind, index=index, replace=again),
            times=indexes.TIMES,
        )
        return EmptyContent()

    async def _list_indexes(self, request: Request) -> Outcome:
        name = reading.table(request, "read")
        found = await self._database.read(name, lambda file: indexes.listed(file, name))
        listed = [
            {
                "name": one.name,
                "columns": list(one.columns),
                "type": one.kind,
                "details_json": "{}",
                "statistics_json": "{}",
            }
            for one in found
        ]
        return JsonContent({"indexes": listed})

    async def _optimize(self, request: Request) -> Outcome:
        name = reading.table(request, "alter")
        await self._file.write(lambda file: indexes.optimize(file, name), times=indexes.TIMES)
        return JsonContent({})

    async def _stats(self, request: Request) -> Outcome:
        name = reading.table(request, "read")
        found = await self._database.read(name, lambda file: catalog.get(file, name))
        return JsonContent({"dataset_json": json.dumps({"num_rows": found.rows}), "data_json": "{}"})

    async def _list_branches(self, request: Request) -> Outcome:
        return JsonContent({"branches": [{"name": reading.MAIN}]})

    async def _no_branch(self, request: Request) -> Outcome:
        raise NotSupported("tables of this server have no branches", cure="Copy rows into another table.")
