"""Earlier versions of a table: listing them, reading the table as it was, and going back."""

from __future__ import annotations

import sqlite3

import msgspec

from runtime.rooms.built_in.tables import catalog, indexes
from runtime.rooms.built_in.tables.bounds import TableBounds
from runtime.rooms.built_in.tables.catalog import TableName


class Version(msgspec.Struct, frozen=True):
    """One that is kept.

    Attributes:
        made_at: Seconds since the epoch.
        what: The change that made it.
        rows: How many the table had then.
    """

    number: int
    made_at: float
    what: str
    rows: int


def listed(connection: sqlite3.Connection, name: TableName) -> list[Version]:
    """Those that are kept, oldest first.  Raises NotFound."""
    table = catalog.get(connection, name)
    found = connection.execute(
        "SELECT version, made, what, rows FROM versions WHERE table_id = ? ORDER BY version", (table.id,)
    )
    return [Version(*row) for row in found]


def check_out(connection: sqlite3.Connection, name: TableName, version: int) -> None:
    """Let the table be read as it was, and not be changed, until the newest version is checked out or another
    restored.  Raises NotFound."""
    table = catalog.get(connection, name)
    catalog.at_version(connection, table, version)
    at = None if version == table.version else version
    connection.execute("UPDATE tables SET at = ? WHERE id = ?", (at, table.id))


def restore(connection: sqlite3.Connection, name: TableName, version: int, bounds: TableBounds) -> None:
    """Make a new version that is as an earlier one was.  Raises NotFound."""
    connection.execute("UPDATE tables SET at = NULL WHERE id = ?", (catalog.get(connection, name).id,))
    table = catalog.get(connection, name)
    then = catalog.at_version(connection, table, version)
    new = table.version + 1
    columns = ", ".join(column.sql for column in then.columns.values())
    born = connection.execute(
        f"INSERT INTO {table.sql}({columns}, born) SELECT {columns}, {new} FROM {table.sql} "
        f"WHERE {then.alive} AND died IS NOT NULL ORDER BY seq"
    ).rowcount
    died = connection.execute(
        f"UPDATE {table.sql} SET died = {new} WHERE died IS NULL AND born < {new} AND born > {version}"
    ).rowcount
    restored = catalog.made(
        connection, table, f"restore {version}", bounds, columns=list(then.columns.values()), rows=born - died
    )
    indexes.refresh_words(connection, restored)
