"""Indexes of a table: hints, without which every answer is the same.

One of values is SQLite's own; one of words an FTS5 table that the rows keep up themselves; one of vectors is
made with numpy, as far as the table goes then and when it is optimized; later rows are compared one by one.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from typing import Final

import msgspec

from runtime.errors import Exists, NotFound
from runtime.rooms.built_in.tables import catalog, vectors
from runtime.rooms.built_in.tables.catalog import Table, TableName

VECTOR, SCALAR, WORDS = "IVF_PQ", "BTREE", "FTS"
TIMES: Final = 10
"""To make one takes so many times as long as a request may: it reads all rows, and orders them."""
OF_VALUES: Final = frozenset({"BTREE", "BITMAP", "LABEL_LIST", "NGRAM", "ZONEMAP", "BLOOMFILTER", "RTREE"})
OF_WORDS: Final = frozenset({"FTS", "INVERTED"})
OF_VECTORS: Final = frozenset({"IVF_PQ", "IVF_HNSW_PQ", "IVF_HNSW_SQ", "IVF_RQ", "IVF_FLAT"})
_SORTED: Final = ("text", "int", "float", "bool", "date", "timestamp")


class Index(msgspec.Struct, frozen=True):
    """An index of a table.

    Attributes:
        kind: As whoever made it named it: ``BTREE``, ``FTS``, ``IVF_PQ``, …
    """

    name: str
    kind: str
    columns: tuple[str, ...]


def listed(connection: sqlite3.Connection, name: TableName) -> list[Index]:
    """The table's indexes by name.  Raises NotFound."""
    return _of(connection, catalog.get(connection, name))


def create(
    connection: sqlite3.Connection,
    name: TableName,
    columns: Sequence[str],
    kind: str,
    *,
    index: str | None = None,
    replace: bool = True,
) -> None:
    """Make an index of columns.  One that does not fit them is noted, and changes nothing.

    Args:
        index: Its name; without, it is made of the first column's.

    Raises:
        Exists: There is one of that name, and it is not to be replaced.
    """
    table = catalog.for_writing(connection, name)
    chosen = table.chosen(columns)
    index = index or f"{chosen[0].name}_idx"
    there = next((one for one in _of(connection, table) if one.name == index), None)
    if there is not None:
        if not replace:
            raise Exists(f"table {str(name)!r} has an index {index!r} already", cure="Ask to replace it.")
        _remove(connection, table, there)
    made = Index(index, kind, tuple(column.name for column in chosen))
    connection.execute(
        "INSERT INTO indexes VALUES(?, ?, ?, ?)", (table.id, index, kind, json.dumps(made.columns))
    )
    if kind in OF_VALUES:
        sorted_ones = [column.sql for column in chosen if column.type.kind in _SORTED]
        if sorted_ones:
            connection.execute(
                f"CREATE INDEX {_sql_name(table, index)} ON {table.sql}({', '.join(sorted_ones)}) "
                "WHERE died IS NULL"
            )
    elif kind in OF_WORDS:
        refresh_words(connection, table)
    elif chosen[0].type.kind == "vector":
        vectors.build(connection, table, chosen[0])


def drop(connection: sqlite3.Connection, name: TableName, index: str) -> None:
    """Remove an index.  Raises NotFound."""
    table = catalog.for_writing(connection, name)
    there = next((one for one in _of(connection, table) if one.name == index), None)
    if there is None:
        raise NotFound(f"table {str(name)!r} has no index {index!r}")
    _remove(connection, table, there)


def optimize(connection: sqlite3.Connection, name: TableName) -> None:
    """Put the table's indexes in order."""
    table = catalog.get(connection, name)
    if table.text_columns:
        connection.execute(f"INSERT INTO text_{table.id}(text_{table.id}) VALUES('optimize')")
    for one in _of(connection, table):
        if one.kind in OF_VECTORS and table.columns[one.columns[0]].type.kind == "vector":
            vectors.build(connection, table, table.columns[one.columns[0]])
    connection.execute(f"ANALYZE {table.sql}")


def refresh_words(connection: sqlite3.Connection, table: Table) -> None:
    """Let the table of words be of those columns that have an index of words now."""
    wanted = [name for one in _of(connection, table) if one.kind in OF_WORDS for name in one.columns]
    columns = [
        column for column in table.columns.values() if column.name in wanted and column.type.kind == "text"
    ]
    id, names = table.id, [column.sql for column in columns]
    for statement in (
        f"DROP TABLE IF EXISTS text_{id}",
        f"DROP VIEW IF EXISTS live_{id}",
        f"DROP TRIGGER IF EXISTS text_{id}_born",
        f"DROP TRIGGER IF EXISTS text_{id}_died",
    ):
        connection.execute(statement)
    connection.execute(
        "UPDATE tables SET text_columns = ? WHERE id = ?",
        (json.dumps([column.name for column in columns]), id),
    )
    if not names:
        return
    listing = ", ".join(names)
    new, old = (", ".join(f"{side}.{name}" for name in names) for side in ("new", "old"))
    for statement in (
        f"CREATE VIEW live_{id} AS SELECT seq, {listing} FROM {table.sql} WHERE died IS NULL",
        f"CREATE VIRTUAL TABLE text_{id} USING fts5({listing}, content='live_{id}', content_rowid='seq', "
        "tokenize='porter unicode61 remove_diacritics 2')",
        f"INSERT INTO text_{id}(text_{id}) VALUES('rebuild')",
        f"CREATE TRIGGER text_{id}_born AFTER INSERT ON {table.sql} BEGIN "
        f"INSERT INTO text_{id}(rowid, {listing}) VALUES(new.seq, {new}); END",
        f"CREATE TRIGGER text_{id}_died AFTER UPDATE OF died ON {table.sql} "
        "WHEN old.died IS NULL AND new.died IS NOT NULL BEGIN "
        f"INSERT INTO text_{id}(text_{id}, rowid, {listing}) VALUES('delete', old.seq, {old}); END",
    ):
        connection.execute(statement)


def _of(connection: sqlite3.Connection, table: Table) -> list[Index]:
    found = connection.execute(
        "SELECT name, kind, columns FROM indexes WHERE table_id = ? ORDER BY name", (table.id,)
    )
    return [Index(name, kind, tuple(json.loads(columns))) for name, kind, columns in found]


def _remove(connection: sqlite3.Connection, table: Table, index: Index) -> None:
    connection.execute("DELETE FROM indexes WHERE table_id = ? AND name = ?", (table.id, index.name))
    connection.execute(f"DROP INDEX IF EXISTS {_sql_name(table, index.name)}")
    if index.kind in OF_WORDS:
        refresh_words(connection, table)
    if index.kind in OF_VECTORS and index.columns[0] in table.columns:
        vectors.drop(connection, table, table.columns[index.columns[0]])


def _sql_name(table: Table, index: str) -> str:
    return f'"values_{table.id}_{index.encode().hex()}"'
