"""The store of crash reports: one SQLite file beside the journal, bounded in number and bytes.

What stays
    The newest reports, of one fingerprint at most `PER_GROUP_COUNT`, so that an agent that crashes in a loop
    does not push everybody else's reports out.  A group (how often, since when, which code brought it)
    outlives its reports and is a row of its own.
What waits
    Nothing: `keep` only takes the report; one task writes, and whoever asks is answered once that is done.
    A report that cannot be written is kept in memory and tried again, up to `MAX_WAITING` of them.
Secrets
    Reports are redacted before they get here; the file is for its owner alone all the same.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, TypeVar

import aiosqlite
import msgspec

from runtime.errors import JournalUnusable
from runtime.logs import get_logger
from runtime.session.crash import CrashReport, from_json, to_json
from runtime.session.journal.file import copied, unusable
from runtime.session.journal.table import Row, Table

PER_GROUP_COUNT: Final = 25
MAX_WAITING: Final = 200
_BATCH_COUNT: Final = 20
_RETRY_S: Final = 1.0
VERSION: Final = 1
_SCHEMA: Final = """
    CREATE TABLE IF NOT EXISTS reports (
        seq INTEGER PRIMARY KEY,
        session_id TEXT NOT NULL,
        generation INTEGER NOT NULL,
        fingerprint TEXT NOT NULL,
        size INTEGER NOT NULL,
        report BLOB NOT NULL,
        UNIQUE (session_id, generation)
    );
    CREATE INDEX IF NOT EXISTS reports_fingerprint ON reports (fingerprint);
    CREATE TABLE IF NOT EXISTS groups (
        fingerprint TEXT PRIMARY KEY,
        count INTEGER NOT NULL,
        first_at REAL NOT NULL,
        last_at REAL NOT NULL,
        code_generation INTEGER NOT NULL,
        code_sha256 TEXT NOT NULL,
        about BLOB NOT NULL
    );
"""
# First within the groups: what a crash loop adds must not count against the others.
_PRUNE_LOOPS: Final = """
    DELETE FROM reports WHERE seq IN (
        SELECT seq FROM (
            SELECT seq, ROW_NUMBER() OVER (PARTITION BY fingerprint ORDER BY seq DESC) AS place FROM reports)
        WHERE place > ?)
"""
_PRUNE: Final = """
    DELETE FROM reports WHERE seq IN (
        SELECT seq FROM (
            SELECT
                seq,
                ROW_NUMBER() OVER (ORDER BY seq DESC) AS place,
                SUM(size) OVER (ORDER BY seq DESC) AS total
            FROM reports)
        WHERE place > ? OR total > ?)
"""
_COUNT: Final = """
    INSERT INTO groups (fingerprint, count, first_at, last_at, code_generation, code_sha256, about)
    VALUES (?, 1, ?, ?, ?, ?, ?)
    ON CONFLICT (fingerprint) DO UPDATE SET
        count = count + 1, last_at = MAX(last_at, excluded.last_at), about = excluded.about
"""
_PRUNE_GROUPS: Final = """
    DELETE FROM groups WHERE fingerprint IN (
        SELECT fingerprint FROM groups ORDER BY last_at DESC LIMIT -1 OFFSET ?)
"""
T = TypeVar("T")
_log = get_logger("crashes")


class CrashGroup(msgspec.Struct, frozen=True, kw_only=True):
    """Crashes of one kind at one place.

    Attributes:
        count: How many there were; more than there are reports, which are bounded.
        first_at: Seconds since the epoch.
        code_generation: The generation of the bundle's code that brought it, as this server counted then.
        code_sha256: Of the program that brought it.
        session_id: Of the latest one.
        sentence: Of the latest one, as `cure` and `where`.
    """

    fingerprint: str
    reason: str
    kind: str
    endpoint: str
    bundle: str
    count: int
    first_at: float
    last_at: float
    code_generation: int
    code_sha256: str
    session_id: str
    sentence: str
    cure: str
    where: str


class CrashStore:
    """An open store; make one with `open`, and close it with `aclose`.

    Args:
        keep_count: Reports, and groups, that stay.
        keep_bytes: What the reports may come to together.
    """

    def __init__(self, db: aiosqlite.Connection, *, keep_count: int, keep_bytes: int) -> None:
        self._db, self._keep_count, self._keep_bytes = db, keep_count, keep_bytes
        self._waiting: dict[tuple[str, int], CrashReport] = {}
        self._wake, self._idle = asyncio.Event(), asyncio.Event()
        self._idle.set()
        self._closing = False
        self._writer = asyncio.create_task(self._write_forever(), name="crashes")

    @classmethod
    async def open(cls, path: Path, *, keep_count: int, keep_bytes: int) -> CrashStore:
        """Open the file, or make it; a damaged one is moved aside, for old reports must not stop a server.

        Raises:
            JournalUnusable: It cannot be written.
        """
        try:
            try:
                db = await _connect(path)
            except sqlite3.DatabaseError as error:
                if isinstance(error, sqlite3.OperationalError):
                    raise
                aside = _moved_aside(path)
                _log.warning("crashes.moved_aside", error=str(error), file=str(aside))
                db = await _connect(path)
        except (sqlite3.Error, OSError) as error:
            raise JournalUnusable(
                f"cannot write {path}: {error}",
                cure="Point BULKHEAD_STATE_DIR at a folder this user can write.",
            ) from error
        return cls(db, keep_count=keep_count, keep_bytes=keep_bytes)

    def keep(self, report: CrashReport) -> None:
        """Take a report; from now on it is found."""
        if self._closing:
            return
        self._waiting[(report.session_id, report.generation)] = report
        while len(self._waiting) > MAX_WAITING:
            lost = self._waiting.pop(next(iter(self._waiting)))
            _log.warning("crashes.report_lost", session_id=lost.session_id)
        self._idle.clear()
        self._wake.set()

    async def report(self, session_id: str, generation: int | None = None) -> CrashReport | None:
        """The report of a session's latest attempt that ended badly, or of the attempt that is named."""
        for (waiting_id, number), report in reversed(self._waiting.items()):
            if waiting_id == session_id and generation in (None, number):
                return report
        which = "WHERE session_id = ? AND ? IN (generation, 0)"
        return next(iter(await self._ask(REPORTS, which, (session_id, generation or 0))), None)

    async def groups(self) -> list[CrashGroup]:
        """All groups, the one that crashed last first."""
        return await self._ask(GROUPS, "")

    async def group(self, fingerprint: str) -> tuple[CrashGroup, list[CrashReport]] | None:
        """One group and its reports that are kept, the latest first; None when there is no such group."""
        found = await self._ask(GROUPS, "WHERE fingerprint = ?", (fingerprint,))
        if not found:
            return None
        return found[0], await self._ask(REPORTS, "WHERE fingerprint = ?", (fingerprint,))

    async def copy(self, target: Path) -> None:
        """Copy the file to a new one.

        Raises:
            JournalUnusable, OSError: There is no copy.
        """
        try:
            await copied(self._db, target)
        except sqlite3.Error as error:
            raise unusable(target, error) from error

    async def aclose(self) -> None:
        """Write what is left and close the file.  Safe to call twice."""
        if self._closing:
            return
        self._closing = True
        self._wake.set()
        try:
            await self._writer
        finally:
            await self._db.close()

    async def _ask(self, table: Table[T], which: str, values: tuple[Any, ...] = ()) -> list[T]:
        if self._closing:
            return []
        await self._idle.wait()
        try:
            rows = await self._db.execute_fetchall(f"{table.some} {which} ORDER BY {table.order}", values)
        except sqlite3.DatabaseError as error:
            _log.warning("crashes.unreadable", error=str(error))
            return []
        return table.read(rows, event="crashes.row_skipped")

    async def _write_forever(self) -> None:
        while not (self._closing and not self._waiting):
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                batch = list(self._waiting.items())[:_BATCH_COUNT]
                try:
                    await self._write([report for _, report in batch])
                except Exception as error:  # noqa: BLE001 - the edge of the task: nobody may wait for a dead writer
                    _log.error("crashes.write_failed", error=str(error))
                    self._idle.set()  # who asks meanwhile is answered from memory, or from what is written
                    if self._closing:
                        return
                    await asyncio.sleep(_RETRY_S)
                    continue
                for key, report in batch:
                    if self._waiting.get(key) is report:
                        del self._waiting[key]
            self._idle.set()

    async def _write(self, reports: list[CrashReport]) -> None:
        await self._db.execute("BEGIN IMMEDIATE")
        try:
            for report in reports:
                await self._insert(report)
            await self._db.execute(_PRUNE_LOOPS, (PER_GROUP_COUNT,))
            await self._db.execute(_PRUNE, (self._keep_count, self._keep_bytes))
            await self._db.execute(_PRUNE_GROUPS, (self._keep_count,))
            await self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                await self._db.execute("ROLLBACK")
            raise

    async def _insert(self, report: CrashReport) -> None:
        try:
            blob, about = to_json(report), _about(report)
        except (ValueError, TypeError, msgspec.MsgspecError) as error:
            # It will be no different the next time, and others wait behind it.
            _log.error("crashes.report_unwritable", session_id=report.session_id, error=str(error))
            return
        row = (report.session_id, report.generation, report.fingerprint, len(blob), blob)
        cursor = await self._db.execute(
            "INSERT OR IGNORE INTO reports (session_id, generation, fingerprint, size, report)"
            " VALUES (?, ?, ?, ?, ?)",
            row,
        )
        if cursor.rowcount == 0:
            return  # told before: it counts once
        code = report.code
        values = (report.fingerprint, report.at, report.at, code.generation, code.sha256, about)
        await self._db.execute(_COUNT, values)


def _about(report: CrashReport) -> str:
    failure = report.exit.failure
    group = CrashGroup(
        fingerprint=report.fingerprint,
        reason=report.exit.reason.value,
        kind=failure.kind if failure is not None else "",
        endpoint=report.endpoint,
        bundle=report.code.bundle,
        count=1,
        first_at=report.at,
        last_at=report.at,
        code_generation=report.code.generation,
        code_sha256=report.code.sha256,
        session_id=report.session_id,
        sentence=report.sentence[:500],
        cure=report.cure[:500],
        where=report.where[:500],
    )
    return msgspec.json.encode(group).decode()


def _group(row: Row) -> CrashGroup:
    fingerprint, about, count, first_at, last_at, generation, sha256 = row
    more = {"count": count, "first_at": first_at, "last_at": last_at}
    code = {"code_generation": generation, "code_sha256": sha256}
    told = msgspec.json.decode(about, type=dict[str, Any])
    group = msgspec.convert({**told, **more, **code}, CrashGroup)
    if group.fingerprint != fingerprint:
        raise ValueError(f"it is that of {group.fingerprint[:40]!r}")
    return group


def _report(row: Row) -> CrashReport:
    session_id, generation, blob = row
    report = from_json(blob)
    if (report.session_id, report.generation) != (session_id, generation):
        raise ValueError(f"it is that of {report.session_id[:40]!r}")
    return report


GROUPS: Final = Table(
    "groups",
    ("fingerprint", "about", "count", "first_at", "last_at", "code_generation", "code_sha256"),
    1,
    "last_at DESC, fingerprint",
    _group,
)
REPORTS: Final = Table("reports", ("session_id", "generation", "report"), 2, "seq DESC", _report)
TABLES: Final[tuple[Table[Any], ...]] = (GROUPS, REPORTS)


def _moved_aside(path: Path) -> Path:
    aside = path.with_suffix(".damaged")
    for end in ("", "-wal"):  # a log that is left would be taken for the new file's
        with suppress(FileNotFoundError):
            os.replace(f"{path}{end}", f"{aside}{end}")
    return aside


def _make_private(path: Path) -> None:
    # SQLite gives its -wal file the rights of the file itself, so these are set before it sees it.
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
    path.chmod(0o600)


async def _connect(path: Path) -> aiosqlite.Connection:
    _make_private(path)
    db = await aiosqlite.connect(path, isolation_level=None, timeout=1.0)
    # Text that is none makes one row unreadable, where it is read; not the query.
    db.text_factory = lambda raw: raw.decode("utf-8", "replace")
    try:
        for pragma in ("journal_mode = WAL", "synchronous = NORMAL", "journal_size_limit = 4194304"):
            await db.execute(f"PRAGMA {pragma}")
        (verdict,), *_ = await db.execute_fetchall("PRAGMA quick_check(1)")
        if verdict != "ok":
            raise sqlite3.DatabaseError(str(verdict))
        rows = list(await db.execute_fetchall("PRAGMA user_version"))
        if rows[0][0] not in (0, VERSION):
            raise sqlite3.DatabaseError(f"written by another version (schema {rows[0][0]})")
        await db.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} PRAGMA user_version = {VERSION}; COMMIT;")
    except BaseException:
        await db.close()
        raise
    return db
