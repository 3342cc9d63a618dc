"""The words that the parts of ``/openapi.json`` are written in."""

from __future__ import annotations

from typing import Any, Final

STR: Final = {"type": "string"}
INT: Final = {"type": "integer"}
NUM: Final = {"type": "number"}
BOOL: Final = {"type": "boolean"}
TIME: Final = {"type": "string", "format": "date-time"}
LIST: Final = {"type": "array"}
ANY: Final = {"type": "object"}
NAMED: Final = {"type": "object", "additionalProperties": STR}
MAYBE_STR: Final = {"type": ["string", "null"]}
MAYBE_INT: Final = {"type": ["integer", "null"]}
MAYBE_NUM: Final = {"type": ["number", "null"]}
MAYBE_ANY: Final = {"type": ["object", "null"]}
PROBLEM: Final = {"$ref": "#/components/responses/Problem"}


def an_object(**properties: Any) -> dict[str, Any]:
    """The schema of an object."""
    return {"type": "object", "properties": properties}


def a_list(items: dict[str, Any]) -> dict[str, Any]:
    """The schema of an array."""
    return {"type": "array", "items": items}


def ref(name: str) -> dict[str, Any]:
    """One of the document's schemas."""
    return {"$ref": f"#/components/schemas/{name}"}


def as_json(schema: dict[str, Any], description: str) -> dict[str, Any]:
    """A response of JSON."""
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def as_text(kind: str, description: str) -> dict[str, Any]:
    """A response of text of a media type."""
    return {"description": description, "content": {kind: {"schema": STR}}}


def given_in(where: str, name: str, schema: dict[str, Any], description: str) -> dict[str, Any]:
    """A parameter in the ``path``, the ``query`` or a ``header``."""
    return {
        "in": where,
        "name": name,
        "required": where == "path",
        "schema": schema,
        "description": description,
    }


def sent(schema: dict[str, Any], *, required: bool = False) -> dict[str, Any]:
    """A request's body of JSON."""
    body: dict[str, Any] = {"content": {"application/json": {"schema": schema}}}
    return body | ({"required": True} if required else {})


def operation(summary: str, ok: dict[str, Any], *, operator: bool = False, **more: Any) -> dict[str, Any]:
    """What a method of a path does; with `operator`, for those who may operate the server."""
    done: dict[str, Any] = {"summary": summary, "responses": {"200": ok, "default": PROBLEM}}
    if operator:
        done["security"] = [{}, {"operator": []}, {"visit": []}]
    return done | more
