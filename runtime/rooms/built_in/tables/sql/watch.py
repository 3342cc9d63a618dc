"""SQL that somebody wrote, under watch: SQLite asks what it may do, and what it takes is bounded."""

from __future__ import annotations

import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from runtime.errors import InvalidRequest, RoomFull, RuntimeServiceError
from runtime.rooms.built_in.tables.bounds import TableBounds
from runtime.rooms.built_in.tables.sql.spill import MAX_VALUE_BYTES, bounded

_OF_THE_TEXT: Final = (
    None,
    sqlite3.SQLITE_ERROR,
    sqlite3.SQLITE_RANGE,
    sqlite3.SQLITE_MISMATCH,
    sqlite3.SQLITE_CONSTRAINT,
)
"""What SQLite says where it is the text, or its values, that cannot be run."""


class Watch(ABC):
    """Answers SQLite's questions about what a text may do, while it is prepared.

    Attributes:
        cure: What to do about a text that cannot be run.
        refused: What it may not use; empty as long as it may everything that it wants.
    """

    cure = ""

    def __init__(self) -> None:
        self.refused = ""

    def __call__(
        self, action: int, one: str | None, two: str | None, database: str | None, source: str | None
    ) -> int:
        if self.allows(action, one, two, database, source):
            return sqlite3.SQLITE_OK
        self.refused = self.refused or (two if action == sqlite3.SQLITE_FUNCTION else one) or "that"
        return sqlite3.SQLITE_DENY

    @abstractmethod
    def allows(
        self, action: int, one: str | None, two: str | None, database: str | None, source: str | None
    ) -> bool:
        """Whether it may; the arguments are those of SQLite's authorizers."""

    def objection(self, error: Exception) -> RuntimeServiceError | None:
        """What is said of an error that follows from a refusal; None of others."""
        return (
            InvalidRequest(f"SQL may not use {self.refused} here", cure=self.cure) if self.refused else None
        )


@contextmanager
def watched(
    connection: sqlite3.Connection, watch: Watch, bounds: TableBounds, text: str, values: Any
) -> Iterator[None]:
    """Hold what the connection does to what the watch allows, and to the bounds.

    Args:
        text: What it is to run, with these values.

    Raises:
        InvalidRequest: It cannot be run, or wants what it may not.
        RoomFull: It has to put more rows aside than it may.
    """
    spill = None
    connection.set_authorizer(watch)
    try:
        with bounded(connection, bounds.max_spilled_bytes, [(text, values)]) as spill:
            yield
    except (sqlite3.DatabaseError, sqlite3.Warning) as error:
        code = getattr(error, "sqlite_errorcode", None)
        if (objection := watch.objection(error)) is not None:
            raise objection from error
        if spill is not None and spill.passed:
            raise RoomFull(
                f"it puts more than {bounds.max_spilled_bytes} bytes of rows aside",
                cure="Sort and compare fewer rows, or shorter ones.",
            ) from error
        if code == sqlite3.SQLITE_TOOBIG:
            most = MAX_VALUE_BYTES if spill is None else spill.value_bytes
            raise InvalidRequest(
                f"a value of SQL has at most {most} bytes here",
                cure="" if most == MAX_VALUE_BYTES else "Ask for fewer columns at once.",
            ) from error
        if code in _OF_THE_TEXT or isinstance(error, sqlite3.IntegrityError):
            raise InvalidRequest(f"it cannot be run: {error}", cure=watch.cure) from error
        raise
    finally:
        connection.set_authorizer(None)
