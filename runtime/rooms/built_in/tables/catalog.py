"""Which tables a room has, their columns and their versions, as its file keeps them.

A row is never changed: it is born with one version of its table and dies with a later one, so an earlier
version is still there to be read, until it is forgotten.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from runtime.errors import Conflict, Exists, InvalidRequest, NotFound, RoomFull
from runtime.rooms.built_in.tables.bounds import TableBounds
from runtime.rooms.built_in.tables.column import Column, ColumnType, read_name, read_type

MAX_NAMESPACE: Final = 8
_DECLARED: Final = {"int": "INTEGER", "bool": "BOOL_INT", "float": "REAL"} | {
    "date": "DATE_TEXT",
    "timestamp": "TIMESTAMP_TEXT",
    "binary": "BLOB",
    "vector": "VECTOR_BLOB",
    "list": "JSON_TEXT",
    "struct": "JSON_TEXT",
}
"""What SQLite is told of a column: its affinity, and to us what a result's column is."""


class TableName(msgspec.Struct, frozen=True):
    """A table's name and its namespace, which is empty for the room's own."""

    name: str
    namespace: tuple[str, ...] = ()

    @classmethod
    def read(cls, name: object, namespace: object = None) -> TableName:
        """From what a request says.  Raises InvalidRequest."""
        given = namespace or []
        if not isinstance(given, list) or len(given) > MAX_NAMESPACE:
            raise InvalidRequest(f"a namespace is a list of up to {MAX_NAMESPACE} texts")
        return cls(read_name(name, "table"), tuple(read_name(part, "namespace") for part in given))

    def __str__(self) -> str:
        return "/".join((*self.namespace, self.name))


class Table(msgspec.Struct, frozen=True):
    """A table as it is now, or was at a version.

    Attributes:
        columns: By name, in order.
        at: The version that it is read at; None for the newest.
        rows: How many there are in the newest.
        next_column: The number of the next column.
        text_columns: Names of the columns that words are looked up in.
    """

    id: int
    name: TableName
    version: int
    columns: Mapping[str, Column]
    rows: int = 0
    at: int | None = None
    next_column: int = 0
    text_columns: tuple[str, ...] = ()
    metadata: Any = None

    @property
    def sql(self) -> str:
        """Its name in the file."""
        return f"rows_{self.id}"

    @property
    def alive(self) -> str:
        """The rows that it has, as a condition."""
        if self.at is None:
            return "died IS NULL"
        return f"born <= {self.at} AND (died IS NULL OR died > {self.at})"

    def column(self, name: object) -> Column:
        """One of its columns.  Raises InvalidRequest."""
        found = self.columns.get(name) if isinstance(name, str) else None
        if found is None:
            raise InvalidRequest(
                f"table {str(self.name)!r} has no column {name!r:.80}",
                cure=f"It has {', '.join(self.columns)}.",
            )
        return found

    def chosen(self, names: Iterable[object] | None) -> list[Column]:
        """Some of its columns, or all."""
        return list(self.columns.values()) if names is None else [self.column(name) for name in names]


def prepare(connection: sqlite3.Connection) -> None:
    """Make what a new file needs."""
    connection.executescript(
        """
        BEGIN IMMEDIATE;
        CREATE TABLE IF NOT EXISTS tables(
            id INTEGER PRIMARY KEY, namespace TEXT NOT NULL, name TEXT NOT NULL, version INTEGER NOT NULL,
            columns TEXT NOT NULL, rows INTEGER NOT NULL DEFAULT 0, at INTEGER, next_column INTEGER NOT NULL,
            text_columns TEXT NOT NULL DEFAULT '[]', metadata TEXT, UNIQUE(namespace, name));
        CREATE TABLE IF NOT EXISTS versions(
            table_id INTEGER NOT NULL, version INTEGER NOT NULL, made REAL NOT NULL, what TEXT NOT NULL,
            columns TEXT NOT NULL, rows INTEGER NOT NULL, PRIMARY KEY(table_id, version)) WITHOUT ROWID;
        CREATE TABLE IF NOT EXISTS indexes(
            table_id INTEGER NOT NULL, name TEXT NOT NULL, kind TEXT NOT NULL, columns TEXT NOT NULL,
            PRIMARY KEY(table_id, name)) WITHOUT ROWID;
        COMMIT;
        """
    )


def count(connection: sqlite3.Connection) -> int:
    """How many tables there are."""
    return int(connection.execute("SELECT count(*) FROM tables").fetchone()[0])


def listed(connection: sqlite3.Connection, namespace: Sequence[str] | None = ()) -> list[TableName]:
    """The tables of one namespace by name, or with None those of all."""
    where, values = ("", ()) if namespace is None else ("WHERE namespace = ?", (_packed(namespace),))
    found = connection.execute(f"SELECT namespace, name FROM tables {where} ORDER BY namespace, name", values)
    return [TableName(name, tuple(json.loads(spaces))) for spaces, name in found]


def find(connection: sqlite3.Connection, name: TableName) -> Table | None:
    """A table as it is read now, or None."""
    row = connection.execute(
        "SELECT id, version, columns, rows, at, next_column, text_columns, metadata FROM tables "
        "WHERE namespace = ? AND name = ?",
        (_packed(name.namespace), name.name),
    ).fetchone()
    if row is None:
        return None
    id, version, columns, rows, at, next_column, text_columns, metadata = row
    table = Table(
        id, name, version, _read_columns(columns), rows, None, next_column,
        tuple(json.loads(text_columns)), json.loads(metadata) if metadata else None,
    )  # fmt: skip
    return table if at is None else at_version(connection, table, at)


def get(connection: sqlite3.Connection, name: TableName, *, version: int | None = None) -> Table:
    """A table, perhaps as it was.

    Raises:
        NotFound: There is no such table or version.
    """
    table = find(connection, name)
    if table is None:
        raise missing(name)
    return table if version is None else at_version(connection, table, version)


def missing(name: TableName) -> NotFound:
    """What is said of a table that is not there; clients look for some of these words."""
    return NotFound(
        f"table {str(name)!r} does not exist", cure="Create it, or list the tables of its namespace."
    )


def at_version(connection: sqlite3.Connection, table: Table, version: int) -> Table:
    """A table as it was.  Raises NotFound."""
    row = connection.execute(
        "SELECT columns FROM versions WHERE table_id = ? AND version = ?", (table.id, version)
    ).fetchone()
    if row is None:
        raise NotFound(
            f"table {str(table.name)!r} has no version {version}", cure="Older ones are forgotten."
        )
    return replace(table, columns=_read_columns(row[0]), at=version, text_columns=())


def for_writing(connection: sqlite3.Connection, name: TableName) -> Table:
    """A table that is to be changed.

    Raises:
        NotFound: There is no such table.
        Conflict: An earlier version of it is checked out.
    """
    table = get(connection, name)
    if table.at is not None:
        raise Conflict(
            f"table {str(name)!r} is checked out at version {table.at}",
            cure=f"Restore that version, or check out version {table.version}.",
        )
    return table


def create(
    connection: sqlite3.Connection,
    name: TableName,
    schema: Mapping[str, ColumnType],
    metadata: Any,
    bounds: TableBounds,
) -> Table:
    """Make a table without rows.

    Raises:
        Exists: There is one of that name.
        RoomFull: The room has as many tables as it may.
    """
    if find(connection, name) is not None:
        raise Exists(f"table {str(name)!r} exists already", cure="Choose another mode, or drop it first.")
    if count(connection) >= bounds.max_tables:
        raise RoomFull(f"the room has {bounds.max_tables} tables already", cure="Drop some.")
    if len(schema) > bounds.max_columns:
        raise RoomFull(f"a table has at most {bounds.max_columns} columns")
    columns = [Column(column, type, number) for number, (column, type) in enumerate(schema.items())]
    written = _written(columns)
    id = connection.execute(
        "INSERT INTO tables(namespace, name, version, columns, next_column, metadata) "
        "VALUES(?, ?, 0, ?, ?, ?)",
        (
            _packed(name.namespace),
            name.name,
            written,
            len(columns),
            json.dumps(metadata) if metadata else None,
        ),
    ).lastrowid
    assert id is not None
    table = Table(id, name, 0, {column.name: column for column in columns}, next_column=len(columns))
    declared = "".join(f"{column.sql} {declare(column.type)}, " for column in columns)
    connection.execute(
        f"CREATE TABLE {table.sql}(seq INTEGER PRIMARY KEY, {declared} born INTEGER NOT NULL, died INTEGER)"
    )
    connection.execute(f"CREATE INDEX {table.sql}_died ON {table.sql}(died) WHERE died IS NOT NULL")
    return table


def drop(connection: sqlite3.Connection, table: Table) -> None:
    """Delete a table with all its versions."""
    connection.execute(f"DROP TABLE IF EXISTS text_{table.id}")
    connection.execute(f"DROP VIEW IF EXISTS live_{table.id}")
    for column in table.columns.values():
        connection.execute(f"DROP TABLE IF EXISTS near_{table.id}_{column.number}")
    connection.execute(f"DROP TABLE {table.sql}")
    for kept in ("versions", "indexes"):
        connection.execute(f"DELETE FROM {kept} WHERE table_id = ?", (table.id,))
    connection.execute("DELETE FROM tables WHERE id = ?", (table.id,))


def rename(connection: sqlite3.Connection, table: Table, name: TableName) -> None:
    """Give a table another name.  Raises Exists."""
    if find(connection, name) is not None:
        raise Exists(f"table {str(name)!r} exists already")
    connection.execute(
        "UPDATE tables SET namespace = ?, name = ? WHERE id = ?",
        (_packed(name.namespace), name.name, table.id),
    )


def declare(type: ColumnType) -> str:
    """What SQLite is told of a column of that type."""
    return _DECLARED.get(type.kind, "TEXT")


def made(
    connection: sqlite3.Connection,
    table: Table,
    what: str,
    bounds: TableBounds,
    *,
    columns: Sequence[Column] | None = None,
    rows: int = 0,
) -> Table:
    """A table's next version is there: note it, and forget the oldest.

    Args:
        columns: They changed to these.
        rows: So many more there are, or fewer.

    Raises:
        RoomFull: There would be more rows than a table may have.
    """
    version, total = table.version + 1, table.rows + rows
    if rows > 0 and total > bounds.max_rows:
        raise RoomFull(
            f"table {str(table.name)!r} would have {total} rows; a table has at most {bounds.max_rows}",
            cure="Delete some, or raise rooms.max_table_rows.",
        )
    written = _written(table.columns.values() if columns is None else columns)
    connection.execute(
        "UPDATE tables SET version = ?, rows = ?, columns = ? WHERE id = ?",
        (version, total, written, table.id),
    )
    connection.execute(
        "INSERT INTO versions VALUES(?, ?, ?, ?, ?, ?)",
        (table.id, version, time.time(), what, written, total),
    )
    _forget_before(connection, table.id, version - bounds.max_versions + 1)
    return replace(table, version=version, rows=total, columns=_read_columns(written))


def forget_versions(connection: sqlite3.Connection) -> None:
    """Forget every version but the newest, of every table."""
    for id, version in connection.execute("SELECT id, version FROM tables").fetchall():
        _forget_before(connection, id, version)
    connection.execute("UPDATE tables SET at = NULL")


def _forget_before(connection: sqlite3.Connection, id: int, oldest: int) -> None:
    forgotten = connection.execute(
        "DELETE FROM versions WHERE table_id = ? AND version < ?", (id, oldest)
    ).rowcount
    if forgotten:
        connection.execute(f"DELETE FROM rows_{id} WHERE died <= ?", (oldest,))
        connection.execute("UPDATE tables SET at = NULL WHERE id = ? AND at < ?", (id, oldest))


def _packed(namespace: Sequence[str]) -> str:
    return json.dumps(list(namespace))


def _written(columns: Iterable[Column]) -> str:
    return json.dumps([[column.name, column.type.to_json(), column.number] for column in columns])


def _read_columns(written: str) -> dict[str, Column]:
    return {name: Column(name, read_type(type), number) for name, type, number in json.loads(written)}
