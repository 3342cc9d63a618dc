"""Schemas, rows and values on the wire: plain JSON (older dialect), entries and typed cells (newer)."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from runtime.errors import InvalidRequest
from runtime.rooms.built_in.tables.column import Column, ColumnType

Rows = list[dict[str, Any]]


# ---- plain


def plain_value(value: Any, type: ColumnType | None) -> Any:
    """A value as clients up to 0.28 read it: no object but bytes, so structs are JSON text."""
    if isinstance(value, bytes):
        return {"encoding": "base64", "data": base64.b64encode(value).decode()}
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False)
    return value


def plain_rows(given: object, what: str) -> Rows:
    """Rows of a request.  Raises InvalidRequest."""
    if not isinstance(given, list) or not all(isinstance(row, dict) for row in given):
        raise InvalidRequest(f"{what} are a list of objects with values by column")
    return given


# ---- entries


def schema_entries(columns: Iterable[tuple[str, ColumnType]]) -> list[dict[str, Any]]:
    """Columns as entries with names."""
    return [{"name": name, "data_type": _type_entry(type)} for name, type in columns]


def _type_entry(type: ColumnType) -> dict[str, Any]:
    form = type.to_json()
    form["metadata"] = metadata_entries(type.metadata)
    if type.element is not None:
        form["element_type"] = _type_entry(type.element)
    if type.kind == "struct":
        form["fields"] = schema_entries(type.fields)
    return form


def metadata_entries(metadata: Any) -> list[dict[str, Any]] | None:
    """Notes as a list of keys and values."""
    if isinstance(metadata, Mapping):
        return [{"key": str(key), "value": str(value)} for key, value in metadata.items()]
    return metadata if isinstance(metadata, list) else None


def by_column(given: object, key: str) -> dict[str, Any]:
    """``[{"column": name, key: value}]`` -> ``{name: value}``.  Raises InvalidRequest."""
    if given is None:
        return {}
    if not isinstance(given, list) or not all(isinstance(entry, dict) for entry in given):
        raise InvalidRequest(f"columns with their {key} are a list of objects")
    return {str(entry.get("column")): entry.get(key) for entry in given}


def json_value(text: object) -> Any:
    """A value that is sent as JSON text.  Raises InvalidRequest."""
    try:
        return json.loads(text) if isinstance(text, str) else None
    except ValueError as error:
        raise InvalidRequest(f"a value is no JSON: {error}") from None


# ---- typed cells


def cell(value: Any, type: ColumnType | None) -> dict[str, Any]:
    """A value as a cell that names its type."""
    if value is None:
        return {"type": "null"}
    kind = type.kind if type is not None else ""
    match value:
        case bytes():
            return {"type": "binary", "data": base64.b64encode(value).decode()}
        case {"encoding": "base64", "data": data} if kind in ("binary", ""):  # within a list or struct
            return {"type": "binary", "data": data}
        case list():
            inner = type.element if type is not None else None
            return {"type": "list", "items": [cell(item, inner) for item in value]}
        case dict():
            fields = dict(type.fields) if type is not None else {}
            given = [{"name": name, "value": cell(one, fields.get(name))} for name, one in value.items()]
            return {"type": "struct", "fields": given}
    return {"type": kind if kind in _SCALARS else _SCALAR_OF[value.__class__], "value": value}


_SCALARS: Final = ("bool", "int", "float", "text", "date", "timestamp")
_SCALAR_OF: Final[Mapping[type, str]] = {bool: "bool", int: "int", float: "float", str: "text"}


def uncell(given: object) -> Any:
    """What a cell says.  Raises InvalidRequest."""
    match given:
        case {"type": "null"}:
            return None
        case {"type": "binary", "data": str(data)}:
            return {"encoding": "base64", "data": data}
        case {"type": "list", "items": list(items)}:
            return [uncell(item) for item in items]
        case {"type": "struct", "fields": list(fields)}:
            return dict(map(_named, fields))
        case {"type": str(), "value": value}:
            return value
    raise InvalidRequest(f"{given!r:.80} is no cell")


def _named(given: object) -> tuple[str, Any]:
    match given:
        case {"name": str(name), "value": value}:
            return name, uncell(value)
    raise InvalidRequest(f"{given!r:.80} is no cell with a name")


def cells_row(names: Sequence[str], types: Sequence[ColumnType | None], row: Sequence[Any]) -> dict[str, Any]:
    """A row as ``{"columns": [{"name", "value": cell}]}``."""
    return {
        "columns": [
            {"name": name, "value": cell(value, type)}
            for name, type, value in zip(names, types, row, strict=True)
        ]
    }


def uncells_rows(given: object) -> Rows:
    """The rows of a chunk.  Raises InvalidRequest."""
    match given:
        case {"rows": list(rows)}:
            return [dict(map(_named, row.get("columns") or [])) for row in rows if isinstance(row, dict)]
    raise InvalidRequest("a chunk of rows has rows")


def named(columns: Iterable[Column]) -> tuple[list[str], list[ColumnType | None]]:
    """Names and types, apart."""
    listed = list(columns)
    return [column.name for column in listed], [column.type for column in listed]
