"""Arrow's types and ours.  What Arrow alone tells apart is kept as a note of the column.  Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import msgspec

from runtime.errors import InvalidRequest
from runtime.rooms.built_in.database.arrow.flat import Number, Table, Value
from runtime.rooms.built_in.tables.column import MAX_TYPE_DEPTH, MAX_VECTOR, ColumnType, read_name

KIND: Final = "arrow.type"
"""The note of what Arrow calls the type, where that is not what we would call it."""
_CODES: Final = {
    1: "null", 2: "int", 3: "float", 4: "binary", 5: "text", 6: "bool", 8: "date", 10: "timestamp",
    12: "list", 13: "struct", 15: "fixed_binary", 16: "vector", 19: "large_binary", 20: "large_text",
    21: "large_list",
}  # fmt: skip
_NUMBERS: Final = {name: code for code, name in _CODES.items()}
_OURS: Final = {
    "null": "text", "large_text": "text", "large_binary": "binary", "fixed_binary": "binary",
    "large_list": "list",
}  # fmt: skip
_KEPT: Final = ("large_text", "large_binary", "fixed_binary")
_MICROSECONDS, _DAYS, _DOUBLE, _SINGLE = 2, 0, 2, 1


class Field(msgspec.Struct, frozen=True):
    """A column of a stream.

    Attributes:
        arrow: One of the values of `_CODES`.
        width: Of a whole number in bits, of a binary in bytes, of a list in entries; precision, unit.
        is_signed: Of whole numbers.
    """

    name: str
    arrow: str
    type: ColumnType
    width: int = 0
    is_signed: bool = True
    children: tuple[Field, ...] = ()


def read_field(table: Table, depth: int = 0) -> Field:
    """A field of a schema.  Raises InvalidRequest for a type that tables do not have."""
    name = read_name(table.text(0) or "item")
    arrow = _CODES.get(table.number(2, "B"), "")
    about = table.table(3)
    if not arrow or depth > MAX_TYPE_DEPTH or about is None:
        raise InvalidRequest(f"column {name!r} is of a type of Arrow that tables do not have")
    if table.has(4):
        raise InvalidRequest(f"column {name!r} has a dictionary", cure="Send its values as they are.")
    notes = {pair.text(0): pair.text(1) for pair in table.tables(6)}
    width, is_signed = _width(arrow, about)
    if arrow in _KEPT:
        notes[KIND] = arrow if arrow != "fixed_binary" else f"{arrow}:{width}"
    children = tuple(read_field(child, depth + 1) for child in table.tables(5))
    type = ColumnType(_OURS.get(arrow, arrow), nullable=bool(table.number(1, "B")), metadata=notes or None)
    if type.kind in ("list", "vector"):
        if len(children) != 1:
            raise InvalidRequest(f"column {name!r} is a list of nothing")
        element = children[0].type
        is_vector = type.kind == "vector" and element.kind in ("int", "float") and 0 < width <= MAX_VECTOR
        type = replace(
            type, kind="vector" if is_vector else "list", size=width if is_vector else 0, element=element
        )
    elif type.kind == "struct":
        type = replace(type, fields=tuple((child.name, child.type) for child in children))
    elif children:
        raise InvalidRequest(f"column {name!r} of type {arrow} has columns within")
    return Field(name, arrow, type, width, is_signed, children)


def _width(arrow: str, about: Table) -> tuple[int, bool]:
    match arrow:
        case "int":
            return about.number(0, "i"), bool(about.number(1, "B"))
        case "float":
            return about.number(0, "h"), True
        case "date":
            return about.number(0, "h", 1), True
        case "timestamp":
            return about.number(0, "h"), True
        case "fixed_binary" | "vector":
            return about.number(0, "i"), True
    return 0, True


def arrow_kind(type: ColumnType) -> tuple[str, int]:
    """What Arrow calls a type of ours, and the width of a binary of one."""
    note = str(type.metadata.get(KIND, "")) if isinstance(type.metadata, Mapping) else ""
    name, _, width = note.partition(":")
    if name in _KEPT and _OURS[name] == type.kind and (name != "fixed_binary" or width.isdecimal()):
        return name, int(width or 0)
    return type.kind, 0


def written_field(name: str, type: ColumnType) -> dict[int, Value]:
    """A field of a schema, as its table has it."""
    arrow, width = arrow_kind(type)
    notes = dict(type.metadata) if isinstance(type.metadata, Mapping) else {}
    notes.pop(KIND, None)
    field: dict[int, Value] = {
        0: name,
        1: Number("B", int(type.nullable)),
        2: Number("B", _NUMBERS[arrow]),
        3: _about(type, arrow, width),
        5: [written_field(inner, one) for inner, one in inner_types(type)],
    }
    if notes:
        field[6] = [{0: str(key), 1: str(value)} for key, value in notes.items()]
    return field


def _about(type: ColumnType, arrow: str, width: int) -> dict[int, Value]:
    about: dict[str, dict[int, Value]] = {
        "int": {0: Number("i", 64), 1: Number("B", 1)},
        "float": {0: Number("h", _SINGLE if type.size else _DOUBLE)},
        "date": {0: Number("h", _DAYS)},
        "timestamp": {0: Number("h", _MICROSECONDS), 1: "UTC"},
        "fixed_binary": {0: Number("i", width)},
        "vector": {0: Number("i", type.size)},
    }
    return about.get(arrow, {})


def inner_types(type: ColumnType) -> list[tuple[str, ColumnType]]:
    """The columns within a column.  Numbers of a vector are written with 32 bits, which a size marks."""
    if type.kind == "vector":
        return [("item", ColumnType("float", size=1))]
    if type.kind == "list":
        assert type.element is not None
        return [("item", type.element)]
    return list(type.fields)


def guessed(values: list[Any], known: ColumnType | None) -> ColumnType:
    """The type of a query's column: what its name says if the values are so, else what they are."""
    kinds = {_CLASS.get(value.__class__, "") for value in values if value is not None}
    if known is not None and kinds <= _HELD[known.kind]:
        return replace(known, nullable=True)
    if kinds and kinds <= {"int", "float"}:
        return ColumnType("float" if "float" in kinds else "int")
    found = kinds.pop() if len(kinds) == 1 else "text"
    return ColumnType(found if found in ("bool", "int", "float", "text", "binary") else "text")


_CLASS: Final[Mapping[type, str]] = {
    bool: "bool", int: "int", float: "float", str: "text", bytes: "binary", list: "list", dict: "struct"
}  # fmt: skip
_HELD: Final[Mapping[str, frozenset[str]]] = {
    **{kind: frozenset({kind}) for kind in ("text", "int", "bool", "binary", "list", "struct")},
    "float": frozenset({"int", "float"}),
    "date": frozenset({"text"}),
    "timestamp": frozenset({"text"}),
    "vector": frozenset({"list"}),
}
