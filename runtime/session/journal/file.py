"""The journal's file, and others like it: tables, how an older one becomes a newer one, what may be wrong."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import aiosqlite
import msgspec

from runtime.errors import JournalUnusable
from runtime.logs import get_logger
from runtime.session.journal import rows

MIGRATIONS: Final = (
    """
    CREATE TABLE sessions (
        session_id TEXT PRIMARY KEY,
        state TEXT NOT NULL,
        accepted_at REAL NOT NULL,
        ended_at REAL,
        token TEXT NOT NULL,
        record BLOB NOT NULL
    ) WITHOUT ROWID;
    CREATE INDEX sessions_ended ON sessions (ended_at) WHERE ended_at IS NOT NULL;
    """,
    """
    CREATE TABLE quarantine (hash TEXT PRIMARY KEY, at REAL NOT NULL, parked BLOB NOT NULL) WITHOUT ROWID;
    CREATE TABLE usage_days (
        day TEXT, endpoint TEXT, identity TEXT, room TEXT, usage BLOB NOT NULL,
        PRIMARY KEY (day, endpoint, identity, room)
    ) WITHOUT ROWID;
    """,
    # With a rowid: in a table without, a row of a kilobyte takes a page of its own beside its place.
    """
    ALTER TABLE sessions RENAME TO sessions_before;
    DROP INDEX sessions_ended;
    CREATE TABLE sessions (
        number INTEGER PRIMARY KEY,
        session_id TEXT NOT NULL UNIQUE,
        state TEXT NOT NULL,
        accepted_at REAL NOT NULL,
        ended_at REAL,
        token TEXT NOT NULL,
        record BLOB NOT NULL
    );
    INSERT INTO sessions (session_id, state, accepted_at, ended_at, token, record)
        SELECT session_id, state, accepted_at, ended_at, token, record FROM sessions_before
        ORDER BY accepted_at, session_id;
    DROP TABLE sessions_before;
    CREATE INDEX sessions_ended ON sessions (ended_at) WHERE ended_at IS NOT NULL;
    """,
    """
    CREATE TABLE ids (
        number INTEGER PRIMARY KEY,
        endpoint TEXT NOT NULL,
        id TEXT NOT NULL,
        session_id TEXT NOT NULL,
        call BLOB NOT NULL,
        at REAL NOT NULL,
        UNIQUE (endpoint, id)
    );
    """,
)
_WITH_ROWIDS: Final = 3
_WITH_IDS: Final = 4
REMEMBER: Final = "INSERT OR REPLACE INTO ids (endpoint, id, session_id, call, at) VALUES (?, ?, ?, ?, ?)"
TOUCH: Final = f"PRAGMA user_version = {len(MIGRATIONS)}"
"""Changes nothing, and is written all the same."""
_ROOM_BYTES: Final = 1 << 20
WAL_BYTES: Final = 4 << 20
"""What a burst made of the file beside the journal is given back, down to this."""
LOST_CURE: Final = (
    "It starts as a new one. To have back what it held: stop the server, `bulkhead restore` a backup."
)
_BUSY_S: Final = 1.0
_log = get_logger("journal")


class Schema(msgspec.Struct, frozen=True):
    """What is in a file.

    Attributes:
        migrations: The statements of each step, the first of which makes an empty file one.
        after: By its number, what a step does beyond its statements, in the same transaction.
        compact_below: A file of an older schema than this is written anew when it was brought up to date.
    """

    migrations: tuple[str, ...]
    after: Mapping[int, Callable[[sqlite3.Connection], None]] = msgspec.field(default_factory=dict)
    compact_below: int = 0


def _remember_ids(db: sqlite3.Connection) -> None:
    found = db.execute("SELECT session_id, token, record FROM sessions ORDER BY number").fetchall()
    db.executemany(REMEMBER, rows.ids_in(found))


JOURNAL: Final = Schema(MIGRATIONS, after={_WITH_IDS: _remember_ids}, compact_below=_WITH_ROWIDS)


async def opened(path: Path, schema: Schema = JOURNAL) -> aiosqlite.Connection:
    """The file, made or brought up to date, locked for as long as it is open.

    Raises:
        JournalUnusable: Not readable, not a journal, from a newer version, or in use by another server.
    """
    try:
        note_lost(path)
        _make_private(path)
    except OSError as error:
        raise JournalUnusable(
            f"cannot write {path}: {error.strerror}",
            cure="Point BULKHEAD_STATE_DIR at a folder this user can write.",
        ) from error
    db = await aiosqlite.connect(path, isolation_level=None, timeout=_BUSY_S)
    # Text that is none makes one row unreadable, where it is read; not the query.
    db.text_factory = lambda raw: raw.decode("utf-8", "replace")
    try:
        in_thread: Any = db._execute
        await in_thread(_prepare, db._conn, path, schema)
    except BaseException as error:
        await db.close()
        if isinstance(error, sqlite3.Error):
            raise unusable(path, error) from error
        raise
    return db


async def copied(db: aiosqlite.Connection, target: Path) -> None:
    """Copy an open database as it is in this moment, by SQLite's online backup, into one new file.

    Raises:
        JournalUnusable, OSError: There is no copy.
    """
    in_thread: Any = db._execute
    try:
        await in_thread(copy, db._conn, target)
    except sqlite3.Error as error:
        raise unusable(target, error) from error


def copy(db: sqlite3.Connection, target: Path) -> None:
    """As `copied`, in the thread of the connection."""
    os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    with closing(sqlite3.connect(target)) as into:
        db.backup(into)
        into.execute("PRAGMA journal_mode = DELETE")  # one file alone: a log beside it would be forgotten


def unusable(path: Path, error: sqlite3.Error) -> JournalUnusable:
    """What SQLite says, with its cure."""
    text = str(error)
    if "locked" in text:
        return JournalUnusable(
            f"{path} is in use by another server",
            cure="Stop that one, or give this one its own BULKHEAD_STATE_DIR.",
        )
    if "full" in text:
        return JournalUnusable(
            f"no space left to write {path}",
            cure="Free some space on its disk; calls are refused until then.",
        )
    if "readonly" in text or "unable to open" in text or "I/O" in text:
        return JournalUnusable(f"cannot write {path}: {text}", cure="Check the disk and the folder's owner.")
    return JournalUnusable(
        f"{path} is damaged: {text}",
        cure=f"Move it away (mv {path} {path}.damaged) to start with an empty one.",
    )


def has_room(path: Path) -> bool:
    """Whether there is room for more than the next page, which a full disk may have by chance."""
    try:
        disk = os.statvfs(path.parent)
    except OSError:
        return True  # nobody can tell; a write will
    return disk.f_bavail * disk.f_frsize >= _ROOM_BYTES


def lost_log(path: Path) -> Path:
    """Where the log is put whose journal is gone."""
    return path.with_name(f"{path.name}.lost-wal")


def note_lost(path: Path) -> None:
    """Say that the journal was emptied or removed, and keep what is left of it: SQLite would delete that.

    A journal has a page before it has a log, so neither is one that was being made when its server died.
    """
    log = path.with_name(f"{path.name}-wal")
    if path.exists() and path.stat().st_size:
        return
    if log.exists() and log.stat().st_size:
        aside = lost_log(path)
        log.replace(aside)
        _log.error("journal.lost", file=str(path), kept=str(aside), cure=LOST_CURE)
    elif path.exists():
        _log.warning("journal.was_empty", file=str(path), cure=LOST_CURE)


def _make_private(path: Path) -> None:
    # SQLite gives its -wal file the rights of the file itself, so these are set before it sees it.
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
    path.chmod(0o600)


def _prepare(db: sqlite3.Connection, path: Path, schema: Schema) -> None:
    db.execute("PRAGMA locking_mode = EXCLUSIVE")
    db.execute("PRAGMA journal_mode = WAL")
    db.execute(f"PRAGMA journal_size_limit = {WAL_BYTES}")
    db.execute("PRAGMA secure_delete = ON")
    version = db.execute("PRAGMA user_version").fetchone()[0]
    newest = len(schema.migrations)
    if version > newest:
        raise JournalUnusable(
            f"{path} was written by a newer version (schema {version}, this one knows {newest})",
            cure="Start the newer version, or choose another BULKHEAD_STATE_DIR.",
        )
    if (verdict := db.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
        raise unusable(path, sqlite3.DatabaseError(str(verdict)))
    for number in range(version + 1, newest + 1):
        _migrate(db, number, schema)
    # Takes the lock now even when nothing had to be migrated.
    db.executescript(f"BEGIN IMMEDIATE; PRAGMA user_version = {newest}; COMMIT;")
    if 0 < version < schema.compact_below:
        try:
            db.execute("VACUUM")  # the pages of the table before
        except sqlite3.Error as error:
            _log.warning("journal.not_compacted", error=str(error))


def _migrate(db: sqlite3.Connection, number: int, schema: Schema) -> None:
    """All of one step, or nothing of it."""
    db.execute("BEGIN IMMEDIATE")
    try:
        for statement in schema.migrations[number - 1].split(";"):
            db.execute(statement)
        if number in schema.after:
            schema.after[number](db)
        db.execute(f"PRAGMA user_version = {number}")
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise
