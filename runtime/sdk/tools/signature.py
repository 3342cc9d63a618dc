"""From a typed function to a JSON Schema of its arguments, and from JSON to typed values."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable
from typing import Annotated, Any

import msgspec

from runtime.errors import BundleError
from runtime.sdk.tools.schema import SchemaMismatch

ANY_OBJECT: dict[str, Any] = {"type": "object", "properties": {}, "additionalProperties": True}
_NOT_ARGUMENTS = ("self", "context", "attachment")


class CallSignature:
    """The arguments of a function as the caller of a tool sees them.

    ``self``, ``context`` (by name, or by a ``ToolContext`` annotation) and ``attachment`` are given by
    the host and are not among them.  Understood are the types msgspec reads (numbers, texts, lists,
    dicts, unions, ``Literal``, enums, dataclasses, TypedDicts, dates) and pydantic models.
    ``Annotated[int, "what it means"]`` describes an argument.

    Attributes:
        schema: JSON Schema of the argument object.
        context_name: The parameter that receives the ToolContext, None if the function wants none.
        is_open: The function takes ``**kwargs``.
    """

    def __init__(self, function: Callable[..., Any], *, name: str) -> None:
        self._name = name
        self.context_name: str | None = None
        self.is_open = False
        fields: list[tuple[str, Any] | tuple[str, Any, Any]] = []
        hints = _hints(function, name)
        for parameter in inspect.signature(function).parameters.values():
            annotation = hints.get(parameter.name, Any)
            if parameter.kind is parameter.VAR_KEYWORD:
                self.is_open = True
            elif parameter.name == "context" or getattr(annotation, "__name__", "") == "ToolContext":
                self.context_name = parameter.name
            elif parameter.name in _NOT_ARGUMENTS or parameter.kind is parameter.VAR_POSITIONAL:
                continue
            elif parameter.kind is parameter.POSITIONAL_ONLY:
                raise BundleError(
                    f"{name!r}: parameter {parameter.name!r} is positional-only",
                    cure="A tool is called with named arguments; remove the `/`.",
                )
            elif parameter.default is parameter.empty:
                fields.append((parameter.name, _described(annotation)))
            else:
                fields.append((parameter.name, _described(annotation), _default(parameter.default)))
        self._names = [field[0] for field in fields]
        self._struct = msgspec.defstruct(
            "Arguments", fields, kw_only=True, forbid_unknown_fields=not self.is_open
        )
        self.schema = self._describe()

    def convert(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """JSON arguments as the typed values the function expects.

        Raises:
            SchemaMismatch: With the path of the wrong place.
        """
        try:
            typed = msgspec.convert(arguments, self._struct, dec_hook=_from_model)
        except (msgspec.ValidationError, ValueError) as error:
            raise SchemaMismatch(f"arguments of {self._name!r}: {error}") from error
        values = {name: getattr(typed, name) for name in self._names}
        return {name: value for name, value in values.items() if value is not _UNSET} | {
            name: value for name, value in arguments.items() if name not in values
        }

    def _describe(self) -> dict[str, Any]:
        try:
            (_,), definitions = msgspec.json.schema_components(
                [self._struct], schema_hook=_model_schema, ref_template="#/$defs/{name}"
            )
        except (TypeError, NotImplementedError) as error:
            raise BundleError(
                f"the arguments of {self._name!r} cannot be described as JSON: {error}",
                cure="Use simpler types, or give the tool an input_schema.",
            ) from error
        schema = dict(definitions.pop("Arguments"))
        schema.pop("title", None)
        if self.is_open:
            schema["additionalProperties"] = True
        if definitions:
            schema["$defs"] = definitions
        return schema


_UNSET: Any = msgspec.UNSET


def _hints(function: Callable[..., Any], name: str) -> dict[str, Any]:
    try:
        return typing.get_type_hints(function, include_extras=True)
    except Exception as error:  # annotations are expressions of somebody's program
        raise BundleError(
            f"the annotations of {name!r} cannot be read: {error}",
            cure="Define its types at the top of the module, not inside a function.",
        ) from error


def _described(annotation: Any) -> Any:
    if typing.get_origin(annotation) is not Annotated:
        return annotation
    base, *notes = typing.get_args(annotation)
    texts = [note for note in notes if isinstance(note, str)]
    kept = [note for note in notes if isinstance(note, msgspec.Meta)]
    if texts:
        kept.append(msgspec.Meta(description=" ".join(texts)))
    return Annotated[(base, *kept)] if kept else base


def _default(value: Any) -> Any:
    # A mutable default stays the function's own business: leave the argument out and let it apply.
    if isinstance(value, str | int | float | bool | None):
        return value
    return msgspec.field(default_factory=lambda: _UNSET)


def _model_schema(kind: type) -> dict[str, Any]:
    describe = getattr(kind, "model_json_schema", None)
    if describe is None:
        raise NotImplementedError(f"{kind!r} has no JSON form")
    described: dict[str, Any] = describe()
    return described


def _from_model(kind: type, value: Any) -> Any:
    validate = getattr(kind, "model_validate", None)
    if validate is None:
        raise NotImplementedError(f"{kind!r} has no JSON form")
    return validate(value)
