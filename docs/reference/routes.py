"""The page of all HTTP routes, written from the OpenAPI document that the server gives out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from docs.reference.table import plain, sentence, table

_METHODS = ("get", "post", "put", "patch", "delete")


def document() -> dict[str, Any]:
    """What ``/openapi.json`` answers."""
    from runtime.front.openapi.document import document as described

    return described()


def page() -> str:
    """Every path with its methods, parameters and answers."""
    described = document()
    operations = list(_operations(described))
    parts = [table(("", "Path", ""), (_line(*one) for one in operations))]
    for path, method, told in operations:
        parts.append(_section(described, path, method, told))
    return "\n".join(parts)


def _operations(described: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in described["paths"].items():
        for method in _METHODS:
            if method in methods:
                shared = methods.get("parameters", [])
                told = methods[method]
                yield path, method, told | {"parameters": [*shared, *told.get("parameters", [])]}


def _line(path: str, method: str, told: dict[str, Any]) -> tuple[str, str, str]:
    return method.upper(), f"[`{path}`](#{_anchor(path, method)})", sentence(plain(_summary(told)))


def _anchor(path: str, method: str) -> str:
    words = "".join(letter if letter.isalnum() else "-" for letter in path).strip("-")
    return f"{method}-{words or 'root'}"


def _summary(told: dict[str, Any]) -> str:
    return str(told.get("summary") or told.get("description") or "")


def _section(described: dict[str, Any], path: str, method: str, told: dict[str, Any]) -> str:
    lines = [
        f"## {method.upper()} `{path}` {{ #{_anchor(path, method)} }}",
        "",
        sentence(plain(_summary(told))),
        "",
    ]
    description = str(told.get("description") or "")
    if description and description != _summary(told):
        lines += [plain(description), ""]
    given = [_resolved(described, one) for one in told["parameters"]]
    if given:
        rows = [
            (f"`{one['name']}`", one["in"], kind_of(described, one.get("schema", {})), _told(one))
            for one in given
        ]
        lines.append(table(("Parameter", "in", "Type", ""), rows))
    body = _resolved(described, told.get("requestBody", {}))
    for media, content in body.get("content", {}).items():
        lines += [f"Takes `{media}`: {kind_of(described, content.get('schema', {}))}.", ""]
    rows = [
        _answer(described, status, answer)
        for status, answer in told.get("responses", {}).items()
        if status != "default"
    ]
    lines.append(table(("Answer", "Type", ""), rows))
    return "\n".join(lines)


def _answer(described: dict[str, Any], status: str, answer: dict[str, Any]) -> tuple[str, str, str]:
    answer = _resolved(described, answer)
    kinds = [
        f"`{media}` {kind_of(described, content.get('schema', {}))}"
        for media, content in answer.get("content", {}).items()
    ]
    return f"`{status}`", "<br>".join(kinds), sentence(plain(answer.get("description", "")))


def _told(parameter: dict[str, Any]) -> str:
    return sentence(plain(parameter.get("description", "")))


def _resolved(described: dict[str, Any], value: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in value:
        found: Any = described
        for word in value["$ref"].removeprefix("#/").split("/"):
            found = found[word]
        value = found
    return value


def kind_of(described: dict[str, Any], schema: dict[str, Any], depth: int = 0) -> str:
    """A schema in a few words; an object with its names."""
    schema = _resolved(described, schema)
    if "enum" in schema:
        return " or ".join(f"`{one}`" for one in schema["enum"])
    if "const" in schema:
        return f"`{schema['const']}`"
    for word in ("anyOf", "oneOf"):
        if word in schema:
            kinds = dict.fromkeys(kind_of(described, one, depth) for one in schema[word])
            return " or ".join(kinds)
    kind = schema.get("type", "any")
    if isinstance(kind, list):
        kind = " or ".join(kind)
    if kind == "array":
        return f"list of {kind_of(described, schema.get('items', {}), depth)}"
    names = schema.get("properties", {})
    if "object" in kind and names and depth == 0:
        shown = ", ".join(f"`{name}`" for name in names)
        return f"object with {shown}"
    return str(kind)
