"""Does what a statement of SQL says, as the plain requests do it."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from runtime.errors import InvalidRequest
from runtime.rooms.built_in.tables import catalog, columns, query, rows
from runtime.rooms.built_in.tables.bounds import TableBounds
from runtime.rooms.built_in.tables.catalog import TableName
from runtime.rooms.built_in.tables.cell import given
from runtime.rooms.built_in.tables.column import TEXT, ColumnType, infer_schema
from runtime.rooms.built_in.tables.query import Source
from runtime.rooms.built_in.tables.sql.expression import read_expression
from runtime.rooms.built_in.tables.sql.statement import Statement


def run(
    connection: sqlite3.Connection,
    statement: Statement,
    name: TableName,
    sources: Sequence[Source],
    values: Mapping[str, Any] | None,
    bounds: TableBounds,
) -> int:
    """Do it, within the transaction of the connection; how many rows were changed.

    Args:
        name: The table that it changes, see `target`.
        sources: The tables that it may read.
        values: For ``$name``.

    Raises:
        NotFound: No such table.
        InvalidRequest: It cannot be done.
    """
    how: Any = {"quotes_are_text": False, "given": values}
    match statement.verb:
        case "INSERT":
            return _insert(connection, statement, name, sources, values, bounds)
        case "UPDATE":
            return rows.update(connection, name, statement.where, {}, statement.sets, bounds, **how)
        case "DELETE":
            return rows.delete(connection, name, statement.where, bounds, **how)
        case "CREATE":
            return _create(connection, statement, name, sources, values, bounds)
        case "ALTER" if statement.columns:
            columns.drop(connection, name, statement.columns, bounds)
        case "ALTER":
            columns.add(connection, name, statement.types, bounds)
        case "DROP" if (table := catalog.find(connection, name)) is not None:
            catalog.drop(connection, table)
        case "DROP" if not statement.is_missing_fine:
            raise catalog.missing(name)
    return 0


def target(statement: Statement, sources: Sequence[Source], own: Sequence[str] | None) -> TableName:
    """The table that it changes.

    Args:
        sources: The tables that it may read.
        own: The namespace of a table that is none of them; None where it must be one.

    Raises:
        InvalidRequest: It is none of them.
    """
    called = statement.table.lower()
    for source in sources:
        if (source.alias or source.name.name).lower() == called:
            return source.name
    if own is not None:
        return TableName.read(statement.table, list(own))
    raise InvalidRequest(
        f"the statement changes {statement.table!r:.80}, which is none of its tables",
        cure=f"It has {', '.join(source.alias or source.name.name for source in sources) or 'none'}.",
    )


def _insert(
    connection: sqlite3.Connection,
    statement: Statement,
    name: TableName,
    sources: Sequence[Source],
    values: Mapping[str, Any] | None,
    bounds: TableBounds,
) -> int:
    table = catalog.for_writing(connection, name)
    inserted = statement.columns or tuple(table.columns)
    table.chosen(inserted)
    if statement.query:
        _, new = _asked(connection, statement.query, sources, values, bounds)
    else:
        new = [[_worth(connection, text, values) for text in row] for row in statement.rows]
    for row in new:
        if len(row) != len(inserted):
            raise InvalidRequest(f"{len(inserted)} columns are inserted, and a row has {len(row)} values")
    return rows.insert(connection, name, [dict(zip(inserted, row, strict=True)) for row in new], bounds)


def _create(
    connection: sqlite3.Connection,
    statement: Statement,
    name: TableName,
    sources: Sequence[Source],
    values: Mapping[str, Any] | None,
    bounds: TableBounds,
) -> int:
    types, new = dict(statement.types), list[dict[str, Any]]()
    if statement.query:
        known, found = _asked(connection, statement.query, sources, values, bounds)
        new = [dict(zip(known, row, strict=True)) for row in found]
        inferred = infer_schema(new) if new else {}
        types = {one: replace(type or inferred.get(one, TEXT), nullable=True) for one, type in known.items()}
    rows.create(connection, name, types, new, statement.mode, bounds)
    return len(new)


def _asked(
    connection: sqlite3.Connection,
    text: str,
    sources: Sequence[Source],
    values: Mapping[str, Any] | None,
    bounds: TableBounds,
) -> tuple[dict[str, ColumnType | None], list[list[Any]]]:
    """The columns and rows of a query; what it needed of the connection is gone afterwards."""
    connection.execute("SAVEPOINT asked")
    try:
        found, size = [], 0
        with query.answered(connection, text, sources, values, bounds) as answer:
            for row in answer.rows:
                found.append(row)
                size += sum(len(value) if isinstance(value, str | bytes | list) else 8 for value in row)
                if size > bounds.max_result_bytes:
                    raise InvalidRequest(
                        f"the query gives more than {bounds.max_result_bytes} bytes to insert",
                        cure="Insert them in parts.",
                    )
        if len(set(answer.names)) != len(answer.names):
            raise InvalidRequest("two columns of the query have one name", cure="Name them with AS.")
        return dict(zip(answer.names, answer.types, strict=True)), found
    finally:
        connection.execute("ROLLBACK TO asked")
        connection.execute("RELEASE asked")


def _worth(connection: sqlite3.Connection, text: str, values: Mapping[str, Any] | None) -> Any:
    piece = read_expression(text, {}, quotes_are_text=False, given=values)
    if isinstance(piece.literal, tuple):
        return list(piece.literal)
    (value,) = connection.execute(f"SELECT {piece.sql}", piece.values).fetchone()
    return value if piece.type is None else given(value, piece.type)
