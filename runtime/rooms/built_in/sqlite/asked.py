"""SQL of participants in a database of theirs: anything that stays within its file."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from typing import Any, Final

import msgspec

from runtime.errors import InvalidRequest, PermissionDenied, RuntimeServiceError
from runtime.rooms.built_in.database import cells
from runtime.rooms.built_in.tables.bounds import TableBounds
from runtime.rooms.built_in.tables.cell import finite
from runtime.rooms.built_in.tables.query import MAX_QUERY_CHARS, bound_value
from runtime.rooms.built_in.tables.sql.watch import Watch, watched
from runtime.wire.text import utf8_text

Allows = Callable[[str, str], bool]
"""Whether a table, by name, may be read, written or altered."""

_READING: Final = frozenset({"SELECT", "VALUES"})
_BEFORE_ANY: Final = frozenset({"WITH", "EXPLAIN"})
_WRITING: Final = frozenset({"INTO", "UPDATE", "DELETE"})
_WORD: Final = re.compile(
    r"""
    --[^\n]* | /\*.*?(?:\*/|\Z) | '[^']*' | "[^"]*" | `[^`]*` | \[[^\]]*\]
  | (?P<bracket>[()]) | (?P<word>[^\W\d]\w*)
    """,
    re.VERBOSE | re.DOTALL,
)
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
"""What SQLite notes of tables: names, counts, and in ``sql`` the text that made each."""
_STAYS: Final = (
    "It stays in its database, and is a transaction by itself: execute_sql_batch runs many in one."
)
_VIRTUAL: Final = frozenset({"fts5", "rtree"})
_NEVER: Final = frozenset({"load_extension", "readfile", "writefile", "edit", "fts3_tokenizer"})
_PRAGMAS: Final = frozenset(
    """
    application_id data_version encoding foreign_key_check foreign_key_list freelist_count index_info
    index_list index_xinfo integrity_check page_count page_size quick_check table_info table_list
    table_xinfo user_version
    """.split()  # noqa: SIM905 - a list of them would be a page
)
_TAKE_A_NAME: Final = _PRAGMAS - {"application_id", "encoding", "page_size", "user_version"}
"""Those whose value says of what they tell."""
_SETTABLE: Final = frozenset({"APPLICATION_ID", "USER_VERSION"})
"""Numbers of a database that are its users' own."""
_OF_A_TABLE: Final = frozenset({"table_info", "table_xinfo", "foreign_key_list"})
"""Those that tell of one table, its default values too."""


class Answer(msgspec.Struct, frozen=True):
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
    """Whether a text is one that changes nothing, told by its words outside of brackets."""
    words = _words(text)
    first = next(words, "")
    if first == "PRAGMA":
        return _SETTABLE.isdisjoint(words)  # it may be set
    return _WRITING.isdisjoint(words) if first in _BEFORE_ANY else first in _READING


def _words(text: str) -> Iterator[str]:
    depth = 0
    for found in _WORD.finditer(text[:MAX_QUERY_CHARS]):
        depth += {"(": 1, ")": -1}.get(found["bracket"], 0)
        if found["word"] is not None and not depth:
            yield found["word"].upper()


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
    before, text, values = connection.total_changes, utf8_text(text), bound(params)
    # A statement that is left in its midst keeps what comes next from being committed.
    with (
        watched(connection, _Within(allows, changes=changes), bounds, text, values),
        closing(connection.execute(text, values)) as cursor,
    ):
        if cursor.description is None:
            changed = cursor.rowcount
            if next(_words(text), "") == "WITH" and connection.total_changes > before:
                (changed,) = connection.execute(
                    "SELECT changes()"
                ).fetchone()  # which Python does not look at
            return Answer(changed=max(changed, 0))
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
            return {
                str(name).lstrip("$:@"): bound_value(cells.plain(value)) for name, value in params.items()
            }
        case list() | tuple():
            return [bound_value(cells.plain(value)) for value in params]
    raise InvalidRequest("'params' are a list or an object")


class _Within(Watch):
    """What SQL may do: anything within its file, with the tables that the token allows."""

    def __init__(self, allows: Allows, *, changes: bool) -> None:
        super().__init__()
        self._allows_table, self._changes = allows, changes
        self._denied, self._alters = "", False

    def allows(
        self, action: int, one: str | None, two: str | None, database: str | None, source: str | None
    ) -> bool:
        match action:
            case sqlite3.SQLITE_SELECT | sqlite3.SQLITE_RECURSIVE:
                return True
            case sqlite3.SQLITE_READ if (one or "").lower() in _OWN and two == "sql" and not self._alters:
                return self._table("", "read")  # how hidden tables were made, with values that stand there
            case sqlite3.SQLITE_READ:
                return self._table(one or "", "read")
            case sqlite3.SQLITE_FUNCTION:
                return two is not None and two.lower() not in _NEVER
            case sqlite3.SQLITE_PRAGMA if (one or "").lower() in _OF_A_TABLE and two is not None:
                return self._table(two, "read")
            case sqlite3.SQLITE_PRAGMA if two is not None and (one or "").upper() in _SETTABLE:
                return self._changes and self._table("", "alter")
            case sqlite3.SQLITE_PRAGMA:
                return (one or "").lower() in (_PRAGMAS if two is None else _TAKE_A_NAME)
            case _ if action in _CHANGES and (one or "").lower() in _OWN:
                # What it notes of tables in tables of its own; who asks for that himself is refused by it.
                return True
            case _ if not self._changes or database == "temp":
                return False
            case _ if action in _CHANGES:
                self._alters = self._alters or action == sqlite3.SQLITE_ALTER_TABLE
                named = two if action == sqlite3.SQLITE_ALTER_TABLE else one
                return self._table(named or "", _CHANGES[action])
            case sqlite3.SQLITE_CREATE_VTABLE | sqlite3.SQLITE_DROP_VTABLE:
                return (two or "").lower() in _VIRTUAL and self._table("", "alter")
        return action in _MAKES and self._table("", "alter")

    def objection(self, error: Exception) -> RuntimeServiceError | None:
        if self._denied:
            return PermissionDenied(f"the token does not allow {self._denied}")
        if self.refused:
            return InvalidRequest(f"SQL may not use {self.refused} here", cure=_STAYS)
        return None

    def _table(self, table: str, verb: str) -> bool:
        if table.lower() in _OWN or self._allows_table(table, verb):
            return True
        self._denied = self._denied or (f"to {verb} table {table!r}" if table else f"to {verb} tables")
        return False
