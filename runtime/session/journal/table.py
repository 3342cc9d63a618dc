"""A table as it is read: row by row, and one that is damaged, or another version's, is named and left out."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final, Generic, TypeVar

import msgspec

from runtime.logs import get_logger

Row = tuple[Any, ...]
T = TypeVar("T")
UNREADABLE: Final = (msgspec.MsgspecError, ValueError, TypeError, RecursionError)
"""What reading a row raises when it is not what was written."""


class Table(msgspec.Struct, Generic[T], frozen=True):
    """How one table of a database is read.

    Attributes:
        columns: Those that are read, the ones that name a row first.
        key_count: How many of them name it.
        order: What a query for all of them is sorted by.
        make: Of a row, what it is; raises one of `UNREADABLE`.
    """

    name: str
    columns: tuple[str, ...]
    key_count: int
    order: str
    make: Callable[[Row], T]

    @property
    def every(self) -> str:
        """The query for all rows, in their order."""
        return f"{self.some} ORDER BY {self.order}"

    @property
    def some(self) -> str:
        """The beginning of a query."""
        return f"SELECT {', '.join(self.columns)} FROM {self.name}"

    @property
    def key(self) -> tuple[str, ...]:
        return self.columns[: self.key_count]

    def name_of(self, row: Row) -> str:
        """A row's name for people."""
        return " ".join(map(str, row[: self.key_count]))[:200]

    def read(self, rows: Iterable[Any], *, event: str = "journal.row_skipped") -> list[T]:
        """What can be read of them; of each other one, a warning."""
        found = []
        for row in rows:
            try:
                found.append(self.make(row))
            except UNREADABLE as error:
                get_logger(event.partition(".")[0]).warning(
                    event, table=self.name, row=self.name_of(row), error=str(error)
                )
        return found
