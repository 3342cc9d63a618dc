"""JSON Schema: check a value and say where it is wrong."""

from __future__ import annotations

import dataclasses
import json
import typing
from collections.abc import Mapping
from typing import Any

import msgspec
from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError

from runtime.errors import ConfigError
from runtime.sdk.room.room_exception import RoomException

MAX_SHOWN_COUNT = 3
MAX_SHOWN_CHARS = 300


class SchemaMismatch(RoomException):
    """A value does not fit its schema; the text names the place in it."""

    code = "schema_mismatch"


class Schema:
    """A schema, checked and compiled once.

    Args:
        schema: JSON Schema (2020-12), or a class that has one; see `schema_of`.
        defs: Definitions that ``#/$defs/…`` references in it may use.
        of: What the schema is for, as it stands in error texts ("the input schema of 'adder'").

    Raises:
        ConfigError: It is not a valid schema.
        TypeError: It is neither a schema nor a class that has one.
    """

    def __init__(
        self,
        schema: Mapping[str, Any] | type[Any],
        *,
        defs: Mapping[str, Any] | None = None,
        of: str = "the schema",
    ) -> None:
        self.json = schema_of(schema, of=of)
        if defs:
            self.json["$defs"] = {**defs, **self.json.get("$defs", {})}
        try:
            Draft202012Validator.check_schema(self.json)
        except SchemaError as error:
            raise ConfigError(
                f"{of} is not a valid JSON Schema: at {error.json_path}: {_short(error.message)}",
                cure="See https://json-schema.org/understanding-json-schema for the keywords.",
            ) from error
        self._validator = Draft202012Validator(self.json)

    def check(self, value: Any, *, what: str) -> None:
        """Return when the value fits.

        Args:
            what: How the error calls the value, for example ``arguments of 'adder'``.

        Raises:
            SchemaMismatch: With the JSON path of each wrong place, three at most.
        """
        try:
            errors = sorted(self._validator.iter_errors(value), key=lambda error: error.json_path)
        except RecursionError:
            raise SchemaMismatch(f"{what}: nested too deeply") from None
        if not errors:
            return
        shown = "; ".join(f"{error.json_path}: {_short(error.message)}" for error in errors[:MAX_SHOWN_COUNT])
        more = f"; and {len(errors) - MAX_SHOWN_COUNT} more" if len(errors) > MAX_SHOWN_COUNT else ""
        raise SchemaMismatch(f"{what} do not fit the schema: {shown}{more}")


def schema_of(declared: Mapping[str, Any] | type[Any], *, of: str = "the schema") -> dict[str, Any]:
    """JSON Schema as it stands, or that of a class: pydantic's model, a dataclass, TypedDict or Struct.

    Raises:
        TypeError: It is neither.
    """
    if isinstance(declared, Mapping):
        return dict(declared)
    dump = getattr(declared, "model_json_schema", None)  # pydantic's, where the author uses that
    if isinstance(declared, type) and callable(dump):
        return dict(dump())
    if isinstance(declared, type) and _is_record(declared):
        return _unfolded(msgspec.json.schema(declared))
    raise TypeError(
        f"{of} is {declared!r:.80}, of type {type(declared).__name__}; write JSON Schema as a dict, "
        "or a class: a pydantic model, a dataclass or a TypedDict"
    )


def _is_record(cls: type[Any]) -> bool:
    return dataclasses.is_dataclass(cls) or issubclass(cls, msgspec.Struct) or typing.is_typeddict(cls)


def _unfolded(schema: dict[str, Any]) -> dict[str, Any]:
    """With the object itself at the top, where models look for it, instead of a reference to it."""
    definitions = dict(schema.get("$defs", {}))
    name = str(schema.get("$ref", "")).removeprefix("#/$defs/")
    if name not in definitions:
        return schema
    top = dict(definitions[name])
    if f'"#/$defs/{name}"' not in json.dumps(definitions):
        del definitions[name]  # unless something in it is of its own kind
    return {**top, "$defs": definitions} if definitions else top


def _short(text: str) -> str:
    return text if len(text) <= MAX_SHOWN_CHARS else text[: MAX_SHOWN_CHARS - 1] + "…"
