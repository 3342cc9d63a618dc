"""Types of columns: how each is written in JSON, and what rows of what somebody gave it fits.  Pure.

A type on the wire is an object such as ``{"type": "vector", "size": 3, "element_type": {"type": "float"}}``.
Newer clients list the fields of a struct, and metadata, as entries with a name; older ones as objects.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import msgspec

from runtime.errors import InvalidRequest

KINDS: Final = (
    "text",
    "int",
    "float",
    "bool",
    "date",
    "timestamp",
    "binary",
    "vector",
    "list",
    "struct",
)
MAX_VECTOR: Final = 16_384
MAX_NAME_CHARS: Final = 256
MAX_TYPE_DEPTH: Final = 8
MAX_FIELDS: Final = 256


@dataclass(frozen=True, slots=True)
class ColumnType:
    """What a column holds.

    Attributes:
        kind: One of `KINDS`.
        size: Numbers in a vector.
        element: Of a vector or list.
        fields: Of a struct, in order.
        metadata: Somebody's notes, kept as they came.
    """

    kind: str
    nullable: bool = True
    size: int = 0
    element: ColumnType | None = None
    fields: tuple[tuple[str, ColumnType], ...] = ()
    metadata: Any = field(default=None, hash=False)

    def to_json(self) -> dict[str, Any]:
        """The form that `read_type` reads, with struct fields as an object."""
        form: dict[str, Any] = {"type": self.kind, "nullable": self.nullable, "metadata": self.metadata}
        if self.kind == "vector":
            form["size"] = self.size
        if self.element is not None:
            form["element_type"] = self.element.to_json()
        if self.kind == "struct":
            form["fields"] = {name: one.to_json() for name, one in self.fields}
        return form


class Column(msgspec.Struct, frozen=True):
    """A column of a table.

    Attributes:
        number: Which column of the file it is; never used twice in a table.
    """

    name: str
    type: ColumnType
    number: int

    @property
    def sql(self) -> str:
        """Its name in the file."""
        return f"c{self.number}"


TEXT: Final = ColumnType("text")
INT: Final = ColumnType("int")
FLOAT: Final = ColumnType("float")
BOOL: Final = ColumnType("bool")
BINARY: Final = ColumnType("binary")


def read_name(name: object, what: str = "column") -> str:
    """A name that a column or table can have.

    Raises:
        InvalidRequest: It is none.
    """
    if not isinstance(name, str) or not 0 < len(name) <= MAX_NAME_CHARS or not name.isprintable():
        raise InvalidRequest(f"a {what}'s name is a text of 1 to {MAX_NAME_CHARS} printable characters")
    return name


def quoted(name: str) -> str:
    """A name within SQL."""
    return '"' + name.replace('"', '""') + '"'


def read_type(form: object, depth: int = 0) -> ColumnType:
    """A type from its JSON form, whichever release wrote it.

    Raises:
        InvalidRequest: It is none.
    """
    if not isinstance(form, Mapping) or form.get("type") not in KINDS or depth > MAX_TYPE_DEPTH:
        raise InvalidRequest(f"{_short(form)} is no type of a column", cure=f"One of {', '.join(KINDS)}.")
    kind = form["type"]
    made = ColumnType(kind, nullable=form.get("nullable") is not False, metadata=form.get("metadata"))
    if kind == "vector":
        size, element = form.get("size"), form.get("element_type") or {"type": "float"}
        if not isinstance(size, int) or not 0 < size <= MAX_VECTOR:
            raise InvalidRequest(f"a vector has a size of 1 to {MAX_VECTOR}")
        inner = read_type(element, depth + 1)
        if inner.kind not in ("float", "int"):
            raise InvalidRequest("a vector is of numbers")
        return replace(made, size=size, element=inner)
    if kind == "list":
        return replace(made, element=read_type(form.get("element_type"), depth + 1))
    if kind == "struct":
        return replace(made, fields=tuple(read_schema(form.get("fields"), depth + 1).items()))
    return made


def read_schema(form: object, depth: int = 0) -> dict[str, ColumnType]:
    """Columns by name, from ``{name: type}`` or ``[{"name", "data_type": type}]``.

    Raises:
        InvalidRequest: It is neither, has no column, or one twice.
    """
    pairs: Iterable[tuple[object, object]]
    if isinstance(form, Mapping):
        pairs = form.items()
    elif isinstance(form, Sequence) and all(isinstance(entry, Mapping) for entry in form):
        pairs = [(entry.get("name"), entry.get("data_type")) for entry in form]
    else:
        raise InvalidRequest("a schema names columns with their types")
    columns: dict[str, ColumnType] = {}
    for name, given in pairs:
        if read_name(name) in columns:
            raise InvalidRequest(f"column {name!r} is there twice")
        columns[read_name(name)] = read_type(given, depth)
    if not 0 < len(columns) <= MAX_FIELDS:
        raise InvalidRequest(f"a schema has 1 to {MAX_FIELDS} columns")
    return columns


def infer_schema(rows: Sequence[Mapping[str, Any]]) -> dict[str, ColumnType]:
    """The types that fit all of these rows; a column without a value is text.

    Raises:
        InvalidRequest: The values of a column are of different types.
    """
    values: dict[str, list[Any]] = {}
    for row in rows:
        for name, value in row.items():
            values.setdefault(read_name(name), []).append(value)
    return {name: _infer(name, given) for name, given in values.items()}


def _infer(name: str, given: Sequence[Any], depth: int = 0) -> ColumnType:
    values = [value for value in given if value is not None]
    kinds = {_kind(value) for value in values}
    if kinds <= {"int", "float"} and kinds:
        return FLOAT if "float" in kinds else INT
    if not kinds:
        return TEXT
    if len(kinds) > 1 or depth > MAX_TYPE_DEPTH:
        raise InvalidRequest(
            f"the values of {name!r} are of different types: {', '.join(sorted(kinds))}",
            cure="Create the table with a schema.",
        )
    kind = kinds.pop()
    if kind == "list":
        inner = _infer(name, [item for value in values for item in value], depth + 1)
        sizes = {len(value) for value in values}
        is_vector = inner.kind in ("float", "int") and len(sizes) == 1 and depth == 0
        if is_vector and 0 < max(sizes) <= MAX_VECTOR and all(None not in value for value in values):
            return ColumnType("vector", size=sizes.pop(), element=FLOAT)
        return ColumnType("list", element=inner)
    if kind == "struct":
        names = dict.fromkeys(key for value in values for key in value)
        fields = {key: _infer(key, [value.get(key) for value in values], depth + 1) for key in names}
        return ColumnType("struct", fields=tuple(fields.items()))
    return ColumnType(kind)


def _kind(value: object) -> str:
    match value:
        case bool():
            return "bool"
        case int():
            return "int"
        case float():
            return "float"
        case str():
            return "text"
        case bytes():
            return "binary"
        case list():
            return "list"
        case Mapping() if value.keys() == {"encoding", "data"}:
            return "binary"
        case Mapping():
            return "struct"
        case _:
            raise InvalidRequest(f"{_short(value)} is nothing that a column holds")


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:80]}…"
