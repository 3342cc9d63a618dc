"""Filters and expressions: SQL as DataFusion and LanceDB read it, made SQL of the file.  Pure.

Nothing that somebody writes is passed on: names become columns that the table has, values are bound,
functions are those of a list.  A text that stands beside a date or a time is read as one, so both of
Python's spellings do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from runtime.errors import InvalidRequest
from runtime.rooms.built_in.tables.column import BINARY, BOOL, FLOAT, INT, TEXT, Column, ColumnType
from runtime.rooms.built_in.tables.sql.functions import MAX_VALUES, Piece, as_kind, call, cast, join
from runtime.rooms.built_in.tables.sql.tokens import Token, tokens

MAX_DEPTH: Final = 60
MAX_CHAINED: Final = 500
"""Operators in a row: SQLite's own tree is no deeper than a thousand."""
_COMPARISONS: Final = {
    "=": "=",
    "==": "=",
    "!=": "<>",
    "<>": "<>",
    "<": "<",
    "<=": "<=",
    ">": ">",
    ">=": ">=",
}


def read_expression(
    text: str,
    columns: Mapping[str, Column],
    *,
    quotes_are_text: bool = True,
    given: Mapping[str, Any] | None = None,
) -> Piece:
    """An expression over a table's columns.

    Args:
        given: What stands for ``$name``.

    Raises:
        InvalidRequest: It cannot be read; the text says where.
    """
    return _Parser(tokens(text, quotes_are_text=quotes_are_text, given=given), columns).whole()


class _Parser:
    def __init__(self, words: Sequence[Token], columns: Mapping[str, Column]) -> None:
        self._words, self._columns = words, columns
        self._at = 0
        self._depth = self._chained = 0

    def whole(self) -> Piece:
        piece = self._or()
        if self._words[self._at].kind != "end":
            raise self._wrong("an operator")
        if len(piece.values) > MAX_VALUES:
            raise InvalidRequest(f"an expression has at most {MAX_VALUES} values")
        return piece

    # ---- words

    def _next(self) -> Token:
        token = self._words[self._at]
        if token.kind == "end":
            raise self._wrong("more")
        self._at += 1
        return token

    def _take(self, *words: str) -> str:
        """The next word if it is one of these, else nothing."""
        word = self._words[self._at].word
        if word not in words or not word:
            return ""
        self._at += 1
        return word

    def _need(self, word: str) -> None:
        if not self._take(word):
            raise self._wrong(repr(word))

    def _chain(self) -> None:
        self._chained += 1
        if self._chained > MAX_CHAINED:
            raise InvalidRequest(f"the expression has more than {MAX_CHAINED} operators in a row")

    def _wrong(self, wanted: str) -> InvalidRequest:
        token = self._words[self._at]
        return InvalidRequest(
            f"the expression has {token.value!r:.80} where {wanted} was expected (character {token.at + 1})"
        )

    # ---- from the loosest to the tightest

    def _or(self) -> Piece:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise InvalidRequest("the expression is nested too deeply")
        parts = [self._and()]
        while self._take("OR"):
            parts.append(self._and())
        self._depth -= 1
        return _balanced(parts, "OR")

    def _and(self) -> Piece:
        parts = [self._not()]
        while self._take("AND"):
            parts.append(self._not())
        return _balanced(parts, "AND")

    def _not(self) -> Piece:
        count = 0
        while self._take("NOT"):
            count += 1
        piece = self._comparison()
        return join("(NOT {})", piece, type=BOOL) if count % 2 else piece

    def _comparison(self) -> Piece:
        left = self._sum()
        while True:
            sign = self._take(*_COMPARISONS)
            if sign and left.type is BOOL:
                self._chain()
            if sign:
                left = _compare(left, _COMPARISONS[sign], self._sum())
                continue
            if self._take("IS"):
                left = self._is(left)
                continue
            begun = self._at
            denied = "NOT " if self._take("NOT") else ""
            word = self._take("IN", "LIKE", "ILIKE", "BETWEEN")
            if not word:
                self._at = begun
                return left
            left = self._test(left, word, denied)

    def _is(self, left: Piece) -> Piece:
        denied = "NOT " if self._take("NOT") else ""
        match self._take("NULL", "TRUE", "FALSE"):
            case "NULL":
                return join(f"({{}} IS {denied}NULL)", left, type=BOOL)
            case "TRUE":
                return join(f"({{}} IS {denied}1)", left, type=BOOL)
            case "FALSE":
                return join(f"({{}} IS {denied}0)", left, type=BOOL)
        raise self._wrong("NULL, TRUE or FALSE")

    def _test(self, left: Piece, word: str, denied: str) -> Piece:
        if word == "BETWEEN":
            low = self._sum()
            self._need("AND")
            high = self._sum()
            pair = as_kind(low, left.kind), as_kind(high, left.kind)
            return join(f"({{}} {denied}BETWEEN {{}} AND {{}})", left, *pair, type=BOOL)
        if word == "IN":
            self._need("(")
            choices = [as_kind(self._sum(), left.kind)]
            while self._take(","):
                choices.append(as_kind(self._sum(), left.kind))
            self._need(")")
            marks = ", ".join(["{}"] * len(choices))
            return join(f"({{}} {denied}IN ({marks}))", left, *choices, type=BOOL)
        pattern, escape = self._sum(), "\\"
        if self._take("ESCAPE"):
            given = self._next().value
            if not isinstance(given, str) or len(given) != 1:
                raise InvalidRequest("ESCAPE takes one character")
            escape = given
        form = "({} {}LIKE {} ESCAPE ?)" if word == "LIKE" else "(lower({}) {}LIKE lower({}) ESCAPE ?)"
        made = join(form, left, Piece(denied), pattern, type=BOOL)
        return Piece(made.sql, (*made.values, escape), BOOL)

    def _sum(self) -> Piece:
        left = self._product()
        while sign := self._take("+", "-", "||"):
            self._chain()
            right = self._product()
            type = TEXT if sign == "||" else _number(left, right)
            left = join(f"({{}} {sign} {{}})", left, right, type=type)
        return left

    def _product(self) -> Piece:
        left = self._signed()
        while sign := self._take("*", "/", "%"):
            self._chain()
            right = self._signed()
            left = join(f"({{}} {sign} {{}})", left, right, type=_number(left, right))
        return left

    def _signed(self) -> Piece:
        sign = 1
        while word := self._take("-", "+"):
            sign = -sign if word == "-" else sign
        piece = self._after(self._primary())
        if sign == 1:
            return piece
        if isinstance(piece.literal, int | float):
            return _literal(-piece.literal)
        return join("(- {})", piece, type=piece.type)

    def _after(self, piece: Piece) -> Piece:
        while word := self._take("::", ".", "["):
            self._chain()
            if word == "::":
                piece = cast(piece, str(self._next().value))
                continue
            name = self._next().value
            if word == "[":
                self._need("]")
            piece = _field(piece, name)
        return piece

    def _primary(self) -> Piece:
        if self._take("("):
            piece = self._or()
            self._need(")")
            return piece
        if self._take("["):
            return self._list()
        token = self._words[self._at]
        if token.kind == "sign":
            raise self._wrong("a column or a value")
        token = self._next()
        if token.kind == "literal":
            return _literal(token.value)
        if token.kind == "word" and token.value not in self._columns:
            return self._keyword(token)
        column = self._columns.get(token.value)
        if column is None:
            raise _no_column(token.value, self._columns)
        return Piece(column.sql, (), column.type)

    def _keyword(self, token: Token) -> Piece:
        word = token.word
        if word in ("TRUE", "FALSE"):
            return Piece("1" if word == "TRUE" else "0", (), BOOL)
        if word == "NULL":
            return Piece("NULL")
        if word == "CASE":
            return self._case()
        following = self._words[self._at]
        if word in ("DATE", "TIMESTAMP") and isinstance(following.value, str) and following.kind == "literal":
            return cast(_literal(self._next().value), word)
        if not self._take("("):
            raise _no_column(token.value, self._columns)
        if word == "CAST":
            inner = self._or()
            self._need("AS")
            made = cast(inner, str(self._next().value))
            self._need(")")
            return made
        parts = []
        if not self._take(")"):
            parts.append(self._or())
            while self._take(","):
                parts.append(self._or())
            self._need(")")
        return call(token.value, parts)

    def _case(self) -> Piece:
        parts, form = [], "(CASE"
        if not self._take("WHEN"):
            parts.append(self._or())
            form += " {}"
            self._need("WHEN")
        type: ColumnType | None = None
        while True:
            parts.append(self._or())
            self._need("THEN")
            parts.append(self._or())
            type = type or parts[-1].type
            form += " WHEN {} THEN {}"
            if not self._take("WHEN"):
                break
        if self._take("ELSE"):
            parts.append(self._or())
            form += " ELSE {}"
        self._need("END")
        return join(f"{form} END)", *parts, type=type)

    def _list(self) -> Piece:
        items: list[Any] = []
        while not self._take("]"):
            token = self._next()
            if token.kind != "literal":
                raise InvalidRequest("a list that is written out has values alone")
            items.append(token.value)
            if not self._take(","):
                self._need("]")
                break
        return Piece("NULL", (), None, tuple(items))


def _literal(value: Any) -> Piece:
    match value:
        case None:
            return Piece("NULL")
        case bool():
            return Piece(str(int(value)), (), BOOL)
        case tuple():
            return Piece("NULL", (), None, value)
        case bytes():
            return Piece("?", (value,), BINARY, value)
        case str():
            return Piece("?", (value,), TEXT, value)
        case int():
            return Piece("?", (value,), INT, value)
        case _:
            return Piece("?", (value,), FLOAT, value)


def _compare(left: Piece, sign: str, right: Piece) -> Piece:
    left, right = as_kind(left, right.kind), as_kind(right, left.kind)
    for one in (left, right):
        if one.kind in ("vector", "list", "struct"):
            raise InvalidRequest(f"a {one.kind} is not compared", cure="array_has looks into a list.")
    return join(f"({{}} {sign} {{}})", left, right, type=BOOL)


def _number(left: Piece, right: Piece) -> ColumnType:
    return FLOAT if "float" in (left.kind, right.kind) else INT


def _field(piece: Piece, name: object) -> Piece:
    found = dict(piece.type.fields).get(str(name)) if piece.type is not None else None
    if found is None or '"' in str(name):
        raise InvalidRequest(f"there is no field {name!r:.80}")
    made = join("json_extract({}, {})", piece, _literal(f'$."{name}"'), type=found)
    if found.kind == "timestamp":  # kept within JSON as participants have it
        return cast(Piece(made.sql, made.values, TEXT), "timestamp")
    return made


def _balanced(parts: Sequence[Piece], word: str) -> Piece:
    """All of them joined by AND or OR, as a tree no deeper than it must be: SQLite bounds its depth."""
    if len(parts) == 1:
        return parts[0]
    half = len(parts) // 2
    sides = _balanced(parts[:half], word), _balanced(parts[half:], word)
    return join(f"({{}} {word} {{}})", *sides, type=BOOL)


def _no_column(name: str, columns: Mapping[str, Column]) -> InvalidRequest:
    return InvalidRequest(f"there is no column {name!r:.80}", cure=f"There are {', '.join(columns)}.")
