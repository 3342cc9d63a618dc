"""What the databases of one room may take of the disk, all of them together.

SQLite bounds a file, not a folder.  So who writes takes turns, and gets for its file what the others left.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Mapping
from typing import TypeVar

from runtime.errors import RoomFull
from runtime.rooms.built_in.tables.file import Work

T = TypeVar("T")


class Share:
    """Sizes of the files.

    Attributes:
        turn: To write any of them.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._sizes: dict[str, int] = {}  # changed by the loop, and by the thread whose turn it is
        self.turn = asyncio.Semaphore(1)

    def begin(self, sizes: Mapping[str, int]) -> None:
        """Those that are there already."""
        self._sizes = dict(sizes)

    def of(self, file: str) -> int:
        """What one of them takes."""
        return self._sizes.get(file, 0)

    def add(self, file: str, size: int) -> None:
        """Another one came, which was `need`ed before; `turn` is the caller's."""
        self._sizes[file] = size

    def forget(self, file: str) -> None:
        """One is gone."""
        self._sizes.pop(file, None)

    def need(self, size: int) -> None:
        """Raises RoomFull where so many bytes do not fit beside what there is."""
        if sum(self._sizes.values()) + size > self._max_bytes:
            raise RoomFull(
                f"the room's databases may have {self._max_bytes} bytes in all",
                cure="Drop some, or raise rooms.max_tables_bytes.",
            )

    def within(self, file: str, work: Work[T]) -> Work[T]:
        """Something that writes into one of them, and makes it no larger than it may be."""

        def bounded(connection: sqlite3.Connection) -> T:
            (page_bytes,) = connection.execute("PRAGMA page_size").fetchone()
            others = sum(size for other, size in tuple(self._sizes.items()) if other != file)
            # A file that is larger already stays so, and cannot grow.
            most = max((self._max_bytes - others) // page_bytes, 1)
            connection.execute(f"PRAGMA max_page_count = {most}")
            result = work(connection)
            (pages,) = connection.execute("PRAGMA page_count").fetchone()
            self._sizes[file] = pages * page_bytes
            return result

        return bounded
