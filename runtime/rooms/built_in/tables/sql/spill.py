"""What a query that somebody wrote may take of memory and of the disk while it runs.

SQLite bounds neither: values grow by every concatenation, and rows that are sorted or told apart go into
files without a name.  So values are kept small while it runs, the smaller the more of them there can be at
once, and those files are looked at now and then.
"""

from __future__ import annotations

import os
import sqlite3
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Final

MAX_VALUE_BYTES: Final = 1024 * 1024
MAX_HELD_BYTES: Final = 32 * 1024 * 1024
"""Of all values that one query can have at once."""
MAX_COLUMNS: Final = 256
_MIN_VALUE_BYTES: Final = 4096
_ROWS: Final = frozenset({"ResultRow", "MakeRecord"})
_MAKE: Final = frozenset({"Variable", "String8", "Copy", "SCopy", "Blob"})
_STEPS: Final = 100_000
_LOOK_S: Final = 0.1
_NAME: Final = "/etilqs_"


class Spill:
    """Looks at the files of queries that run, those of all rooms together.

    Attributes:
        passed: They were larger than they may be, and this query was ended for it.
        value_bytes: What one value of it may have.
    """

    def __init__(self, max_bytes: int, value_bytes: int) -> None:
        self._max_bytes, self.value_bytes = max_bytes, value_bytes
        self._next = time.monotonic() + _LOOK_S
        self.passed = False

    def __call__(self) -> int:
        now = time.monotonic()
        if now >= self._next:
            self._next = now + _LOOK_S
            self.passed = self.passed or spilled_bytes() > self._max_bytes
        return int(self.passed)


@contextmanager
def bounded(
    connection: sqlite3.Connection,
    max_bytes: int,
    texts: Iterable[tuple[str, Any]],
    *,
    value_bytes: int = MAX_VALUE_BYTES,
    held_bytes: int = MAX_HELD_BYTES,
) -> Iterator[Spill]:
    """Hold what the connection does to these bounds.

    Args:
        max_bytes: Of those files.
        texts: What it is to run, each with values.
        value_bytes: Of one value.
        held_bytes: Of all values at once.
    """
    spill = Spill(max_bytes, value_bytes)
    limits = {
        sqlite3.SQLITE_LIMIT_LENGTH: value_bytes,
        sqlite3.SQLITE_LIMIT_COLUMN: MAX_COLUMNS,
    }
    before = {limit: connection.setlimit(limit, most) for limit, most in limits.items()}
    connection.set_progress_handler(spill, _STEPS)
    try:
        registers = max((_registers(connection, *one) for one in texts), default=1)
        spill.value_bytes = max(_MIN_VALUE_BYTES, min(value_bytes, held_bytes // registers))
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, spill.value_bytes)
        yield spill
    finally:
        connection.set_progress_handler(None, _STEPS)
        for limit, most in before.items():
            connection.setlimit(limit, most)


def _registers(connection: sqlite3.Connection, text: str, values: Any) -> int:
    """How many values there can be at once while it runs, as its program says; without end if it says not."""
    most = 1
    try:
        for _, step, one, two, three, *_ in connection.execute(f"EXPLAIN {text}", values):
            if step != "Init":  # the third of which is no register
                most = max(most, three, one + two if step in _ROWS else two if step in _MAKE else 0)
    except (sqlite3.Error, sqlite3.Warning, ValueError):
        # It may be one that runs all the same: what begins with a semicolon does, and is not explained.
        return sys.maxsize
    return most


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
