"""The tables of a room."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any, Final, Literal

import msgspec

from runtime.sdk.room.exchange import RoomExchange
from runtime.sdk.room.room_exception import RoomException
from runtime.sdk.room.tables.data_type import DataType
from runtime.wire.content import EmptyContent, JsonContent

CreateMode = Literal["create", "overwrite", "create_if_not_exists"]
Row = Mapping[str, Any]
Namespace = list[str] | None
BATCH_ROWS: Final = 1000
"""Rows of one message: a large insert is several, so that other messages get their turn in between."""


class TableVersion(msgspec.Struct, frozen=True, kw_only=True):
    """A version of a table that is kept."""

    version: int
    timestamp: datetime
    metadata: dict[str, Any] = msgspec.field(default_factory=dict)


class TableIndex(msgspec.Struct, frozen=True, kw_only=True):
    """An index of a table."""

    name: str
    columns: list[str]
    type: str


class DatabaseClient:
    """What ``room.database`` is.

    A ``where`` is SQL over the row's columns (``price < 3 AND name LIKE 'b%'``), or a mapping of columns to
    what they equal.  A namespace is a list of names; in another one a name is that of another table.
    """

    def __init__(self, room: RoomExchange) -> None:
        self._room = room

    # ---- tables

    async def list_tables(self, *, namespace: Namespace = None) -> list[str]:
        """Names of the tables."""
        return [
            str(name) for name in (await self._json("list_tables", namespace=namespace)).get("tables", [])
        ]

    async def inspect(self, *, table: str, namespace: Namespace = None) -> dict[str, DataType]:
        """The table's columns.  Raises RoomException when there is no such table."""
        schema = (await self._json("inspect", table=table, namespace=namespace)).get("schema") or {}
        return {name: DataType.from_json(form) for name, form in schema.items()}

    async def create_table_with_schema(
        self,
        *,
        name: str,
        schema: Mapping[str, DataType] | None = None,
        data: Iterable[Row] | None = None,
        mode: CreateMode = "create",
        namespace: Namespace = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        """Make a table with these columns, and rows perhaps.

        Raises:
            RoomException: There is one of that name, and ``mode`` does not say what then.
        """
        await self._ask(
            "create_table",
            name=name,
            schema=None if schema is None else {column: type.to_json() for column, type in schema.items()},
            data=None if data is None else _rows(data),
            mode=mode,
            namespace=namespace,
            metadata=metadata,
        )

    async def create_table_from_data(
        self,
        *,
        name: str,
        data: Iterable[Row] | None = None,
        mode: CreateMode = "create",
        namespace: Namespace = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        """Make a table whose columns are those of the rows."""
        await self.create_table_with_schema(
            name=name, data=data, mode=mode, namespace=namespace, metadata=metadata
        )

    async def drop_table(
        self, *, name: str, ignore_missing: bool = False, namespace: Namespace = None
    ) -> None:
        """Delete a table with all its rows."""
        await self._ask("drop_table", name=name, ignore_missing=ignore_missing, namespace=namespace)

    async def add_columns(
        self, *, table: str, new_columns: Mapping[str, str | DataType], namespace: Namespace = None
    ) -> None:
        """Add columns, each with a type, or with SQL over the others."""
        new = {name: one.to_json() if isinstance(one, DataType) else one for name, one in new_columns.items()}
        await self._ask("add_columns", table=table, new_columns=new, namespace=namespace)

    async def drop_columns(self, *, table: str, columns: Sequence[str], namespace: Namespace = None) -> None:
        """Take columns away."""
        await self._ask("drop_columns", table=table, columns=list(columns), namespace=namespace)

    # ---- rows

    async def insert(self, *, table: str, records: Iterable[Row], namespace: Namespace = None) -> None:
        """Add rows; columns that a row does not name are empty.

        A thousand are sent at a time: one that does not fit fails those from its thousand on.
        """
        rows = _rows(records)
        for start in range(0, len(rows), BATCH_ROWS):
            part = rows[start : start + BATCH_ROWS]
            await self._ask("insert", table=table, records=part, namespace=namespace)

    async def update(
        self,
        *,
        table: str,
        where: str | Row,
        values: Row | None = None,
        values_sql: Mapping[str, str] | None = None,
        namespace: Namespace = None,
    ) -> None:
        """Set columns of the rows that ``where`` chooses, to values or to SQL over the row as it was."""
        await self._ask(
            "update",
            table=table,
            where=_where(where),
            values=None if values is None else _row(values),
            values_sql=values_sql,
            namespace=namespace,
        )

    async def merge(
        self, *, table: str, on: str, records: Row | Iterable[Row], namespace: Namespace = None
    ) -> None:
        """Set the columns that each row names where its ``on`` is there already, and add the other rows."""
        rows = _rows([records] if isinstance(records, Mapping) else records)
        for start in range(0, len(rows), BATCH_ROWS):
            part = rows[start : start + BATCH_ROWS]
            await self._ask("merge", table=table, on=on, records=part, namespace=namespace)

    async def delete(self, *, table: str, where: str | Row, namespace: Namespace = None) -> None:
        """Delete the rows that ``where`` chooses."""
        await self._ask("delete", table=table, where=_where(where), namespace=namespace)

    async def search(
        self,
        *,
        table: str,
        text: str | None = None,
        vector: Sequence[float] | None = None,
        where: str | Row | None = None,
        offset: int | None = None,
        limit: int | None = None,
        select: Sequence[str] | None = None,
        namespace: Namespace = None,
    ) -> list[dict[str, Any]]:
        """Rows that fit.

        Args:
            text: Words; best fit first.  With a vector too, both count.
            vector: The nearest first.
            limit: How many at most; without, all that ``where`` chooses, and ten of a ranking.
            select: Columns wanted; without, all.
        """
        found = await self._json(
            "search",
            table=table,
            text=text,
            vector=None if vector is None else list(vector),
            where=None if where is None else _where(where),
            offset=offset,
            limit=limit,
            select=None if select is None else list(select),
            namespace=namespace,
        )
        return [_shown(row) for row in found.get("results") or []]

    async def count(
        self,
        *,
        table: str,
        text: str | None = None,
        where: str | Row | None = None,
        namespace: Namespace = None,
    ) -> int:
        """How many rows fit."""
        chosen = None if where is None else _where(where)
        return int(
            (await self._json("count", table=table, text=text, where=chosen, namespace=namespace))["count"]
        )

    async def sql(
        self, *, query: str, tables: Sequence[str | Mapping[str, Any]], params: Row | None = None
    ) -> list[dict[str, Any]]:
        """Ask a query over these tables: names, or objects with ``name``, ``namespace`` and ``alias``.

        Args:
            params: For ``$name`` in the query.
        """
        named = [{"name": one} if isinstance(one, str) else dict(one) for one in tables]
        found = await self._json(
            "sql", query=query, tables=named, params=None if params is None else _row(params)
        )
        return [_shown(row) for row in found.get("results") or []]

    # ---- indexes and versions

    async def create_vector_index(
        self, *, table: str, column: str, replace: bool | None = None, namespace: Namespace = None
    ) -> None:
        """Index a column of vectors."""
        await self._index("create_vector_index", table, column, replace, namespace)

    async def create_scalar_index(
        self, *, table: str, column: str, replace: bool | None = None, namespace: Namespace = None
    ) -> None:
        """Index a column that filters compare."""
        await self._index("create_scalar_index", table, column, replace, namespace)

    async def create_full_text_search_index(
        self, *, table: str, column: str, replace: bool | None = None, namespace: Namespace = None
    ) -> None:
        """Index the words of a column."""
        await self._index("create_full_text_search_index", table, column, replace, namespace)

    async def list_indexes(self, *, table: str, namespace: Namespace = None) -> list[TableIndex]:
        """The table's indexes."""
        listed = (await self._json("list_indexes", table=table, namespace=namespace)).get("indexes") or []
        return [TableIndex(name=one["name"], columns=one["columns"], type=one["type"]) for one in listed]

    async def drop_index(self, *, table: str, name: str, namespace: Namespace = None) -> None:
        """Remove an index."""
        await self._ask("drop_index", table=table, name=name, namespace=namespace)

    async def optimize(self, *, table: str, namespace: Namespace = None) -> None:
        """Put the table's indexes in order."""
        await self._ask("optimize", table=table, namespace=namespace)

    async def list_versions(self, *, table: str, namespace: Namespace = None) -> list[TableVersion]:
        """The versions that are kept, oldest first: each change of a table makes one."""
        listed = (await self._json("list_versions", table=table, namespace=namespace)).get("versions") or []
        return [
            TableVersion(
                version=one["version"],
                timestamp=datetime.fromisoformat(one["timestamp"]),
                metadata=one.get("metadata") or {},
            )
            for one in listed
        ]

    async def checkout(self, *, table: str, version: int, namespace: Namespace = None) -> None:
        """Let the table be read as it was, by everybody, and not be changed meanwhile."""
        await self._ask("checkout", table=table, version=version, namespace=namespace)

    async def restore(self, *, table: str, version: int, namespace: Namespace = None) -> None:
        """Make a new version that is as an earlier one was."""
        await self._ask("restore", table=table, version=version, namespace=namespace)

    async def _index(
        self, kind: str, table: str, column: str, replace: bool | None, namespace: Namespace
    ) -> None:
        await self._ask(kind, table=table, column=column, replace=replace, namespace=namespace)

    async def _ask(self, kind: str, **arguments: Any) -> Any:
        return await self._room.request(f"database.{kind}", arguments)

    async def _json(self, kind: str, **arguments: Any) -> dict[str, Any]:
        content = await self._ask(kind, **arguments)
        if isinstance(content, EmptyContent):
            return {}
        if isinstance(content, JsonContent) and isinstance(content.json, dict):
            return content.json
        raise RoomException(f"the room's reply to database.{kind} is not a JSON object")


def _rows(records: Iterable[Row]) -> list[dict[str, Any]]:
    return [_row(record) for record in records]


def _row(record: Row) -> dict[str, Any]:
    return {name: _sent(value) for name, value in record.items()}


def _sent(value: Any) -> Any:
    match value:
        case bytes() | bytearray():
            return {"encoding": "base64", "data": base64.b64encode(value).decode()}
        case date():  # a moment is one, too
            return value.isoformat()
        case list() | tuple():
            return [_sent(item) for item in value]
        case Mapping():
            return _row(value)
        case _:
            return value


def _shown(row: Row) -> dict[str, Any]:
    return {
        name: base64.b64decode(value["data"])
        if isinstance(value, dict) and value.get("encoding") == "base64"
        else value
        for name, value in row.items()
    }


def _where(where: str | Row) -> str:
    if isinstance(where, str):
        return where
    return " AND ".join(f"`{name}` = {_literal(value)}" for name, value in where.items())


def _literal(value: Any) -> str:
    match value:
        case str():
            return "'" + value.replace("'", "''") + "'"
        case date():
            return f"'{value.isoformat()}'"
        case bytes():
            return f"X'{value.hex()}'"
        case _:
            return json.dumps(value)
