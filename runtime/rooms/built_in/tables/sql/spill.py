"""What a query that somebody wrote may take of memory and of the disk while it runs.

SQLite bounds neither: values grow by every concatenation, and rows that are sorted or told apart go into
files without a name.  So values are kept small while it runs, and those files are looked at now and then.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

MAX_VALUE_BYTES: Final = 1024 * 1024
MAX_COLUMNS: Final = 256
_STEPS: Final = 100_000
_LOOK_S: Final = 0.1
_NAME: Final = "/etilqs_"


class Spill:
    """Looks at the files of queries that run, those of all rooms together.

    Attributes:
        passed: They were larger than they may be, and this query was ended for it.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._next = time.monotonic() + _LOOK_S
        self.passed = False

    def __call__(self) -> int:
        now = time.monotonic()
        if now >= self._next:
            self._next = now + _LOOK_S
            self.passed = self.passed or spilled_bytes() > self._max_bytes
        return int(self.passed)


@contextmanager
def bounded(connection: sqlite3.Connection, max_bytes: int) -> Iterator[Spill]:
    """Hold what the connection does to these bounds.

    Args:
        max_bytes: Of those files.
    """
    spill = Spill(max_bytes)
    limits = {
        sqlite3.SQLITE_LIMIT_LENGTH: MAX_VALUE_BYTES,
        sqlite3.SQLITE_LIMIT_COLUMN: MAX_COLUMNS,
    }
    before = {limit: connection.setlimit(limit, most) for limit, most in limits.items()}
    connection.set_progress_handler(spill, _STEPS)
    try:
        yield spill
    finally:
        connection.set_progress_handler(None, _STEPS)
        for limit, most in before.items():
            connection.setlimit(limit, most)


def spilled_bytes() -> int:
    """The size of the files that SQLite has put rows into, in this process."""
    found = 0
    for name in os.listdir("/proc/self/fd"):
        path = f"/proc/self/fd/{name}"
        try:
            if _NAME in os.readlink(path):
                found += os.stat(path).st_size
        except OSError:
            continue  # closed meanwhile
    return found
