"""Tables of a database: their columns as Arrow has them, and rows of Arrow in them."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any, Final

from runtime.errors import Exists, InvalidRequest, NotFound, RoomFull
from runtime.rooms.built_in.tables.cell import given, keep
from runtime.rooms.built_in.tables.column import BINARY, TEXT, Column, ColumnType, quoted, read_name
from runtime.rooms.built_in.tables.sql.spill import bounded
from runtime.wire.room import MAX_SENT_BYTES

MAX_HELD_BYTES: Final = 256 * 1024 * 1024
"""Of all values that come to be there at once while a row is added, or looked at."""

_DECLARED: Final = {
    "int": "INTEGER",
    "bool": "BOOLEAN",
    "float": "REAL",
    "text": "TEXT",
    "date": "DATE",
    "timestamp": "TIMESTAMP",
    "binary": "BLOB",
}
_KINDS: Final = (
    ("BOOL", "bool"),
    ("TIMESTAMP", "timestamp"),
    ("DATETIME", "timestamp"),
    ("DATE", "date"),
    ("INT", "int"),
    ("CHAR", "text"),
    ("CLOB", "text"),
    ("TEXT", "text"),
    ("REAL", "float"),
    ("FLOA", "float"),
    ("DOUB", "float"),
    ("NUMERIC", "float"),
    ("DECIMAL", "float"),
)
_VECTOR: Final = re.compile(r"VECTOR_BLOB\((\d{1,5})\)")


def names(connection: sqlite3.Connection) -> list[str]:
    """The tables that there are, by name."""
    found = connection.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT GLOB 'sqlite_*' ORDER BY name"
    )
    return [name for (name,) in found]


def columns(connection: sqlite3.Connection, table: str) -> dict[str, ColumnType]:
    """A table's columns.  Raises NotFound."""
    found = connection.execute('SELECT name, type, "notnull" FROM pragma_table_info(?)', (table,)).fetchall()
    if not found:
        raise NotFound(f"table {table!r} does not exist")
    return {name: _type(str(declared).upper(), nullable=not not_null) for name, declared, not_null in found}


def create(connection: sqlite3.Connection, table: str, schema: Mapping[str, ColumnType], mode: str) -> bool:
    """Make a table; False where it is there already and the mode lets it stay.

    Raises:
        Exists: It is there, and the mode is ``create``.
    """
    if table.lower() in {name.lower() for name in names(connection)}:
        if mode == "create_if_not_exists":
            return False
        if mode != "overwrite":
            raise Exists(f"table {table!r} exists already")
        connection.execute(f"DROP TABLE {quoted(table)}")
    listed = ", ".join(declared(name, type) for name, type in schema.items())
    connection.execute(f"CREATE TABLE {quoted(read_name(table, 'table'))} ({listed})")
    return True


def declared(name: str, type: ColumnType) -> str:
    """A column, as a table is made with it."""
    kind = f"VECTOR_BLOB({type.size})" if type.kind == "vector" else _DECLARED.get(type.kind, "TEXT")
    return f"{quoted(read_name(name))} {kind}{'' if type.nullable else ' NOT NULL'}"


def insert(
    connection: sqlite3.Connection, table: str, rows: Sequence[Mapping[str, Any]], *, max_spilled_bytes: int
) -> None:
    """Add rows; a table may compute more than what was sent, by its columns, indexes and triggers.

    Raises:
        NotFound, InvalidRequest: There is no such table, or a row does not fit.
        RoomFull: It puts more rows aside than it may.
    """
    types = columns(connection, table)
    forms = {names: _form(table, names, types) for names in dict.fromkeys(map(tuple, rows))}
    texts = [(text, [None] * len(of)) for text, of in forms.values()]
    with bounded(
        connection, max_spilled_bytes, texts, value_bytes=MAX_SENT_BYTES, held_bytes=MAX_HELD_BYTES
    ) as spill:
        try:
            for names, alike in groupby(rows, tuple):
                text, of = forms[names]
                connection.executemany(text, (list(map(_kept, row.values(), of)) for row in alike))
        except sqlite3.IntegrityError as error:
            raise InvalidRequest(f"a row does not fit table {table!r}: {error}") from error
        except sqlite3.DataError as error:
            raise InvalidRequest(
                f"a value of table {table!r} has at most {spill.value_bytes} bytes"
            ) from error
        except sqlite3.OperationalError as error:
            if not spill.passed:
                raise
            raise RoomFull(
                f"table {table!r} puts more than {max_spilled_bytes} bytes of rows aside"
            ) from error


def _form(table: str, names: Sequence[str], types: Mapping[str, ColumnType]) -> tuple[str, list[Column]]:
    """How rows with these names are inserted, and the columns of their values."""
    for name in names:
        if name not in types:
            raise InvalidRequest(f"table {table!r} has no column {name!r:.80}")
    listed, marks = ", ".join(map(quoted, names)), ", ".join("?" * len(names))
    form = f"({listed}) VALUES ({marks})" if names else "DEFAULT VALUES"
    return f"INSERT INTO {quoted(table)} {form}", [Column(name, types[name], 0) for name in names]


def shown(value: Any, type: ColumnType | None) -> Any:
    """A value as participants get it: what its column says, if it is so."""
    try:
        return value if type is None else given(value, type)
    except (TypeError, ValueError, AttributeError):
        return value


def _kept(value: Any, column: Column) -> Any:
    if isinstance(value, dict | list) and column.type.kind == "text":
        return json.dumps(value, ensure_ascii=False)
    return keep(value, column)


def _type(told: str, *, nullable: bool) -> ColumnType:
    vector = _VECTOR.fullmatch(told)
    if vector is not None and int(vector[1]):
        return ColumnType("vector", nullable=nullable, size=int(vector[1]), element=ColumnType("float"))
    for part, kind in _KINDS:
        if part in told:
            return ColumnType(kind, nullable=nullable)
    return ColumnType((BINARY if not told or "BLOB" in told else TEXT).kind, nullable=nullable)
