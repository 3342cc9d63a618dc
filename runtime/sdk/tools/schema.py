"""JSON Schema: check a value and say where it is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

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
        schema: JSON Schema (2020-12).
        defs: Definitions that ``#/$defs/…`` references in it may use.
        of: What the schema is for, as it stands in error texts ("the input schema of 'adder'").

    Raises:
        ConfigError: It is not a valid schema.
    """

    def __init__(
        self, schema: Mapping[str, Any], *, defs: Mapping[str, Any] | None = None, of: str = "the schema"
    ) -> None:
        self.json: dict[str, Any] = dict(schema)
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


def _short(text: str) -> str:
    return text if len(text) <= MAX_SHOWN_CHARS else text[: MAX_SHOWN_CHARS - 1] + "…"
