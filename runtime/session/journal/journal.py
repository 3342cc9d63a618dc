"""The journal: every accepted call and what became of it, in one SQLite file.

What survives what
    A call is answered only after its row is in the file *and* the file's log was flushed to the disk
    (``synchronous=FULL``), so it survives a killed process, a crashed kernel and a power cut.  What becomes
    of it later (started, ready, exited) is written without waiting for the disk (``synchronous=NORMAL``): it
    survives a killed process, and a power cut takes at most the last moments of it, never an accepted call.
Group commit
    One task writes.  While the disk is busy with one batch, everything that arrives becomes the next one, so
    a burst of calls pays one flush together, and ten changes of one session are one row.
One server per file
    The file is locked for as long as it is open; a second server on it is told so.
Ids
    The callers' ids of calls are a table of their own, written with the call: what becomes of the session,
    and when it is forgotten, changes nothing about them.
Secrets
    The file is readable for its owner alone.  A token is in it only while its session may still have to be
    started again; the page it stood on is overwritten when the session ends.
"""

from __future__ import annotations

import asyncio
import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import aiosqlite
import msgspec

from runtime.errors import JournalUnusable
from runtime.logs import get_logger
from runtime.session.calls.call_ids import REMEMBER_COUNT, CallId
from runtime.session.journal import file, rows
from runtime.session.journal.table import Row
from runtime.session.quarantine import MAX_INPUTS, Parked
from runtime.session.record import SessionRecord
from runtime.session.spec import SessionId, SessionSpec
from runtime.session.usage import MAX_DAYS, DayRow

_UPSERT: Final = """
    INSERT INTO sessions (session_id, state, accepted_at, ended_at, token, record) VALUES (?, ?, ?, ?, ?, ?)
    ON CONFLICT (session_id) DO UPDATE SET
        state = excluded.state, ended_at = excluded.ended_at, token = excluded.token, record = excluded.record
"""
_PRUNE: Final = """
    DELETE FROM sessions WHERE session_id IN (
        SELECT session_id FROM sessions WHERE ended_at IS NOT NULL ORDER BY ended_at DESC LIMIT -1 OFFSET ?)
"""
_PARK: Final = "INSERT OR REPLACE INTO quarantine (hash, at, parked) VALUES (?, ?, ?)"
_BOUND_PARKED: Final = f"""
    DELETE FROM quarantine WHERE hash IN (
        SELECT hash FROM quarantine ORDER BY at DESC LIMIT -1 OFFSET {MAX_INPUTS})
"""
_SUM: Final = (
    "INSERT OR REPLACE INTO usage_days (day, endpoint, identity, room, usage) VALUES (?, ?, ?, ?, ?)"
)
_BOUND_DAYS: Final = f"""
    DELETE FROM usage_days WHERE day NOT IN (
        SELECT DISTINCT day FROM usage_days ORDER BY day DESC LIMIT {MAX_DAYS})
"""
_BOUND_IDS: Final = f"DELETE FROM ids WHERE number <= (SELECT max(number) FROM ids) - {REMEMBER_COUNT}"
_FREE: Final = "DELETE FROM ids WHERE endpoint = ? AND id = ? AND session_id = ?"
_RETRY_S: Final = 1.0

_Row = tuple[str, str, float, float | None, str, bytes]
_Statement = tuple[str, tuple[Any, ...]]
_log = get_logger("journal")


class Journal:
    """An open journal; make one with `open`, and close it with `aclose`."""

    def __init__(self, db: aiosqlite.Connection, path: Path, history_count: int) -> None:
        self._db, self._path, self._history_count = db, path, history_count
        self._dirty: dict[SessionId, SessionRecord] = {}  # written as they are when it is their turn
        self._statements: dict[tuple[str, ...], _Statement] = {}  # by their subject: the last one counts
        self._ids: dict[SessionId, Row] = {}  # of those that are being accepted
        self._waiting: dict[SessionId, asyncio.Future[None]] = {}
        self._wake, self._idle = asyncio.Event(), asyncio.Event()
        self._idle.set()
        self._closing = False
        self.failing = ""
        self._was_full = False  # what failed, failed for want of room
        self._writer = asyncio.create_task(self._write_forever(), name="journal")

    @classmethod
    async def open(cls, path: Path, *, history_count: int) -> Journal:
        """Open the file, or make it; bring its tables up to date.

        Args:
            history_count: Ended sessions that stay in it.

        Raises:
            JournalUnusable: Not readable, not a journal, from a newer version, or in use by another server.
        """
        db = await file.opened(path)
        return cls(db, path, history_count)

    async def load(self) -> list[SessionRecord]:
        """Every record in the file, in the order in which the calls were accepted.

        A row that cannot be read (damaged, or written by another version) is skipped, and named in the log.
        """
        return rows.SESSIONS.read(await self._fetch(rows.SESSIONS.every))

    async def load_parked(self) -> list[Parked]:
        """The inputs in quarantine, the oldest first."""
        return rows.QUARANTINE.read(await self._fetch(rows.QUARANTINE.every))

    async def load_usage(self) -> list[DayRow]:
        """The sums of days."""
        return rows.USAGE_DAYS.read(await self._fetch(rows.USAGE_DAYS.every))

    async def load_ids(self, *, since: float) -> list[CallId]:
        """The callers' ids of calls that were accepted after `since`; older ones are forgotten."""
        self._state(("ids",), "DELETE FROM ids WHERE at < ?", (since,))
        return [one for one in rows.IDS.read(await self._fetch(rows.IDS.every)) if one.at >= since]

    def note_parked(self, parked: Parked) -> None:
        """Write an input into the quarantine, soon."""
        self._state(("quarantine", parked.hash), _PARK, (parked.hash, parked.at, msgspec.json.encode(parked)))
        self._state(("quarantine",), _BOUND_PARKED, ())

    def note_released(self, hash: str) -> None:
        """Take an input out of the quarantine, soon."""
        self._state(("quarantine", hash), "DELETE FROM quarantine WHERE hash = ?", (hash,))

    def note_usage(self, row: DayRow) -> None:
        """Write the sum of a day, soon, and together with whatever else is noted in this moment."""
        self._state(("usage", *row.key), _SUM, (*row.key, msgspec.json.encode(row.usage)))
        self._state(("usage",), _BOUND_DAYS, ())

    async def accept(self, record: SessionRecord) -> None:
        """Write a new session down and return once it is on the disk.

        Raises:
            JournalUnusable: It is not, and will not be.
        """
        if self._closing:
            raise JournalUnusable(
                "the journal is closed", cure="Send the call again when the server is back."
            )
        session_id = record.spec.session_id
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[session_id] = done
        if (called := CallId.of(record.spec)) is not None:
            self._ids[session_id] = rows.row_of(called)
        self._put(record)
        await done

    def note(self, record: SessionRecord) -> None:
        """Write the record as it is now, soon; a write that fails is tried again until it succeeds."""
        if not self._closing:
            self._put(record)

    def forget(self, session_id: SessionId) -> None:
        """Delete an ended session, soon, and together with whatever else is noted in this moment."""
        self._state(("session", session_id), "DELETE FROM sessions WHERE session_id = ?", (session_id,))

    def free_id(self, spec: SessionSpec) -> None:
        """Forget the id of a call that was written down and came to nothing, soon."""
        if spec.webhook_id:
            key = (spec.endpoint, spec.webhook_id, spec.session_id)
            self._state(("ids", *key), _FREE, key)

    async def flush(self) -> None:
        """Return once everything noted so far was tried to be written."""
        await self._idle.wait()

    async def copy(self, target: Path) -> None:
        """Copy the file, with all that was accepted so far, to a new one; whoever writes waits meanwhile.

        Raises:
            JournalUnusable, OSError: There is no copy.
        """
        await file.copied(self._db, target)

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

    def _put(self, record: SessionRecord) -> None:
        self._dirty[record.spec.session_id] = record
        self._idle.clear()
        self._wake.set()

    def _state(self, about: tuple[str, ...], sql: str, values: tuple[Any, ...]) -> None:
        if not self._closing:
            self._statements.pop(about, None)
            self._statements[about] = (sql, values)
            self._idle.clear()
            self._wake.set()

    async def _fetch(self, query: str) -> list[Any]:
        try:
            return list(await self._db.execute_fetchall(query))
        except sqlite3.Error as error:
            raise file.unusable(self._path, error) from error

    async def _write_forever(self) -> None:
        while not (self._closing and not self._has_work):
            await self._wake.wait()
            self._wake.clear()
            if self._has_work and not await self._write_batch():
                if self._closing:
                    break
                self._idle.set()
                await asyncio.sleep(_RETRY_S)  # new calls meanwhile wait for one more try, then hear why
                self._wake.set()
            elif not self._has_work:
                self._idle.set()

    @property
    def _has_work(self) -> bool:
        return bool(self._dirty or self._statements)

    async def _write_batch(self) -> bool:
        written, self._dirty = self._dirty, {}
        ids, self._ids = self._ids, {}
        statements, self._statements = self._statements, {}
        waiting, self._waiting = self._waiting, {}
        try:
            await self._commit(
                [_row(record) for record in written.values()],
                list(ids.values()),
                list(statements.values()),
                durable=bool(waiting or self.failing),  # what failed is tried whole before all is well again
            )
        except sqlite3.Error as error:
            problem = file.unusable(self._path, error)
            for session_id, done in waiting.items():
                written.pop(session_id, None)
                if not done.done():
                    done.set_exception(problem)
            self._dirty = written | self._dirty
            self._statements = statements | self._statements
            # So that there is something to try again, and all is well by itself when it can be.
            self._state(("retry",), file.TOUCH, ())
            if self.failing != problem.message:
                _log.error("journal.write_failed", error=problem.message, cure=problem.cure)
            self.failing = problem.message
            self._was_full = "full" in str(error)
            return False
        for done in waiting.values():
            if not done.done():
                done.set_result(None)
        if self._was_full and not file.has_room(self._path):
            # A row went into what was left by chance; the next call's may not.
            self._state(("retry",), file.TOUCH, ())
            return False
        if self.failing:
            _log.info("journal.write_recovered")
            self.failing, self._was_full = "", False
        return True

    async def _commit(
        self, written: list[_Row], ids: list[Row], statements: list[_Statement], *, durable: bool
    ) -> None:
        # All of it in one turn of the connection's thread: a turn for each statement made five of a batch,
        # and waking a thread and being woken by it costs the loop more than the statement.
        in_thread: Any = self._db._execute
        await in_thread(_write, self._db._conn, written, ids, statements, self._history_count, durable)


def _row(record: SessionRecord) -> _Row:
    spec = record.spec
    exit = None if record.is_due else record.exit  # to be started again: kept, with its token
    plain = msgspec.structs.replace(record, spec=replace(spec, token="")) if spec.token else record
    return (
        spec.session_id,
        record.state,
        spec.accepted_at,
        None if exit is None else exit.at,
        spec.token if exit is None else "",
        msgspec.json.encode(plain),
    )


def _write(
    db: sqlite3.Connection,
    written: list[_Row],
    ids: list[Row],
    statements: list[_Statement],
    history_count: int,
    durable: bool,
) -> None:
    """One transaction.  Runs in the connection's thread."""
    db.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
    db.execute("BEGIN IMMEDIATE")
    try:
        db.executemany(_UPSERT, written)
        if ids:
            db.executemany(file.REMEMBER, ids)
            db.execute(_BOUND_IDS)
        if any(row[3] is not None for row in written):
            db.execute(_PRUNE, (history_count,))
        for sql, values in statements:
            db.execute(sql, values)
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise
