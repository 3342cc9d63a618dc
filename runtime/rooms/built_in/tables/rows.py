"""Changes of a table's rows.  Each makes a version: what was there before dies, what is there now is born."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, Literal

from runtime.errors import InvalidRequest
from runtime.rooms.built_in.tables import catalog
from runtime.rooms.built_in.tables.bounds import TableBounds
from runtime.rooms.built_in.tables.catalog import Table, TableName
from runtime.rooms.built_in.tables.cell import Kept, keep
from runtime.rooms.built_in.tables.column import Column, ColumnType, infer_schema
from runtime.rooms.built_in.tables.sql.expression import read_expression
from runtime.rooms.built_in.tables.sql.functions import Piece, as_kind, cast

Row = Mapping[str, Any]
Mode = Literal["create", "overwrite", "create_if_not_exists"]
MODES: Final = ("create", "overwrite", "create_if_not_exists")


def create(
    connection: sqlite3.Connection,
    name: TableName,
    schema: Mapping[str, ColumnType] | None,
    rows: Sequence[Row],
    mode: str,
    bounds: TableBounds,
    metadata: Any = None,
) -> None:
    """Make a table; without a schema its columns are those of the rows.

    With ``create_if_not_exists`` a table that is there stays as it is, and the rows are not added.

    Raises:
        Exists: There is one already, and the mode is ``create``.
        InvalidRequest: No such mode, neither schema nor rows, or rows that do not fit.
        RoomFull: That would be more tables or rows than there may be.
    """
    if mode not in MODES:
        raise InvalidRequest(f"there is no mode {mode!r:.80}", cure=f"One of {', '.join(MODES)}.")
    there = catalog.find(connection, name)
    if there is not None and mode == "create_if_not_exists":
        return
    if there is not None and mode == "overwrite":
        catalog.drop(connection, there)
    if not schema and not rows:
        raise InvalidRequest("a table needs a schema, or rows to tell it from")
    table = catalog.create(connection, name, schema or infer_schema(rows), metadata, bounds)
    _add(connection, table, rows, 1)
    catalog.made(connection, table, "create", bounds, rows=len(rows))


def insert(connection: sqlite3.Connection, name: TableName, rows: Sequence[Row], bounds: TableBounds) -> int:
    """Add rows; columns that a row does not name are null.  How many were added.

    Raises:
        NotFound: No such table.
        InvalidRequest: They do not fit it.
        RoomFull: The table may not have so many.
    """
    table = catalog.for_writing(connection, name)
    if rows:
        _add(connection, table, rows, table.version + 1)
        catalog.made(connection, table, "insert", bounds, rows=len(rows))
    return len(rows)


def update(
    connection: sqlite3.Connection,
    name: TableName,
    where: str,
    values: Mapping[str, Any],
    expressions: Mapping[str, str],
    bounds: TableBounds,
    *,
    quotes_are_text: bool = True,
    given: Mapping[str, Any] | None = None,
) -> int:
    """Set columns of the rows that a filter chooses; how many.

    Args:
        expressions: SQL over the row's columns as they were, by column.
        given: What stands for ``$name`` in the filter and in expressions.
    """
    table = catalog.for_writing(connection, name)
    how: Any = {"quotes_are_text": quotes_are_text, "given": given}
    chosen = read_expression(where, table.columns, **how)
    new = {column: Piece("?", (keep(value, column),)) for column, value in _by_column(table, values)}
    for column, text in _by_column(table, expressions):
        if not isinstance(text, str):
            raise InvalidRequest(f"the expression for {column.name!r} is no text")
        made = as_kind(read_expression(text, table.columns, **how), column.type.kind)
        new[column] = fitting(made, column)
    if not new:
        raise InvalidRequest("an update names the columns to set")
    version = table.version + 1
    born = _reborn(connection, table, new, chosen, version)
    if born:
        _kill(connection, table, chosen, version)
        catalog.made(connection, table, "update", bounds)
    return born


def delete(
    connection: sqlite3.Connection,
    name: TableName,
    where: str,
    bounds: TableBounds,
    *,
    quotes_are_text: bool = True,
    given: Mapping[str, Any] | None = None,
) -> int:
    """Delete the rows that a filter chooses; how many."""
    table = catalog.for_writing(connection, name)
    chosen = read_expression(where, table.columns, quotes_are_text=quotes_are_text, given=given)
    died = _kill(connection, table, chosen, table.version + 1)
    if died:
        catalog.made(connection, table, "delete", bounds, rows=-died)
    return died


def merge(
    connection: sqlite3.Connection, name: TableName, on: str, rows: Sequence[Row], bounds: TableBounds
) -> None:
    """Set the columns that each row names where its `on` is there already; add the other rows.

    Of rows with the same `on` the last one counts.  One without is added.
    """
    table = catalog.for_writing(connection, name)
    key, version = table.column(on), table.version + 1
    if key.type.kind in ("vector", "list", "struct"):
        raise InvalidRequest(f"rows cannot be merged on {on!r}, a {key.type.kind}")
    # Without an index each of them would look at every row.
    connection.execute(
        f"CREATE INDEX IF NOT EXISTS merge_{table.id}_{key.sql} ON {table.sql}({key.sql}) WHERE died IS NULL"
    )
    by_key: dict[Kept | tuple[int], Row] = {}
    for number, row in enumerate(rows):
        value = keep(row.get(on), key) if row.get(on) is not None else (number,)
        by_key.pop(value, None)  # it takes the place of the last, not of the first
        by_key[value] = row
    added, changed = [], 0
    for value, row in by_key.items():
        count = 0
        if not isinstance(value, tuple):
            same = Piece(f"{key.sql} = ?", (value,))
            new = {column: Piece("?", (keep(given, column),)) for column, given in _by_column(table, row)}
            count = _reborn(connection, table, new, same, version)
            if count:
                _kill(connection, table, same, version)
        changed += count
        if not count:
            added.append(row)
    _add(connection, table, added, version)
    if changed or added:
        catalog.made(connection, table, "merge", bounds, rows=len(added))


def fitting(made: Piece, column: Column) -> Piece:
    """What an expression gives, as a column takes it.  Raises InvalidRequest."""
    wanted, kind = column.type.kind, made.kind
    if kind == wanted or made.sql == "NULL":
        return made
    if wanted in ("vector", "list", "struct", "binary") or kind in ("vector", "list", "struct", "binary"):
        raise InvalidRequest(
            f"column {column.name!r} is of type {wanted}, the expression gives {kind or 'another'}"
        )
    return cast(made, wanted)


def _by_column(table: Table, given: Row) -> Iterator[tuple[Column, Any]]:
    for name, value in given.items():
        yield table.column(name), value


def _add(connection: sqlite3.Connection, table: Table, rows: Iterable[Row], version: int) -> None:
    columns = list(table.columns.values())
    names = ", ".join(column.sql for column in columns)
    marks = ", ".join("?" * len(columns))
    connection.executemany(
        f"INSERT INTO {table.sql}({names}, born) VALUES({marks}, {version})",
        (_kept(table, columns, row) for row in rows),
    )


def _kept(table: Table, columns: Sequence[Column], row: Row) -> list[Kept]:
    if not isinstance(row, Mapping):
        raise InvalidRequest("a row is an object with values by column")
    for name in row.keys() - table.columns.keys():
        table.column(name)
    return [keep(row.get(column.name), column) for column in columns]


def _reborn(
    connection: sqlite3.Connection, table: Table, new: Mapping[Column, Piece], chosen: Piece, version: int
) -> int:
    """Add changed copies of the chosen rows; how many."""
    columns = list(table.columns.values())
    pieces = [new.get(column, Piece(column.sql)) for column in columns]
    names = ", ".join(column.sql for column in columns)
    for column in new:
        if not column.type.nullable:
            _refuse_null(connection, table, column, new[column], chosen)
    return connection.execute(
        f"INSERT INTO {table.sql}({names}, born) "
        f"SELECT {', '.join(piece.sql for piece in pieces)}, {version} "
        f"FROM {table.sql} WHERE died IS NULL AND born < {version} AND {chosen.sql}",
        (*(value for piece in pieces for value in piece.values), *chosen.values),
    ).rowcount


def _refuse_null(
    connection: sqlite3.Connection, table: Table, column: Column, new: Piece, chosen: Piece
) -> None:
    found = connection.execute(
        f"SELECT 1 FROM {table.sql} WHERE died IS NULL AND {chosen.sql} AND {new.sql} IS NULL LIMIT 1",
        (*chosen.values, *new.values),
    ).fetchone()
    if found:
        raise InvalidRequest(f"column {column.name!r} may not be null")


def _kill(connection: sqlite3.Connection, table: Table, chosen: Piece, version: int) -> int:
    return connection.execute(
        f"UPDATE {table.sql} SET died = {version} WHERE died IS NULL AND born < {version} AND {chosen.sql}",
        chosen.values,
    ).rowcount
