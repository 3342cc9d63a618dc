"""The JSON Schema of manifests in the structured form, for editors; written from the vocabulary.

A schema cannot say all that `read` does; whatever `read` takes of the structured form, it takes, too.
"""

from __future__ import annotations

from typing import Any, Final

from runtime.wire.manifest.shape import (
    OWN,
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
from runtime.wire.manifest.vocabulary.words import MAX_PORT, SERVICE

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


def schema() -> dict[str, Any]:
    """The whole schema."""
    return {
        "$schema": DIALECT,
        "title": "Manifest of a service",
        **_record(MANIFEST),
        "allOf": [
            {
                "if": {"properties": {"kind": {"const": SERVICE}}},
                "then": {
                    "oneOf": [{"required": ["container"]}, {"required": ["external"]}],
                    "properties": {"container": {"required": ["image"]}, "variables": False},
                },
            }
        ],
    }


def _record(record: Record) -> dict[str, Any]:
    made: dict[str, Any] = {
        "type": "object",
        "description": record.doc,
        "properties": {field.name: _field(field) for field in record.fields},
        "additionalProperties": False,
    }
    if required := [field.name for field in record.fields if field.is_required]:
        made["required"] = required
    if record.takes_own:
        made["patternProperties"] = {f"^{OWN}": {}}
    return made


def _field(field: Field) -> dict[str, Any]:
    made = _shape(field.shape)
    inner = made.pop("description", "")
    about = field.doc
    if field.gone:
        made["deprecated"] = True
        about = f"{about} Gone in {field.gone}."
    made = {"description": about or inner, **made}
    if field.default is not None:
        made["default"] = field.default
    return made if field.is_required else _or_null(made)


def _shape(shape: Shape) -> dict[str, Any]:
    match shape:
        case Record(short=str(short)) if short:
            return {"anyOf": [{"type": "string", "minLength": 1}, _record(shape)]}
        case Record():
            return _record(shape)
        case ListOf(item=item, pairs=pairs):
            listed: dict[str, Any] = {"type": "array", "items": _shape(item)}
            if shape.is_filled:
                listed["minItems"] = 1
            texts = {"type": "object", "additionalProperties": {"type": "string"}}
            return {"anyOf": [listed, texts]} if pairs else listed
        case MapOf(value=value):
            return {"type": "object", "additionalProperties": _shape(value)}
        case Families(known=known):
            families = {name: {"type": ["object", "null"]} for name, _ in known}
            return {"type": "object", "properties": families, "additionalProperties": False}
        case Text():
            return _text(shape)
        case Truth():
            return {"type": "boolean"}
        case Whole(least=least, most=most):
            return {"type": "integer", "minimum": least, "maximum": most}
        case PortNumber():
            return {"anyOf": [{"const": "*"}, {"type": "integer", "minimum": 1, "maximum": MAX_PORT},
                              {"type": "string", "pattern": "^[0-9]{1,5}$"}]}  # fmt: skip
        case Quantity():
            return {"type": ["number", "string"]}
        case Free():
            return {}


def _text(shape: Text) -> dict[str, Any]:
    made: dict[str, Any] = {"type": "string"}
    if shape.words:
        made["enum"] = list(shape.words)
    if shape.is_filled:
        made["minLength"] = 1
    if shape.is_path:
        made["pattern"] = "^/"
    if shape.form is not None:
        made["pattern"] = f"^{shape.form[0]}$"
    return made


def _or_null(made: dict[str, Any]) -> dict[str, Any]:
    """What may be left out may be nothing as well."""
    kind = made.get("type")
    if isinstance(kind, str):
        made["type"] = [kind, "null"]
        if "enum" in made:
            made["enum"] = [*made["enum"], None]
    elif isinstance(kind, list):
        made["type"] = [*kind, "null"]
    elif "anyOf" in made:
        made["anyOf"] = [*made["anyOf"], {"type": "null"}]
    return made
