"""Functions and casts of expressions, as SQL of the file.  Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from runtime.errors import InvalidRequest
from runtime.rooms.built_in.tables.cell import read_date, read_time
from runtime.rooms.built_in.tables.column import BOOL, FLOAT, INT, TEXT, ColumnType

MIDNIGHT: Final = "T00:00:00.000000Z"
DATE: Final = ColumnType("date")
TIMESTAMP: Final = ColumnType("timestamp")
MAX_VALUES: Final = 20_000
MAX_SQL_CHARS: Final = 1_000_000
_NOTHING: Final = object()


class Piece(msgspec.Struct, frozen=True):
    """A part of an expression, as SQL.

    Attributes:
        values: What its question marks stand for, in order.
        type: What it gives; None when that is not known.
        literal: The value, where it was written out.
    """

    sql: str
    values: tuple[Any, ...] = ()
    type: ColumnType | None = None
    literal: Any = msgspec.field(default=_NOTHING)

    @property
    def kind(self) -> str:
        """Of its type; empty when that is not known."""
        return self.type.kind if self.type is not None else ""

    @property
    def is_text(self) -> bool:
        """A text that was written out."""
        return isinstance(self.literal, str)


def join(template: str, *parts: Piece, type: ColumnType | None = None) -> Piece:
    """Put parts into a template: each ``{}`` takes the next, ``{0}`` names one.

    Raises:
        InvalidRequest: They would come to too much; what is named twice is there twice, and so on within it.
    """
    used: list[Any] = []
    size = 0

    class _Part:
        def __init__(self, part: Piece) -> None:
            self._part = part

        def __format__(self, spec: str) -> str:
            nonlocal size
            size += len(self._part.sql)
            if size > MAX_SQL_CHARS or len(used) + len(self._part.values) > MAX_VALUES:
                raise InvalidRequest(
                    "the expression is too long", cure=f"It has at most {MAX_VALUES} values; nest it less."
                )
            used.extend(self._part.values)
            return self._part.sql

    return Piece(template.format(*map(_Part, parts)), tuple(used), type)


def as_kind(piece: Piece, kind: str) -> Piece:
    """A text that was written out, as what it is compared with has it; anything else as it is.

    Raises:
        InvalidRequest: The text is no date or time.
    """
    if not piece.is_text or kind not in ("date", "timestamp"):
        return piece
    try:
        moment = read_time(piece.literal)
    except ValueError:
        raise InvalidRequest(f"{piece.literal!r:.80} is no {kind}") from None
    if kind == "date" and moment.endswith(MIDNIGHT):
        moment = moment[:10]
    return Piece("?", (moment,), TIMESTAMP, moment)


def cast(piece: Piece, name: str) -> Piece:
    """The piece as another type.

    Raises:
        InvalidRequest: There is no such type, or no way to it.
    """
    kind = KINDS_OF.get(name.lower())
    if kind is None:
        raise InvalidRequest(f"there is no type {name!r} to cast to", cure=f"One of {', '.join(KINDS_OF)}.")
    if piece.kind in ("vector", "list", "struct", "binary"):
        raise InvalidRequest(f"a {piece.kind} cannot be cast")
    match kind:
        case "int":
            return join("CAST({} AS INTEGER)", piece, type=INT)
        case "float":
            return join("CAST({} AS REAL)", piece, type=FLOAT)
        case "bool" if piece.is_text:
            return Piece("1" if piece.literal.strip().lower() in ("true", "t", "1", "yes") else "0", (), BOOL)
        case "bool":
            return join("({} <> 0)", piece, type=BOOL)
        case "text" if piece.kind == "bool":
            return join("CASE {} WHEN 1 THEN 'true' WHEN 0 THEN 'false' END", piece, type=TEXT)
        case "text" if piece.kind == "timestamp":
            return join("replace({}, '.000000Z', 'Z')", piece, type=TEXT)
        case "text":
            return join("CAST({} AS TEXT)", piece, type=TEXT)
    return _cast_time(piece, kind)


def _cast_time(piece: Piece, kind: str) -> Piece:
    type = DATE if kind == "date" else TIMESTAMP
    if piece.is_text:
        try:
            text = (read_date if kind == "date" else read_time)(piece.literal)
        except ValueError:
            raise InvalidRequest(f"{piece.literal!r:.80} is no {kind}") from None
        return Piece("?", (text,), type, text)
    if piece.kind == kind:
        return piece
    if kind == "date":
        return join("substr({}, 1, 10)", piece, type=DATE)
    if piece.kind == "date":
        return join(f"({{}} || '{MIDNIGHT}')", piece, type=TIMESTAMP)
    return join("(strftime('%Y-%m-%dT%H:%M:%f', {}) || '000Z')", piece, type=TIMESTAMP)


KINDS_OF: Final = {
    **dict.fromkeys(("int", "integer", "bigint", "smallint", "tinyint", "long", "int64", "int32"), "int"),
    **dict.fromkeys(("float", "double", "real", "decimal", "float64", "float32"), "float"),
    **dict.fromkeys(("text", "string", "varchar", "char", "utf8"), "text"),
    **dict.fromkeys(("bool", "boolean"), "bool"),
    "date": "date",
    "timestamp": "timestamp",
    "datetime": "timestamp",
}


class Function(msgspec.Struct, frozen=True):
    """A function: how many parts it takes, and what it becomes."""

    least: int
    most: int
    make: Callable[[Sequence[Piece]], Piece]


def call(name: str, parts: Sequence[Piece]) -> Piece:
    """A function's call.

    Raises:
        InvalidRequest: There is no such function, or it takes other parts.
    """
    function = FUNCTIONS.get(name.lower())
    if function is None:
        known = ", ".join(FUNCTIONS)
        raise InvalidRequest(f"there is no function {name!r}", cure=f"There are {known}.")
    if not function.least <= len(parts) <= function.most:
        raise InvalidRequest(f"{name} takes {function.least} to {function.most} parts, not {len(parts)}")
    return function.make(parts)


def _plain(template: str, type: ColumnType | None, least: int, most: int | None = None) -> Function:
    """The template, which takes its parts by number, or all of them as ``*``."""

    def make(parts: Sequence[Piece]) -> Piece:
        listed = ", ".join(f"{{{number}}}" for number in range(len(parts)))
        return join(template.replace("*", listed), *parts, type=type or next((p.type for p in parts), None))

    return Function(least, most or least, make)


def _concat(parts: Sequence[Piece]) -> Piece:
    return join("(" + " || ".join(["coalesce({}, '')"] * len(parts)) + ")", *parts, type=TEXT)


def _among(how: str) -> Callable[[Sequence[Piece]], Piece]:
    def make(parts: Sequence[Piece]) -> Piece:
        held, wanted = parts
        if held.kind != "list":
            raise InvalidRequest(f"{how} looks into columns of type list")
        if how == "array_has":
            return join("EXISTS(SELECT 1 FROM json_each({}) WHERE value = {})", held, wanted, type=BOOL)
        if not isinstance(wanted.literal, tuple):
            raise InvalidRequest(f"{how} takes a list such as ['a', 'b']")
        each = ["EXISTS(SELECT 1 FROM json_each({}) WHERE value = {})"] * len(wanted.literal)
        pairs = [part for one in wanted.literal for part in (held, Piece("?", (one,)))]
        between, empty = (" OR ", "0") if how == "array_has_any" else (" AND ", "1")
        return join(f"({between.join(each) or empty})", *pairs, type=BOOL)

    return make


_HAS: Final = Function(2, 2, _among("array_has"))
FUNCTIONS: Final = {
    "lower": _plain("lower(*)", TEXT, 1),
    "upper": _plain("upper(*)", TEXT, 1),
    "length": _plain("length(*)", INT, 1),
    "char_length": _plain("length(*)", INT, 1),
    "trim": _plain("trim(*)", TEXT, 1, 2),
    "ltrim": _plain("ltrim(*)", TEXT, 1, 2),
    "rtrim": _plain("rtrim(*)", TEXT, 1, 2),
    "substr": _plain("substr(*)", TEXT, 2, 3),
    "substring": _plain("substr(*)", TEXT, 2, 3),
    "replace": _plain("replace(*)", TEXT, 3),
    "concat": Function(1, 32, _concat),
    "contains": _plain("(instr(*) > 0)", BOOL, 2),
    "starts_with": _plain("(substr({0}, 1, length({1})) = {1})", BOOL, 2),
    "ends_with": _plain(
        "(length({0}) >= length({1}) AND substr({0}, length({0}) - length({1}) + 1) = {1})", BOOL, 2
    ),
    "abs": _plain("abs(*)", None, 1),
    "round": _plain("round(*)", FLOAT, 1, 2),
    "coalesce": _plain("coalesce(*)", None, 2, 32),
    "nullif": _plain("nullif(*)", None, 2),
    "array_has": _HAS,
    "array_contains": _HAS,
    "list_contains": _HAS,
    "array_has_any": Function(2, 2, _among("array_has_any")),
    "array_has_all": Function(2, 2, _among("array_has_all")),
    "array_length": _plain("json_array_length(*)", INT, 1),
    "now": _plain("(strftime('%Y-%m-%dT%H:%M:%f', 'now') || '000Z')", TIMESTAMP, 0),
    "current_date": _plain("date('now')", DATE, 0),
}
"""What an expression may call; nothing of it changes anything or looks elsewhere."""
