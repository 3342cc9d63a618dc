"""What is wrong with a request, in words: which field, and what it may be.

msgspec says where and how a value does not fit; what would fit stands in the schema of the same struct.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final, Literal, get_args, get_origin, get_type_hints

import msgspec

_PLACE: Final = re.compile(r" - at `(?:key in )?\$(.*)`$")
_MISSING: Final = re.compile(r"^Object missing required field `(.*?)`")
_IN_LIST: Final = re.compile(r"\[[0-9.]*\]$")
_KINDS: Final = {
    "integer": "a whole number",
    "number": "a number",
    "string": "a text",
    "boolean": "true or false",
    "object": "a JSON object",
    "array": "a JSON array",
}


def complaint(error: Exception, model: type, example: Any = None) -> tuple[str, str]:
    """The field that is at fault, empty when it is the whole, and a sentence that says what it must be.

    Args:
        error: What reading `model` raised.
        example: A value of it, shown where the whole is at fault.
    """
    said = str(error)
    place = _PLACE.search(said)
    missing = _MISSING.search(said)
    inside = place[1].removeprefix(".") if place else ""
    field = ".".join(filter(None, (inside, missing[1] if missing else "")))
    if not field or not isinstance(error, msgspec.ValidationError):
        such = f" such as {json.dumps(msgspec.to_builtins(example))}" if example is not None else ""
        return "", f"Send a JSON object{such}."
    properties, components = _schema(model)
    if words := _words(get_type_hints(model).get(_IN_LIST.sub("", field))):
        must = f"{field} must be one of {', '.join(words)}."
    elif field in properties:
        must = f"{field} must be {_fits(properties[field], components)}."
    else:
        must = f"{field} does not fit: {_PLACE.sub('', said)}."
    return field, f"{field} is missing; {must}" if missing else must


def _schema(model: type) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    (_,), components = msgspec.json.schema_components([model], ref_template="{name}")
    return components[model.__name__]["properties"], components


def _words(hint: Any) -> tuple[str, ...]:
    """Those of a literal, in their order, which the schema does not keep."""
    if get_origin(hint) is Literal:
        return get_args(hint)
    return next(filter(None, map(_words, get_args(hint))), ())


def _fits(schema: Mapping[str, Any], components: Mapping[str, Any]) -> str:
    if "$ref" in schema:
        return _fits(components[schema["$ref"]], components)
    if "anyOf" in schema:
        return _fits(next(one for one in schema["anyOf"] if one.get("type") != "null"), components)
    kind = _KINDS.get(str(schema.get("type")), "another value")
    if schema.get("type") == "string":
        least, most = schema.get("minLength", 0), schema.get("maxLength")
        if "pattern" in schema and "description" in schema:
            return f"{kind}: {schema['description']}"
        return f"{kind} of {least} to {most} characters" if most else kind
    least, most = schema.get("minimum"), schema.get("maximum")
    return f"{kind} from {least} to {most}" if least is not None and most is not None else kind
