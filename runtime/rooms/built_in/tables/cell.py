"""Values of cells: as participants give and get them, and as they are kept in the file.  Pure.

Given and returned are JSON values, and bytes.  Kept are SQLite's own: dates and times as ISO text of one
width, so that they sort; vectors as packed 32-bit floats; lists and structs as JSON.
"""

from __future__ import annotations

import ast
import base64
import binascii
import json
import math
import struct
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from typing import Any, Final, TypeAlias

from runtime.errors import InvalidRequest
from runtime.rooms.built_in.tables.column import Column, ColumnType
from runtime.wire.text import utf8_text

Kept: TypeAlias = str | int | float | bytes | None

_MAX_INT: Final = 2**63 - 1


def keep(value: Any, column: Column) -> Kept:
    """A given value as the file has it.

    Raises:
        InvalidRequest: It does not fit the column.
    """
    try:
        return _keep(value, column.type)
    except (ValueError, OverflowError, struct.error) as error:
        raise InvalidRequest(f"column {column.name!r} takes {_wanted(column.type)}: {error}") from None


def given(kept: Any, type: ColumnType) -> Any:
    """A value of the file as participants get it: JSON, or bytes."""
    if kept is None:
        return None
    match type.kind:
        case "bool":
            return bool(kept)
        case "timestamp":
            return short_time(kept)
        case "vector":
            numbers = struct.unpack(f"<{type.size}f", kept)
            is_whole = type.element is not None and type.element.kind == "int"
            return [int(number) for number in numbers] if is_whole else list(numbers)
        case "list" | "struct":
            return json.loads(kept)
        case "float":
            return finite(kept)
        case _:
            return kept


def finite(number: Any) -> Any:
    """The number, or None for one that no JSON has: what SQLite makes of a sum that is too large."""
    return None if isinstance(number, float) and not math.isfinite(number) else number


def pack_vector(value: Any, size: int) -> bytes:
    """Numbers as the file has them.  ValueError when they are no vector of that size."""
    if not isinstance(value, list) or len(value) != size:
        raise ValueError(f"not a list of {size} numbers")
    if not all(isinstance(number, int | float) and not isinstance(number, bool) for number in value):
        raise ValueError("not only numbers")
    if not all(map(math.isfinite, value)):
        raise ValueError("not only finite numbers")
    return struct.pack(f"<{size}f", *value)


def read_time(text: str) -> str:
    """A time as text of one width, in UTC; one without a zone is UTC already.  ValueError when it is none."""
    moment = datetime.fromisoformat(text.strip())
    try:
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("in UTC it is in no year") from None
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ").rjust(27, "0")


def read_date(text: str) -> str:
    """A date, or a time's date.  ValueError when it is neither."""
    try:
        return date.fromisoformat(text.strip()).isoformat()
    except ValueError:
        return read_time(text)[:10]


def short_time(kept: str) -> str:
    """``2026-01-02T03:04:05.000000Z`` -> ``2026-01-02T03:04:05Z``."""
    return kept.replace(".000000Z", "Z")


def read_bytes(value: Any) -> bytes:
    """Bytes, however a release sends them.  ValueError when it is none of those ways."""
    match value:
        case bytes():
            return value
        case {"encoding": "base64", "data": str(data)}:
            try:
                return base64.b64decode(data, validate=True)
            except binascii.Error as error:
                raise ValueError(f"not base64: {error}") from None
        case str() if value[:2] in ("b'", 'b"'):  # releases up to 0.28 send Python's own text in places
            try:
                read = ast.literal_eval(value)
            except (SyntaxError, MemoryError, RecursionError) as error:
                raise ValueError("not bytes") from error
            if isinstance(read, bytes):
                return read
    raise ValueError('not bytes, nor {"encoding": "base64", "data": …}')


def _keep(value: Any, type: ColumnType) -> Kept:
    if value is None:
        if not type.nullable:
            raise ValueError("it may not be null")
        return None
    if type.kind in ("list", "struct"):
        # Sorted by nothing: the fields stand as the schema has them.
        return json.dumps(_nested(value, type), ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return _KEEP[type.kind](value, type)


def _nested(value: Any, type: ColumnType) -> Any:
    """A value within a list or struct, as JSON has it."""
    if type.kind == "list" and isinstance(value, list):
        element = type.element
        assert element is not None
        return [_nested(item, element) for item in value]
    if type.kind == "struct" and isinstance(value, Mapping):
        unknown = value.keys() - {name for name, _ in type.fields}
        if unknown:
            raise ValueError(f"no field {sorted(unknown)[0]!r}")
        return {name: _nested(value.get(name), inner) for name, inner in type.fields}
    if value is None:
        return _keep(None, type)
    if type.kind in ("list", "struct"):
        raise ValueError(f"{value!r:.80} is no {type.kind}")
    kept = _KEEP[type.kind](value, type)
    if type.kind == "binary":
        assert isinstance(kept, bytes)
        return {"encoding": "base64", "data": base64.b64encode(kept).decode()}
    return given(kept, type)


def _bool(value: Any, type: ColumnType) -> Kept:
    if not isinstance(value, bool):
        raise ValueError(f"{value!r:.80} is neither true nor false")
    return int(value)


def _int(value: Any, type: ColumnType) -> Kept:
    if isinstance(value, bool) or not isinstance(value, int | float) or value != int(value):
        raise ValueError(f"{value!r:.80} is no whole number")
    if not -_MAX_INT - 1 <= value <= _MAX_INT:
        raise ValueError("it has more than 64 bits")
    return int(value)


def _float(value: Any, type: ColumnType) -> Kept:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{value!r:.80} is no number")
    return float(value)


def _text(value: Any, type: ColumnType) -> Kept:
    if not isinstance(value, str):
        raise ValueError(f"{value!r:.80} is no text")
    return utf8_text(value)


def _date(value: Any, type: ColumnType) -> Kept:
    return read_date(str(_text(value, type)))


def _timestamp(value: Any, type: ColumnType) -> Kept:
    return read_time(str(_text(value, type)))


def _vector(value: Any, type: ColumnType) -> Kept:
    return pack_vector(value, type.size)


def _binary(value: Any, type: ColumnType) -> Kept:
    return read_bytes(value)


_KEEP: Final[Mapping[str, Callable[[Any, ColumnType], Kept]]] = {
    "bool": _bool,
    "int": _int,
    "float": _float,
    "text": _text,
    "date": _date,
    "timestamp": _timestamp,
    "vector": _vector,
    "binary": _binary,
}


def _wanted(type: ColumnType) -> str:
    if type.kind == "vector":
        return f"vectors of {type.size} numbers"
    return {"text": "text", "bool": "true or false", "binary": "bytes"}.get(
        type.kind, f"values of type {type.kind}"
    )
