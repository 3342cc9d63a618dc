"""Statements of SQL that change rows or tables, read by us: they are done as plain requests are.  Pure.

``INSERT INTO t (a, b) VALUES (1, 'x'), …``, ``INSERT INTO t SELECT …``, ``UPDATE t SET a = a + 1 WHERE …``,
``DELETE FROM t WHERE …``, ``CREATE TABLE t (a INT NOT NULL, b TEXT)``, ``CREATE TABLE t AS SELECT …``,
``DROP TABLE t``, ``ALTER TABLE t ADD COLUMN a INT`` and ``… DROP COLUMN a``.  What stands in them is read as
filters and expressions are.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final, Literal

import msgspec

from runtime.errors import InvalidRequest
from runtime.rooms.built_in.tables.column import FLOAT, MAX_VECTOR, ColumnType
from runtime.rooms.built_in.tables.sql.functions import KINDS_OF
from runtime.rooms.built_in.tables.sql.tokens import Token, tokens

Verb = Literal["INSERT", "UPDATE", "DELETE", "CREATE", "DROP", "ALTER"]
_NO_QUERIES: Final = frozenset(
    {"INSERT", "UPDATE", "DELETE", "CREATE", "DROP", "ALTER", "MERGE", "REPLACE", "TRUNCATE", "COPY"}
)
_CURE: Final = (
    "Statements are INSERT, UPDATE, DELETE, CREATE TABLE, DROP TABLE, and ALTER TABLE with ADD COLUMN or "
    "DROP COLUMN; rows are merged, and tables renamed, by requests of that name."
)
_TYPES: Final = {
    **KINDS_OF,
    "numeric": "float",
    **dict.fromkeys(("binary", "varbinary", "bytea", "blob"), "binary"),
}
_COLUMN_CURE: Final = "A column is a name and a type, then NOT NULL or nothing: (id INT NOT NULL, name TEXT)."


class Statement(msgspec.Struct, frozen=True):
    """One that was read.

    Attributes:
        table: As it is called in the text.
        columns: Those that are inserted, none where the text does not say; or dropped.
        rows: Expressions that are inserted.
        query: What gives the rows that are inserted, or a new table; empty where there is none.
        sets: Expressions by column that is updated.
        where: The rows that are updated or deleted.
        types: Columns of a new table, or that are added.
        mode: What happens to a table that is there, as requests call it.
        is_missing_fine: There need be no table to drop.
    """

    verb: Verb
    table: str
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    query: str = ""
    sets: Mapping[str, str] = msgspec.field(default_factory=dict)
    where: str = "TRUE"
    types: Mapping[str, ColumnType] = msgspec.field(default_factory=dict)
    mode: str = "create"
    is_missing_fine: bool = False

    @property
    def makes(self) -> bool:
        """Whether it changes the table itself, not only what is in it."""
        return self.verb in ("CREATE", "DROP", "ALTER")


def is_query(text: str) -> bool:
    """Whether a text is none of the statements: it gives rows, or cannot be run."""
    words = text.split(None, 1)
    return not words or words[0].upper() not in _NO_QUERIES


def read_statement(text: str) -> Statement:
    """What a text says to do.

    Raises:
        InvalidRequest: It is none of the statements.
    """
    return _Reader(text.strip().removesuffix(";").rstrip()).statement()


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
            case "CREATE":
                return self._end(self._created())
            case "DROP":
                self._need("DROP", "TABLE")
                is_fine = self._may("IF", "EXISTS")
                return self._end(Statement("DROP", self._name(), is_missing_fine=is_fine))
            case "ALTER":
                self._need("ALTER", "TABLE")
                return self._end(self._altered(self._name()))
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

    def _created(self) -> Statement:
        self._need("CREATE")
        mode = "overwrite" if self._may("OR", "REPLACE") else "create"
        self._need("TABLE")
        if self._may("IF", "NOT", "EXISTS"):
            mode = "create_if_not_exists"
        table = self._name()
        if self._may("AS"):
            return Statement("CREATE", table, query=self._rest(), mode=mode)
        self._need("(")
        types = dict([self._column()])
        while self._may(","):
            types |= dict([self._column()])
        self._need(")")
        return Statement("CREATE", table, types=types, mode=mode)

    def _altered(self, table: str) -> Statement:
        if self._may("ADD"):
            self._may("COLUMN")
            return Statement("ALTER", table, types=dict([self._column()]))
        self._need("DROP")
        self._may("COLUMN")
        return Statement("ALTER", table, columns=(self._name(),))

    def _column(self) -> tuple[str, ColumnType]:
        name, token = self._name(), self._words[self._at]
        kind = _TYPES.get(token.word.lower())
        if kind is None:
            raise self._wrong(self._at, f"the type of column {name!r:.80}", _COLUMN_CURE)
        self._at += 1
        self._may("PRECISION")  # of a DOUBLE
        if self._may("("):  # how long or exact values may be: they are whatever they are
            while not self._may(")"):
                self._number()
                self._may(",")
        type = ColumnType(kind)
        while self._may("["):
            if self._may("]"):
                type = ColumnType("list", element=type)
                continue
            size = self._number()
            if not 0 < size <= MAX_VECTOR or type.kind not in ("float", "int"):
                raise InvalidRequest(f"a vector has 1 to {MAX_VECTOR} numbers")
            self._need("]")
            type = ColumnType("vector", size=size, element=FLOAT)
        if self._may("NOT", "NULL"):
            return name, replace(type, nullable=False)
        self._may("NULL")
        if self._words[self._at].word not in (",", ")", "") or self._words[self._at].kind == "literal":
            raise self._wrong(self._at, "the next column", _COLUMN_CURE)
        return name, type

    def _number(self) -> int:
        value = self._words[self._at].value
        if not isinstance(value, int):
            raise self._wrong(self._at, "a number")
        self._at += 1
        return value

    def _rest(self) -> str:
        text = self._text[self._words[self._at].at :]
        self._at = len(self._words) - 1
        return text

    def _end(self, statement: Statement) -> Statement:
        if self._words[self._at].kind != "end":
            raise self._wrong(self._at, "the end")
        return statement

    def _may(self, *words: str) -> bool:
        """Whether these words follow, which are read then."""
        follow = self._words[self._at : self._at + len(words)]
        if tuple(token.word for token in follow) != words:
            return False
        self._at += len(words)
        return True

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

    def _wrong(self, at: int, wanted: str, cure: str = _CURE) -> InvalidRequest:
        token: Token = self._words[at]
        return InvalidRequest(
            f"the statement has {token.value!r:.40} at character {token.at}, where {wanted} is needed",
            cure=cure,
        )
