"""Whole queries: SQL as SQLite has it, over the tables that the request names and nothing else.

The tables are put before it as views by their names there; what it may read and call is asked of us by SQLite
while it is prepared.  It runs on the connection that only reads.
"""

from __future__ import annotations

import sqlite3
import struct
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

import msgspec

from runtime.errors import InvalidRequest, RuntimeServiceError
from runtime.rooms.built_in.tables import catalog
from runtime.rooms.built_in.tables.bounds import TableBounds
from runtime.rooms.built_in.tables.catalog import Table, TableName
from runtime.rooms.built_in.tables.cell import finite, given, read_bytes
from runtime.rooms.built_in.tables.column import ColumnType, quoted, read_name
from runtime.rooms.built_in.tables.sql.watch import Watch, watched
from runtime.wire.text import utf8_text

MAX_QUERY_CHARS: Final = 16_384
_CHANGING: Final = (
    "Rows are changed by insert, update, merge and delete; a statement of SQL begins with INSERT, UPDATE or "
    "DELETE, and INSERT INTO t WITH … SELECT … adds those of a query."
)
_EACH: Final = frozenset({"json_each", "json_tree"})
_FUNCTIONS: Final = frozenset(
    """
    abs avg ceil ceiling char coalesce concat concat_ws count cume_dist date datetime dense_rank exp
    first_value floor format group_concat glob hex ifnull iif instr json json_array json_array_length
    json_extract json_group_array json_group_object json_object json_type json_valid julianday lag
    last_value lead length like ln log log10 log2 lower ltrim max min mod nth_value ntile nullif
    percent_rank pow power printf rank replace round row_number rtrim sign sqrt strftime string_agg
    substr substring sum time total trim trunc typeof unicode unixepoch upper -> ->>
    """.split()  # noqa: SIM905 - a list of them would be a page
)


class Source(msgspec.Struct, frozen=True):
    """A table that a query names.

    Attributes:
        alias: What the query calls it; without, its name.
    """

    name: TableName
    alias: str | None = None
    version: int | None = None


class Answer(msgspec.Struct, frozen=True):
    """What a query gives: names of columns, their types where they are known, and the rows."""

    names: Sequence[str]
    types: Sequence[ColumnType | None]
    rows: Iterator[list[Any]]


@contextmanager
def answered(
    connection: sqlite3.Connection,
    query: str,
    sources: Sequence[Source],
    values: Mapping[str, Any] | None,
    bounds: TableBounds,
) -> Iterator[Answer]:
    """Ask a query; its rows are read within the context.

    Args:
        values: For ``$name`` in the query, by name.

    Raises:
        NotFound: It names a table that is not there.
        InvalidRequest: It is no query, or wants what it may not.
        RoomFull: It has to put more rows aside than it may.
    """
    if len(query) > MAX_QUERY_CHARS or "\0" in query:
        raise InvalidRequest(f"a query has at most {MAX_QUERY_CHARS} characters, none of them zero")
    tables = {
        read_name(source.alias or source.name.name, "table"): catalog.get(
            connection, source.name, version=source.version
        )
        for source in sources
    }
    for alias, table in tables.items():
        chosen = ", ".join(f"{column.sql} AS {quoted(column.name)}" for column in table.columns.values())
        view = f"AS SELECT {chosen} FROM main.{table.sql} WHERE {table.alive}"
        try:
            connection.execute(f"CREATE TEMP VIEW {quoted(alias)} {view}")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_ERROR:
                raise
            raise InvalidRequest(
                f"a query cannot name table {alias!r}: {error}",
                cure="Name the tables that it reads, each with an alias; capitals make no other name.",
            ) from error
    query, bound = utf8_text(query), {key: bound_value(value) for key, value in (values or {}).items()}
    with watched(connection, _Allowed(tables), bounds, query, bound):
        cursor = connection.execute(query, bound)
        if cursor.description is None:
            raise InvalidRequest("that is no query", cure=_CHANGING)
        names = [entry[0] for entry in cursor.description]
        types = [_type(name, tables.values()) for name in names]
        yield Answer(names, types, (_row(row, types) for row in cursor))


class _Allowed(Watch):
    """What a query may do: read those tables through their views, and compute."""

    def __init__(self, tables: Mapping[str, Table]) -> None:
        super().__init__()
        self._views = {alias.lower() for alias in tables}
        self._tables = {table.sql for table in tables.values()}
        self.cure = f"It has the tables {', '.join(tables)}."

    def allows(
        self, action: int, one: str | None, two: str | None, database: str | None, source: str | None
    ) -> bool:
        match action:
            case sqlite3.SQLITE_SELECT | sqlite3.SQLITE_RECURSIVE:
                return True
            case sqlite3.SQLITE_READ if database is None or one in _EACH:  # something the query made itself
                return True
            case sqlite3.SQLITE_READ if database == "temp" and (one or "").lower() in self._views:
                return True
            case sqlite3.SQLITE_READ:
                return (source or "").lower() in self._views and one in self._tables
            case sqlite3.SQLITE_FUNCTION:
                return two is not None and two.lower() in _FUNCTIONS
        return False

    def objection(self, error: Exception) -> RuntimeServiceError | None:
        if "cannot modify" in str(error):
            return InvalidRequest(f"a query changes nothing: {error}", cure=_CHANGING)
        return super().objection(error)


def _type(name: str, tables: Collection[Table]) -> ColumnType | None:
    """A result's column is of the type that all columns of that name have; SQLite does not tell."""
    found = [table.columns[name].type for table in tables if name in table.columns]
    return found[0] if found and all(type == found[0] for type in found) else None


def _row(row: Sequence[Any], types: Sequence[ColumnType | None]) -> list[Any]:
    values = []
    for value, type in zip(row, types, strict=True):
        try:
            values.append(finite(value) if type is None else given(value, type))
        except (TypeError, ValueError, AttributeError, struct.error):
            values.append(value)  # it has no more than the name of that column
    return values


def bound_value(value: Any) -> Any:
    """A value as SQLite takes it.  Raises InvalidRequest."""
    match value:
        case bool():
            return int(value)
        case str():
            return utf8_text(value)
        case int() if not -(2**63) <= value < 2**63:
            raise InvalidRequest("a number has at most 64 bits")
        case None | int() | float() | bytes():
            return value
        case {"encoding": "base64"}:
            return read_bytes(value)
    raise InvalidRequest(f"{value!r:.80} is nothing that stands in SQL")
