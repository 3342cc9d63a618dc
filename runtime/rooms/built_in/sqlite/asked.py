"""SQL of participants in a database of theirs: anything that stays within its file."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any, Final

from runtime.errors import InvalidRequest, PermissionDenied, RoomFull
from runtime.rooms.built_in.database import cells
from runtime.rooms.built_in.tables.bounds import TableBounds
from runtime.rooms.built_in.tables.cell import finite, read_bytes
from runtime.rooms.built_in.tables.query import MAX_QUERY_CHARS
from runtime.rooms.built_in.tables.spill import bounded
from runtime.wire.text import utf8_text

Allows = Callable[[str, str], bool]
"""Whether a table, by name, may be read, written or altered."""

_READING: Final = ("SELECT", "WITH", "VALUES", "EXPLAIN", "PRAGMA")
_CHANGES: Final = {
    sqlite3.SQLITE_INSERT: "write",
    sqlite3.SQLITE_UPDATE: "write",
    sqlite3.SQLITE_DELETE: "write",
    sqlite3.SQLITE_DROP_TABLE: "alter",
    sqlite3.SQLITE_ALTER_TABLE: "alter",
}
_MAKES: Final = frozenset(
    {
        sqlite3.SQLITE_CREATE_INDEX,
        sqlite3.SQLITE_CREATE_TABLE,
        sqlite3.SQLITE_CREATE_TRIGGER,
        sqlite3.SQLITE_CREATE_VIEW,
        sqlite3.SQLITE_DROP_INDEX,
        sqlite3.SQLITE_DROP_TRIGGER,
        sqlite3.SQLITE_DROP_VIEW,
        sqlite3.SQLITE_REINDEX,
        sqlite3.SQLITE_ANALYZE,
    }
)
_OWN: Final = frozenset(
    {"sqlite_master", "sqlite_schema", "sqlite_temp_master", "sqlite_sequence", "sqlite_stat1"}
)
"""What SQLite notes of tables, of which there is nothing but names and counts in it."""
_VIRTUAL: Final = frozenset({"fts5", "rtree"})
_NEVER: Final = frozenset({"load_extension", "readfile", "writefile", "edit", "fts3_tokenizer"})
_PRAGMAS: Final = frozenset(
    """
    application_id data_version encoding foreign_key_check foreign_key_list freelist_count index_info
    index_list index_xinfo integrity_check page_count page_size quick_check table_info table_list
    table_xinfo user_version
    """.split()  # noqa: SIM905 - a list of them would be a page
)


@dataclass(frozen=True, slots=True)
class Answer:
    """What SQL gave: names and rows of a query, or how many rows a statement changed.

    Attributes:
        size: Of the rows, in bytes.
    """

    names: Sequence[str] = ()
    rows: Sequence[Sequence[Any]] = ()
    changed: int = 0
    size: int = 0

    @property
    def is_query(self) -> bool:
        """Whether there are rows, if only none."""
        return bool(self.names)


def only_reads(text: str) -> bool:
    """Whether a text begins as one does that changes nothing."""
    words = text.split(None, 1)
    return bool(words) and words[0].upper() in _READING


def run(
    connection: sqlite3.Connection,
    text: str,
    params: Any,
    allows: Allows,
    bounds: TableBounds,
    *,
    changes: bool = True,
) -> Answer:
    """Run one statement.

    Args:
        params: Values by place, or by name.
        changes: Whether it may change anything.

    Raises:
        PermissionDenied: The token does not allow a table of it.
        InvalidRequest: It cannot be run, or leaves the file.
        RoomFull: Its rows, or what it puts aside, are more than may be.
    """
    if len(text) > MAX_QUERY_CHARS or "\0" in text:
        raise InvalidRequest(f"SQL has at most {MAX_QUERY_CHARS} characters, none of them zero")
    # A statement that is left in its midst keeps what comes next from being committed.
    with (
        _watched(connection, allows, bounds, changes=changes),
        closing(connection.execute(utf8_text(text), bound(params))) as cursor,
    ):
        if cursor.description is None:
            return Answer(changed=max(cursor.rowcount, 0))
        names, rows, size = [entry[0] for entry in cursor.description], [], 0
        for row in cursor:
            rows.append([finite(value) for value in row])
            size += sum(max(len(value), 8) if isinstance(value, str | bytes) else 8 for value in row)
            if size > bounds.max_result_bytes:
                raise InvalidRequest(
                    f"the result is larger than {bounds.max_result_bytes} bytes",
                    cure="Ask for fewer rows (LIMIT, OFFSET) or columns, or raise rooms.max_result_bytes.",
                )
    return Answer(names, rows, size=size)


def bound(params: Any) -> Any:
    """Values as SQLite takes them.  Raises InvalidRequest."""
    match params:
        case None:
            return ()
        case Mapping():
            return {str(name).lstrip("$:@"): _value(value) for name, value in params.items()}
        case list() | tuple():
            return [_value(value) for value in params]
    raise InvalidRequest("'params' are a list or an object")


def _value(value: Any) -> Any:
    match cells.plain(value):
        case {"encoding": "base64"} as packed:
            return read_bytes(packed)
        case bool() as flag:
            return int(flag)
        case str() as text:
            return utf8_text(text)
        case int() as number if not -(2**63) <= number < 2**63:
            raise InvalidRequest("a number has at most 64 bits")
        case None | int() | float() | bytes() as plain:
            return plain
    raise InvalidRequest(f"{value!r:.80} is nothing that stands in SQL")


@contextmanager
def _watched(
    connection: sqlite3.Connection, allows: Allows, bounds: TableBounds, *, changes: bool
) -> Iterator[None]:
    watch = _Watch(allows, changes=changes)
    spill = None
    connection.set_authorizer(watch)
    try:
        with bounded(connection, bounds.max_spilled_bytes) as spill:
            yield
    except (sqlite3.DatabaseError, sqlite3.ProgrammingError) as error:
        if watch.denied:
            raise PermissionDenied(f"the token does not allow {watch.denied}") from error
        if watch.refused:
            raise InvalidRequest(f"SQL may not use {watch.refused} here") from error
        if spill is not None and spill.passed:
            raise RoomFull(
                f"it puts more than {bounds.max_spilled_bytes} bytes of rows aside", cure="Sort fewer rows."
            ) from error
        if getattr(error, "sqlite_errorcode", None) in (
            None, sqlite3.SQLITE_ERROR, sqlite3.SQLITE_RANGE, sqlite3.SQLITE_MISMATCH
        ) or isinstance(error, sqlite3.IntegrityError):  # fmt: skip
            raise InvalidRequest(f"it cannot be run: {error}") from error
        raise
    finally:
        connection.set_authorizer(None)


class _Watch:
    """Answers SQLite's questions about what may be done."""

    def __init__(self, allows: Allows, *, changes: bool) -> None:
        self._allows, self._changes = allows, changes
        self.denied = self.refused = ""

    def __call__(
        self, action: int, one: str | None, two: str | None, database: str | None, source: str | None
    ) -> int:
        match action:
            case sqlite3.SQLITE_SELECT | sqlite3.SQLITE_RECURSIVE:
                return sqlite3.SQLITE_OK
            case sqlite3.SQLITE_READ:
                return self._table(one or "", "read")
            case sqlite3.SQLITE_FUNCTION if two is not None and two.lower() not in _NEVER:
                return sqlite3.SQLITE_OK
            case sqlite3.SQLITE_PRAGMA if (one or "").lower() in _PRAGMAS:
                return sqlite3.SQLITE_OK
            case _ if action in _CHANGES and (one or "").lower() in _OWN:
                # What it notes of tables in tables of its own; who asks for that himself is refused by it.
                return sqlite3.SQLITE_OK
            case _ if self._changes and database != "temp" and action in _CHANGES:
                named = two if action == sqlite3.SQLITE_ALTER_TABLE else one
                return self._table(named or "", _CHANGES[action])
            case _ if self._changes and database != "temp" and action in _MAKES:
                return self._table("", "alter")
            case sqlite3.SQLITE_CREATE_VTABLE | sqlite3.SQLITE_DROP_VTABLE if self._changes:
                if (two or "").lower() in _VIRTUAL:
                    return self._table("", "alter")
        self.refused = self.refused or (two if action == sqlite3.SQLITE_FUNCTION else one) or "that"
        return sqlite3.SQLITE_DENY

    def _table(self, table: str, verb: str) -> int:
        if table.lower() in _OWN or self._allows(table, verb):
            return sqlite3.SQLITE_OK
        self.denied = self.denied or f"to {verb} table {table!r}" if table else f"to {verb} tables"
        return sqlite3.SQLITE_DENY
