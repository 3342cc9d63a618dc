"""Changes of a table's columns.  None of the file is used twice, so earlier versions keep theirs."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import replace

import msgspec

from runtime.errors import Exists, InvalidRequest, RoomFull
from runtime.rooms.built_in.tables import catalog, indexes
from runtime.rooms.built_in.tables.bounds import TableBounds
from runtime.rooms.built_in.tables.catalog import Table, TableName
from runtime.rooms.built_in.tables.column import TEXT, Column, ColumnType, read_name
from runtime.rooms.built_in.tables.rows import fitting
from runtime.rooms.built_in.tables.sql.expression import read_expression
from runtime.rooms.built_in.tables.sql.functions import Piece


def add(
    connection: sqlite3.Connection,
    name: TableName,
    new: Mapping[str, ColumnType | str],
    bounds: TableBounds,
    *,
    quotes_are_text: bool = True,
) -> None:
    """Add columns, each with a type, and then null everywhere, or with SQL over the others.

    Raises:
        Exists: There is such a column.
        InvalidRequest: The SQL cannot be read.
        RoomFull: The table may have no more columns.
    """
    table = catalog.for_writing(connection, name)
    columns = dict(table.columns)
    for given, form in new.items():
        column_name = read_name(given)
        if column_name in columns:
            raise Exists(f"table {str(name)!r} has a column {column_name!r} already")
        piece = Piece("NULL")
        if isinstance(form, ColumnType):
            if not form.nullable and table.rows:
                raise InvalidRequest(f"column {column_name!r} may not be null, and there are rows already")
            type = form
        else:
            piece = read_expression(form, table.columns, quotes_are_text=quotes_are_text)
            type = replace(piece.type or TEXT, nullable=True)
        columns[column_name] = _fill(connection, table, column_name, type, piece, bounds)
        table = msgspec.structs.replace(table, next_column=table.next_column + 1)
    _changed(connection, table, "add_columns", columns, bounds)


def alter(
    connection: sqlite3.Connection, name: TableName, new: Mapping[str, ColumnType], bounds: TableBounds
) -> None:
    """Give columns other types; values become what a cast makes of them.

    Raises:
        InvalidRequest: There is no way from the one type to the other, or a null where none may be.
    """
    table = catalog.for_writing(connection, name)
    columns = dict(table.columns)
    for given, type in new.items():
        column = table.column(given)
        same = replace(column.type, nullable=True, metadata=None) == replace(
            type, nullable=True, metadata=None
        )
        piece = Piece(column.sql, (), column.type)
        if not type.nullable and _has_null(connection, table, column):
            raise InvalidRequest(f"column {column.name!r} has nulls")
        if same:
            columns[column.name] = msgspec.structs.replace(column, type=type)
            continue
        made = fitting(piece, msgspec.structs.replace(column, type=type))
        columns[column.name] = _fill(connection, table, column.name, type, made, bounds)
        table = msgspec.structs.replace(table, next_column=table.next_column + 1)
    _changed(connection, table, "alter_columns", columns, bounds)


def drop(
    connection: sqlite3.Connection, name: TableName, dropped: Sequence[str], bounds: TableBounds
) -> None:
    """Take columns away, and the indexes of them.  Raises InvalidRequest."""
    table = catalog.for_writing(connection, name)
    gone = {column.name for column in table.chosen(dropped)}
    columns = {column: one for column, one in table.columns.items() if column not in gone}
    if not columns:
        raise InvalidRequest("a table keeps one column at least", cure="Drop the table.")
    for index in indexes.listed(connection, name):
        if gone & set(index.columns):
            indexes.drop(connection, name, index.name)
    _changed(connection, catalog.get(connection, name), "drop_columns", columns, bounds)


def _fill(
    connection: sqlite3.Connection,
    table: Table,
    name: str,
    type: ColumnType,
    piece: Piece,
    bounds: TableBounds,
) -> Column:
    if table.next_column >= bounds.max_columns:
        raise RoomFull(
            f"table {str(table.name)!r} had {bounds.max_columns} columns, those dropped included",
            cure="Copy its rows into a new one.",
        )
    column = Column(name, type, table.next_column)
    connection.execute(f"ALTER TABLE {table.sql} ADD COLUMN {column.sql} {catalog.declare(type)}")
    if piece.sql != "NULL":
        connection.execute(
            f"UPDATE {table.sql} SET {column.sql} = {piece.sql} WHERE died IS NULL", piece.values
        )
    return column


def _changed(
    connection: sqlite3.Connection,
    table: Table,
    what: str,
    columns: Mapping[str, Column],
    bounds: TableBounds,
) -> None:
    connection.execute("UPDATE tables SET next_column = ? WHERE id = ?", (table.next_column, table.id))
    made = catalog.made(connection, table, what, bounds, columns=list(columns.values()))
    indexes.refresh_words(connection, made)


def _has_null(connection: sqlite3.Connection, table: Table, column: Column) -> bool:
    found = connection.execute(
        f"SELECT 1 FROM {table.sql} WHERE died IS NULL AND {column.sql} IS NULL LIMIT 1"
    )
    return found.fetchone() is not None
