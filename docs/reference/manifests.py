"""The page of manifests: every field of every record, read from the vocabulary; and their JSON Schema."""

from __future__ import annotations

import json
from collections.abc import Iterator

from docs.reference.table import plain, stacked
from runtime.wire.manifest.json_schema import schema
from runtime.wire.manifest.shape import (
    Families,
    Field,
    Free,
    ListOf,
    MapOf,
    PortNumber,
    Quantity,
    Record,
    Shape,
    Text,
    Truth,
    Whole,
)
from runtime.wire.manifest.vocabulary.whole import MANIFEST


def page() -> str:
    """A table for each map of a manifest, by where it stands."""
    parts = []
    for path, record in records(MANIFEST, ""):
        parts.append(f"## {path or 'The manifest'}\n\n{record.doc}\n")
        rows = [(f"`{one.name}`", _kind(one.shape), plain(_about(one))) for one in record.fields]
        parts.append(stacked(("Field", "Value", "About"), rows))
    return "\n".join(parts)


def json_schema() -> str:
    """The schema as a file."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


def records(record: Record, path: str) -> Iterator[tuple[str, Record]]:
    """Each record with the path at which it stands."""
    yield path, record
    for field in record.fields:
        shape, here = field.shape, f"{path}.{field.name}".lstrip(".")
        while isinstance(shape, ListOf):
            shape, here = shape.item, f"{here}[]"
        if isinstance(shape, Record):
            yield from records(shape, here)


def _about(field: Field) -> str:
    told = [field.doc]
    if field.is_required or field.required_of:
        told.append("Needed." if field.is_required else f"Needed of a {field.required_of}.")
    if field.only:
        told.append(f"Only of a {field.only}.")
    if field.default is not None:
        told.append(f"Left out: {json.dumps(field.default)}.")
    if field.since not in ("", "0.6") or field.gone:
        span = f"from {field.since}" if field.since != "0.6" else ""
        told.append(f"Known to releases {span}{' ' if span and field.gone else ''}"
                    f"{f'before {field.gone}' if field.gone else ''}.")  # fmt: skip
    return " ".join(told)


def _kind(shape: Shape) -> str:
    match shape:
        case Text(words=words) if words:
            return ", ".join(f"`{word}`" for word in words)
        case Text(is_path=True):
            return "path"
        case Text():
            return "text"
        case Truth():
            return "`true`, `false`"
        case Whole(least=least, most=most):
            return f"{least}–{most}"
        case PortNumber():
            return '`"*"`, 1–65535'
        case Quantity(unit=unit):
            return unit
        case ListOf(item=item):
            return f"list of {_kind(item)}"
        case MapOf(value=value):
            return f"map of {_kind(value)}"
        case Families(known=known):
            return "map of " + ", ".join(f"`{name}`" for name, _ in known)
        case Record():
            return "map"
        case Free():
            return "anything"
