"""The one file of a room's tables: who may read and write it when, for how long, and how much.

Everything runs in threads of its own.  One request at a time writes and some read, each on a connection; what
a request reads is of one moment.  One that takes too long, or whose asker has gone, is interrupted and leaves
nothing half done.  SQLite lets go of the interpreter's lock while it works, so the front goes on meanwhile.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Final, Generic, TypeVar

import msgspec

from runtime.errors import Conflict, InvalidRequest, RoomError, RoomFull, TookTooLong
from runtime.rooms.built_in.tables import catalog
from runtime.rooms.built_in.tables.bounds import TableBounds
from runtime.rooms.built_in.tables.threads import THREADS
from runtime.rooms.files import whole_on_disk

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], T]

FOLDER: Final = "tables"
_NAME: Final = "tables.sqlite3"
_CACHE_KIB: Final = 16_384
_MAX_VALUE_BYTES: Final = 64 * 1024 * 1024
_MAX_PATTERN_BYTES: Final = 1000
_AGAIN_S: Final = 0.05
_LOG_SHARE: Final = 4
_LEAST_LOG_BYTES: Final = 8 * 1024 * 1024
READERS: Final = 3
"""Requests that read the tables of one room at the same time."""


class FileKind(msgspec.Struct, frozen=True):
    """What is different between files.

    Attributes:
        prepare: Makes a connection ready, and in a new file what it needs.
        give_way: Frees room in a full file, then what did not fit is tried once more.
        is_used: Whether there is anything in it; one without is removed when it is closed.
        called: What it is called, where something is said of it.
    """

    prepare: Callable[[sqlite3.Connection], None]
    give_way: Callable[[sqlite3.Connection], None] | None = None
    is_used: Callable[[sqlite3.Connection], bool] = lambda _: True
    called: str = "the room's tables"


def _prepare_tables(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA case_sensitive_like = ON")
    catalog.prepare(connection)  # by whoever comes first: the file may be there, and nothing in it


TABLES: Final = FileKind(
    _prepare_tables, catalog.forget_versions, lambda connection: catalog.count(connection) > 0
)


class TableFile:
    """The tables of one room on disk; the file is made when something is first written.

    Args:
        folder: Where it is; made with it.
        turn: To write, of all files that share it.
    """

    def __init__(
        self,
        folder: Path,
        bounds: TableBounds,
        *,
        name: str = _NAME,
        kind: FileKind = TABLES,
        turn: asyncio.Semaphore | None = None,
    ) -> None:
        self._path = folder / name
        self._bounds, self._kind = bounds, kind
        self._reading = _Side(self._path, bounds, kind, writes=False)
        self._writing = _Side(self._path, bounds, kind, writes=True, shared=turn)

    @property
    def bounds(self) -> TableBounds:
        """How much it may hold."""
        return self._bounds

    async def read(self, work: Work[T], otherwise: Callable[[], T]) -> T:
        """Run something that only reads.

        Args:
            otherwise: What the answer is where nothing was ever written.

        Raises:
            TookTooLong: It did, and was interrupted.
            InvalidRequest: The file would not do it.
        """
        if not self._path.exists():
            return otherwise()
        return await self._reading.run(work, self._bounds.query_s)

    async def write(self, work: Work[T], *, times: int = 1) -> T:
        """Run something that changes tables: all of it or nothing is done.

        Args:
            times: It may take so many times as long as other requests.

        Raises:
            RoomFull: The tables may hold no more.
            TookTooLong: It did, and was taken back.
            InvalidRequest: The file would not do it.
        """
        if self._is_log_long():
            await self._shorten()
        return await self._writing.run(work, self._bounds.query_s * times)

    async def beside(self, work: Callable[[], T]) -> T:
        """Run something that takes time and needs no file."""
        return await (await THREADS.run(self._path.parent, work))

    def _is_log_long(self) -> bool:
        try:
            size = os.stat(f"{self._path}-wal").st_size
        except FileNotFoundError:
            return False
        return size > max(self._bounds.max_bytes // _LOG_SHARE, _LEAST_LOG_BYTES)

    async def _shorten(self) -> None:
        """Put what was written into the file itself.

        SQLite does so by itself, but only begins its log anew in a moment in which nobody reads, and those
        who read by turns leave none.
        """
        async with self._reading.alone(), self._writing.alone() as (link,):
            if self._is_log_long():
                await whole_on_disk(link.shorten)

    async def close(self) -> None:
        """Let go of the file for ever, when what is under way is done.

        Who waits for a turn is refused.  A file that was written to is deleted where its kind says that
        nothing is in it.
        """
        await self._reading.close()
        if await self._writing.close():
            await self.beside(partial(_remove_empty, self._path, self._kind))


class _Side:
    """Those who read, or the one who writes: connections to the file, and whose turn it is."""

    def __init__(
        self,
        path: Path,
        bounds: TableBounds,
        kind: FileKind,
        *,
        writes: bool,
        shared: asyncio.Semaphore | None = None,
    ) -> None:
        self._path, self._bounds, self._kind = path, bounds, kind
        self._count = 1 if writes else READERS
        self._shared, self._is_closed = shared, False
        self._turn = asyncio.Semaphore(self._count)
        self._free = [_Link(path, bounds, kind, writes=writes) for _ in range(self._count)]
        self._taking_all = asyncio.Lock()
        self._waiting = 0

    async def run(self, work: Work[T], most_s: float) -> T:
        if self._waiting >= self._bounds.max_waiting:
            raise RoomFull(f"{self._waiting} requests wait for {self._kind.called} already")
        self._waiting += 1
        try:
            await self._take()
        finally:
            self._waiting -= 1
        link = self._free.pop()
        # The turn ends with the thread's work, not with whoever waits for it.
        try:
            done = await THREADS.run(self._path.parent, partial(link.work, work))
        except BaseException:
            self._let_go(link)
            raise
        done.add_done_callback(lambda _: self._let_go(link))
        clock = Interrupting(link.interrupt, done, most_s)
        try:
            return await clock.result()
        except sqlite3.Error as error:
            raise self._told(error, most_s if clock.fired else None) from error

    async def close(self) -> bool:
        """Close the connections once they are free, for ever; whether there was one."""
        self._is_closed = True
        async with self.alone() as links:
            closed = [await (await THREADS.run(self._path.parent, link.close)) for link in links]
        return any(closed)

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[list[_Link]]:
        """Have all of the turns, and the connections."""
        async with self._taking_all:  # two who have some of them each would wait for ever
            taken = 0
            try:
                for _ in range(self._count):
                    await self._turn.acquire()
                    taken += 1
                yield self._free
            finally:
                for _ in range(taken):
                    self._turn.release()

    async def _take(self) -> None:
        await self._turn.acquire()
        try:
            if self._is_closed:
                raise Conflict(f"{self._kind.called} were closed meanwhile", cure="Ask again.")
            if self._shared is not None:
                await self._shared.acquire()
        except BaseException:
            self._turn.release()
            raise

    def _let_go(self, link: _Link) -> None:
        self._free.append(link)
        if self._shared is not None:
            self._shared.release()
        self._turn.release()

    def _told(self, error: sqlite3.Error, late_s: float | None) -> RoomError:
        code = (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF  # without what it says more exactly
        if code == sqlite3.SQLITE_INTERRUPT:
            if late_s is not None:
                return TookTooLong(
                    f"the request kept {self._kind.called} busy for {late_s:g} s",
                    cure="Ask for less, make an index of the column, or raise rooms.table_query_s.",
                )
            return Conflict("the request was given up")
        if code == sqlite3.SQLITE_FULL:
            return RoomFull(
                f"{self._kind.called} may have {self._bounds.max_bytes} bytes in all",
                cure="Delete rows or tables, or raise rooms.max_tables_bytes.",
            )
        if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            return RoomError(
                f"the file {self._path} is damaged", cure="Restore it from a copy, or move it away."
            )
        if code in (
            sqlite3.SQLITE_IOERR,
            sqlite3.SQLITE_CANTOPEN,
            sqlite3.SQLITE_READONLY,
            sqlite3.SQLITE_BUSY,
        ):
            return RoomError(f"the file {self._path} cannot be used: {error}")
        return InvalidRequest(f"the tables would not do it: {error}")


class _Link:
    """One connection, opened when it is first needed; all but `interrupt` runs in a thread."""

    def __init__(self, path: Path, bounds: TableBounds, kind: FileKind, *, writes: bool) -> None:
        self._path, self._bounds, self._kind, self._writes = path, bounds, kind, writes
        self._connection: sqlite3.Connection | None = None

    def work(self, work: Work[T]) -> T:
        if self._connection is None:
            self._connection = _connect(self._path, self._bounds, self._kind, writes=self._writes)
        try:
            return self._once(self._connection, work)
        except sqlite3.Error as error:
            is_full = getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_FULL
            give_way = self._kind.give_way
            if not self._writes or not is_full or give_way is None:
                raise
        # What tables were is less than what they are: old versions give way, then it is tried once more.
        self._once(self._connection, give_way)
        return self._once(self._connection, work)

    def close(self) -> bool:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
        return connection is not None

    def shorten(self) -> None:
        with suppress(sqlite3.Error):  # what is wrong is told to who writes next
            if self._connection is None:
                self._connection = _connect(self._path, self._bounds, self._kind, writes=self._writes)
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()

    def interrupt(self) -> None:
        if self._connection is not None:
            self._connection.interrupt()

    def _once(self, connection: sqlite3.Connection, work: Work[T]) -> T:
        connection.execute("BEGIN IMMEDIATE" if self._writes else "BEGIN")
        try:
            result = work(connection)
            if self._writes:
                connection.execute("COMMIT")
            return result
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")


class Interrupting(Generic[T]):
    """Interrupts what a connection does when it has taken too long, until it has ended.

    Args:
        interrupt: That of the connection; it may be closed already.
        done: Ends with what it does.

    Attributes:
        fired: It took too long.
    """

    def __init__(self, interrupt: Callable[[], None], done: asyncio.Future[T], after_s: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._interrupt, self._done = interrupt, done
        self._timer = self._loop.call_later(after_s, self._late)
        done.add_done_callback(lambda _: self._timer.cancel())
        self.fired = False

    async def result(self) -> T:
        """What comes of it, or its error; who gives up waiting has it interrupted."""
        try:
            return await asyncio.shield(self._done)
        except asyncio.CancelledError:
            self._now()
            self._done.add_done_callback(_look)
            raise

    def _now(self) -> None:
        """Do so at once, and again: between two statements there is nothing to interrupt."""
        if self._done.done():
            return
        with suppress(sqlite3.ProgrammingError):  # it is closed in this moment
            self._interrupt()
        self._timer.cancel()
        self._timer = self._loop.call_later(_AGAIN_S, self._now)

    def _late(self) -> None:
        self.fired = True
        self._now()


def _look(done: asyncio.Future[T]) -> None:
    """Take the error that nobody waits for any more."""
    if not done.cancelled():
        done.exception()


def _connect(path: Path, bounds: TableBounds, kind: FileKind, *, writes: bool) -> sqlite3.Connection:
    if writes:
        path.parent.mkdir(exist_ok=True, parents=True, mode=0o700)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=bounds.query_s)
    try:
        connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _MAX_VALUE_BYTES)
        connection.setlimit(sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH, _MAX_PATTERN_BYTES)
        (page_bytes,) = connection.execute("PRAGMA page_size").fetchone()  # a file may come from elsewhere
        for setting in (
            "journal_mode = WAL",
            "synchronous = FULL",
            f"max_page_count = {max(bounds.max_bytes // page_bytes, 64)}",
            f"cache_size = -{_CACHE_KIB}",
            f"journal_size_limit = {bounds.max_bytes // _LOG_SHARE}",
        ):
            connection.execute(f"PRAGMA {setting}")
        kind.prepare(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _remove_empty(path: Path, kind: FileKind) -> None:
    connection = sqlite3.connect(path)
    try:
        is_used = kind.is_used(connection)
    finally:
        connection.close()
    if not is_used:
        for ending in ("", "-wal", "-shm"):
            path.with_name(path.name + ending).unlink(missing_ok=True)
        with suppress(OSError):  # the room keeps more than tables there
            path.parent.rmdir()
