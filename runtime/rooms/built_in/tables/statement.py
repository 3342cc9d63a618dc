"""Statements that change rows, INSERT, UPDATE and DELETE: read by us, done as the plain requests do it.

``INSERT INTO t (a, b) VALUES (1, 'x'), …``, ``INSERT INTO t SELECT …``, ``UPDATE t SET a = a + 1 WHERE …``
and ``DELETE FROM t WHERE …``.  What stands in them is read as filters and expressions are.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from runtime.errors import InvalidRequest
from runtime.rooms.built_in.tables import catalog, query, rows
from runtime.rooms.built_in.tables.bounds import TableBounds
from runtime.rooms.built_in.tables.catalog import TableName
from runtime.rooms.built_in.tables.cell import given
from runtime.rooms.built_in.tables.query import Source
from runtime.rooms.built_in.tables.sql.expression import read_expression
from runtime.rooms.built_in.tables.sql.tokens import Token, tokens

_VERBS: Final = ("INSERT", "UPDATE", "DELETE")
_CURE: Final = (
    "Statements are INSERT, UPDATE and DELETE; tables are made, merged and altered by requests of that name."
)


@dataclass(frozen=True, slots=True)
class Statement:
    """One that was read.

    Attributes:
        table: As it is called in the text.
        columns: Those that are inserted; none where the text does not say.
        rows: Expressions that are inserted.
        query: What gives the rows that are inserted; empty where they are written out.
        sets: Expressions by column that is updated.
        where: The rows that are updated or deleted.
    """

    verb: Literal["INSERT", "UPDATE", "DELETE"]
    table: str
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    query: str = ""
    sets: Mapping[str, str] = field(default_factory=dict)
    where: str = "TRUE"


def is_query(text: str) -> bool:
    """Whether a text is none of the statements: it gives rows, or cannot be run."""
    words = text.split(None, 1)
    return not words or words[0].upper() not in _VERBS


def read_statement(text: str) -> Statement:
    """What a text says to do.

    Raises:
        InvalidRequest: It is none of the statements.
    """
    return _Reader(text.strip().removesuffix(";").rstrip()).statement()


def run(
    connection: sqlite3.Connection,
    statement: Statement,
    sources: Sequence[Source],
    values: Mapping[str, Any] | None,
    bounds: TableBounds,
) -> int:
    """Do it, within the transaction of the connection; how many rows were changed.

    Args:
        sources: The tables that it may read; the one that it changes is among them.
        values: For ``$name``.

    Raises:
        NotFound: No such table.
        InvalidRequest: It cannot be done.
    """
    name = target(statement, sources)
    if statement.verb == "INSERT":
        return _insert(connection, statement, name, sources, values, bounds)
    how: Any = {"quotes_are_text": False, "given": values}
    if statement.verb == "DELETE":
        return rows.delete(connection, name, statement.where, bounds, **how)
    return rows.update(connection, name, statement.where, {}, statement.sets, bounds, **how)


def target(statement: Statement, sources: Sequence[Source]) -> TableName:
    """The table that it changes.  Raises InvalidRequest."""
    called = statement.table.lower()
    for source in sources:
        if (source.alias or source.name.name).lower() == called:
            return source.name
    raise InvalidRequest(
        f"the statement changes {statement.table!r:.80}, which is none of its tables",
        cure=f"It has {', '.join(source.alias or source.name.name for source in sources) or 'none'}.",
    )


def _insert(
    connection: sqlite3.Connection,
    statement: Statement,
    name: TableName,
    sources: Sequence[Source],
    values: Mapping[str, Any] | None,
    bounds: TableBounds,
) -> int:
    table = catalog.for_writing(connection, name)
    columns = statement.columns or tuple(table.columns)
    table.chosen(columns)
    if statement.query:
        new = _asked(connection, statement.query, sources, values, bounds)
    else:
        new = [[_worth(connection, text, values) for text in row] for row in statement.rows]
    for row in new:
        if len(row) != len(columns):
            raise InvalidRequest(f"{len(columns)} columns are inserted, and a row has {len(row)} values")
    return rows.insert(connection, name, [dict(zip(columns, row, strict=True)) for row in new], bounds)


def _asked(
    connection: sqlite3.Connection,
    text: str,
    sources: Sequence[Source],
    values: Mapping[str, Any] | None,
    bounds: TableBounds,
) -> list[list[Any]]:
    """The rows of a query; what it needed of the connection is gone afterwards."""
    connection.execute("SAVEPOINT asked")
    try:
        found, size = [], 0
        with query.answered(connection, text, sources, values, bounds) as answer:
            for row in answer.rows:
                found.append(row)
                size += sum(len(value) if isinstance(value, str | bytes | list) else 8 for value in row)
                if size > bounds.max_result_bytes:
                    raise InvalidRequest(
                        f"the query gives more than {bounds.max_result_bytes} bytes to insert",
                        cure="Insert them in parts.",
                    )
        return found
    finally:
        connection.execute("ROLLBACK TO asked")
        connection.execute("RELEASE asked")


def _worth(connection: sqlite3.Connection, text: str, values: Mapping[str, Any] | None) -> Any:
    piece = read_expression(text, {}, quotes_are_text=False, given=values)
    if isinstance(piece.literal, tuple):
        return list(piece.literal)
    (value,) = connection.execute(f"SELECT {piece.sql}", piece.values).fetchone()
    return value if piece.type is None else given(value, piece.type)


class _Reader:
    def __init__(self, text: str) -> None:
        self._text = text
        self._words = tokens(text, quotes_are_text=False, given=defaultdict(lambda: None))
        self._at = 0

    def statement(self) -> Statement:
        match self._words[0].word:
            case "INSERT":
                self._need("INSERT", "INTO")
                return self._inserted()
            case "UPDATE":
                self._need("UPDATE")
                table = self._name()
                self._need("SET")
                sets = dict(self._set(part) for part in self._parts(until="WHERE"))
                return Statement("UPDATE", table, sets=sets, where=self._where())
            case "DELETE":
                self._need("DELETE", "FROM")
                return Statement("DELETE", self._name(), where=self._where())
        raise InvalidRequest("that is neither a query nor a statement", cure=_CURE)

    def _inserted(self) -> Statement:
        table, columns = self._name(), list[str]()
        if self._words[self._at].word == "(":
            self._at += 1
            columns.append(self._name())
            while self._words[self._at].word == ",":
                self._at += 1
                columns.append(self._name())
            self._need(")")
        if self._words[self._at].word in ("SELECT", "WITH"):
            return Statement("INSERT", table, tuple(columns), query=self._text[self._words[self._at].at :])
        self._need("VALUES")
        found = []
        for first, end in self._parts():
            if self._words[first].word != "(" or self._words[end - 1].word != ")":
                raise self._wrong(first, "a row in brackets")
            found.append(tuple(self._slice(*one) for one in self._split(first + 1, end - 1)))
        return Statement("INSERT", table, tuple(columns), tuple(found))

    def _set(self, part: tuple[int, int]) -> tuple[str, str]:
        first, end = part
        self._at = first
        name = self._name()
        self._need("=")
        text = self._slice(self._at, end)
        self._at = end
        return name, text

    def _where(self) -> str:
        if self._words[self._at].kind == "end":
            return "TRUE"
        self._need("WHERE")
        return self._text[self._words[self._at].at :]

    def _parts(self, until: str = "") -> list[tuple[int, int]]:
        """What stands between commas from here to a word, or the end: first token and the one behind."""
        depth, end = 0, self._at
        while self._words[end].kind != "end" and not (
            depth == 0 and until and self._words[end].word == until
        ):
            depth += {"(": 1, "[": 1, ")": -1, "]": -1}.get(self._words[end].word, 0)
            end += 1
        parts = list(self._split(self._at, end))
        self._at = end
        return parts

    def _split(self, first: int, end: int) -> Iterator[tuple[int, int]]:
        depth, begin = 0, first
        for at in range(first, end):
            word = self._words[at].word
            depth += {"(": 1, "[": 1, ")": -1, "]": -1}.get(word, 0)
            if word == "," and depth == 0:
                yield begin, at
                begin = at + 1
        if begin == end:
            raise self._wrong(begin, "more")
        yield begin, end

    def _slice(self, first: int, end: int) -> str:
        return self._text[self._words[first].at : self._words[end].at]

    def _name(self) -> str:
        token = self._words[self._at]
        if token.kind not in ("word", "name"):
            raise self._wrong(self._at, "a name")
        self._at += 1
        return str(token.value)

    def _need(self, *words: str) -> None:
        for word in words:
            if self._words[self._at].word != word:
                raise self._wrong(self._at, word)
            self._at += 1

    def _wrong(self, at: int, wanted: str) -> InvalidRequest:
        token: Token = self._words[at]
        return InvalidRequest(
            f"the statement has {token.value!r:.40} at character {token.at}, where {wanted} is needed",
            cure=_CURE,
        )
