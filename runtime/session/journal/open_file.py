"""A file of tables that is open: what is done with it, in its own thread, one transaction at a time."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import aiosqlite

from runtime.session.journal import file

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], T]


class OpenFile:
    """What `file.opened` opened; close it with `aclose`."""

    def __init__(self, db: aiosqlite.Connection, path: Path) -> None:
        self._db, self._path = db, path

    async def change(self, work: Work[T]) -> T:
        """Do something in one transaction, and return once it is written.

        Args:
            work: Run in the file's own thread; whatever it raises undoes all of it.

        Raises:
            JournalUnusable: It cannot be written; nothing was changed.
        """

        def whole(db: sqlite3.Connection) -> T:
            db.execute("BEGIN IMMEDIATE")
            try:
                found = work(db)
                db.execute("COMMIT")
            except BaseException:
                if db.in_transaction:
                    db.execute("ROLLBACK")
                raise
            return found

        return await self.read(whole)

    async def read(self, work: Work[T]) -> T:
        """Look something up, in the file's own thread.

        Raises:
            JournalUnusable: It cannot be read.
        """
        in_thread: Any = self._db._execute
        try:
            found: T = await in_thread(work, self._db._conn)
        except sqlite3.Error as error:
            raise file.unusable(self._path, error) from error
        return found

    async def copy(self, target: Path) -> None:
        """Copy the file to a new one.

        Raises:
            JournalUnusable, OSError: There is no copy.
        """
        await file.copied(self._db, target)

    async def aclose(self) -> None:
        """Close the file."""
        await self._db.close()
