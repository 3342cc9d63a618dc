"""The databases of a state folder while no server has them: whether they are whole, their rows, copies."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

import msgspec

from runtime.errors import JournalUnusable
from runtime.front.home.contents import CRASHES, DAMAGED_ROWS, FIGURES, JOURNAL, SERVICES
from runtime.services import tables
from runtime.session import crash_store
from runtime.session.journal import file, rows
from runtime.session.journal.table import UNREADABLE, Table
from runtime.telemetry.history import file as history

VERSIONS: Final = {
    JOURNAL: len(file.MIGRATIONS),
    CRASHES: crash_store.VERSION,
    SERVICES: tables.VERSION,
    FIGURES: history.VERSION,
}
"""The newest schema of each that this version knows."""
TABLES: Final[dict[str, tuple[Table[Any], ...]]] = {
    JOURNAL: rows.TABLES,
    CRASHES: crash_store.TABLES,
    SERVICES: tables.TABLES,
    FIGURES: history.TABLES,
}
_BUSY_S: Final = 0.3
_MAX_COMPLAINTS: Final = 5


class InUse(JournalUnusable):
    """A server has it."""


class BadRow(msgspec.Struct, frozen=True):
    """A row that is not what was written, by the table and the bytes of its key."""

    table: Table[Any]
    name: str
    key: tuple[str, ...]
    error: str


@contextmanager
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    """A database that no server uses, nor can begin to use meanwhile.

    Raises:
        InUse: A server has it.
        sqlite3.Error: It is none, or cannot be read.
    """
    with closing(sqlite3.connect(path, isolation_level=None, timeout=_BUSY_S)) as db:
        db.text_factory = lambda raw: raw.decode("utf-8", "replace")
        try:
            db.execute("PRAGMA locking_mode = EXCLUSIVE")
            db.execute("BEGIN IMMEDIATE")
            db.execute("COMMIT")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error):
                raise
            raise InUse(f"{path} is in use by a server", cure="Stop that server first.") from error
        yield db


def is_in_use(path: Path) -> bool:
    """Whether a server has it; not when it is damaged."""
    if not path.is_file() or not path.stat().st_size:
        return False
    try:
        with opened(path):
            return False
    except InUse:
        return True
    except sqlite3.Error:
        return False


def version_of(db: sqlite3.Connection) -> int:
    """The number of its schema."""
    return int(db.execute("PRAGMA user_version").fetchone()[0])


def complaints(db: sqlite3.Connection, *, quick: bool = False) -> list[str]:
    """What SQLite finds wrong with its pages and indexes, a few at most.

    Args:
        quick: Leave out whether indexes have what their tables have: what takes long where there is much.
    """
    check = "quick_check" if quick else "integrity_check"
    try:
        told = [str(row[0]) for row in db.execute(f"PRAGMA {check}({_MAX_COMPLAINTS})")]
    except sqlite3.DatabaseError as error:
        return [str(error)]
    return [] if told == ["ok"] else [line for text in told for line in text.splitlines()]


def bad_rows(db: sqlite3.Connection, name: str) -> list[BadRow]:
    """The rows that a server would leave out.

    Args:
        name: Of the file.

    Raises:
        sqlite3.Error: A table cannot be read.
    """
    found = []
    there = {row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    for table in TABLES[name]:
        if table.name not in there:
            continue  # of an older schema
        keys = ", ".join(f"hex(CAST({column} AS BLOB))" for column in table.key)
        for row in db.execute(f"SELECT {keys}, {', '.join(table.columns)} FROM {table.name}"):
            key, held = row[: table.key_count], row[table.key_count :]
            try:
                table.make(held)
            except UNREADABLE as error:
                found.append(BadRow(table, table.name_of(held), key, str(error)[:200]))
    return found


def move_out(db: sqlite3.Connection, bad: list[BadRow], folder: Path, name: str) -> Path:
    """Move rows out of a database into a file beside it, a line of JSON for each; bytes are in hex.

    Returns:
        The file; what was in it stays.

    Raises:
        OSError, sqlite3.Error: Nothing was changed.
    """
    target = folder / DAMAGED_ROWS
    db.execute("BEGIN IMMEDIATE")
    try:
        with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "w") as stream:
            for row in bad:
                where = " AND ".join(f"hex(CAST({column} AS BLOB)) = ?" for column in row.table.key)
                cursor = db.execute(f"SELECT * FROM {row.table.name} WHERE {where}", row.key)
                names = [column[0] for column in cursor.description]
                for held in cursor.fetchall():
                    about: dict[str, object] = {"database": name, "table": row.table.name, "error": row.error}
                    about["row"] = {key: _plain(value) for key, value in zip(names, held, strict=True)}
                    stream.write(json.dumps(about) + "\n")
                db.execute(f"DELETE FROM {row.table.name} WHERE {where}", row.key)
            stream.flush()
            os.fsync(stream.fileno())
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise
    return target


def _plain(value: object) -> object:
    return {"hex": value.hex()} if isinstance(value, bytes) else value
