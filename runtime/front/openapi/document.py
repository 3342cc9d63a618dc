"""``/openapi.json``: the HTTP surface in OpenAPI 3.1, made of the routes and the structs they take and give.

quart-schema walks over the routes; what it leaves out is added here: the structs that structs are made of,
answers that are no JSON, sockets, errors, examples.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable
from typing import Any, Final

import msgspec
from quart import Blueprint, Quart, Response
from werkzeug.routing import Rule
from werkzeug.routing.converters import BaseConverter

import runtime
from runtime.front.http.contract import ALSO, EXAMPLES, REQUEST, Answered, also, belongs, encoded
from runtime.front.http.lean import NOT_USED, without
from runtime.front.http.problems import MEDIA_TYPE
from runtime.front.openapi.shapes.health import Problem
from runtime.front.openapi.surface import PATH_PARAMETERS, TAGS, security
from runtime.front.state import Front

with without(*NOT_USED):
    from quart_schema import Info, OpenAPIProvider, QuartSchema, Server, Tag
    from quart_schema.validation import (
        QUART_SCHEMA_HEADERS_ATTRIBUTE,
        QUART_SCHEMA_QUERYSTRING_ATTRIBUTE,
        QUART_SCHEMA_REQUEST_ATTRIBUTE,
        QUART_SCHEMA_RESPONSE_ATTRIBUTE,
    )

REF: Final = "#/components/schemas/{name}"
JSON: Final = "application/json"
_PART: Final = re.compile(r"<(?:\w+:)?(\w+)>")


def routes(app: Quart, front: Front) -> Blueprint:
    """``/openapi.json``, of this application; made when it is first asked for."""
    paths = Blueprint("openapi", __name__)
    belongs(paths, "server")
    servers: list[Server | dict[str, Any]] = [Server(url="/", description="This server")]
    if front.settings.public_url:
        servers.append(Server(url=front.settings.public_url, description="Where others reach it"))
    schema = QuartSchema(
        app,
        openapi_path=None,
        info=Info(
            title="Bulkhead",
            version=runtime.__version__,
            summary="One supervised process per agent session",
        ),
        tags=[Tag(name=name, description=description) for name, description in TAGS.items()],
        servers=servers,
        conversion_preference="msgspec",
        openapi_provider_class=Description,
    )
    made: list[bytes] = []

    @paths.get("/openapi.json")
    @also(200, "OpenAPI 3.1", JSON)
    async def openapi() -> Response:
        """This document"""
        if not made:
            document = await asyncio.to_thread(schema.openapi_provider.schema)
            document["components"]["securitySchemes"] = security(front.access.cookie)
            made.append(encoded(document))
        return Response(made[0], content_type=JSON)

    return paths


class Description(OpenAPIProvider):
    """The document of one application, by its routes."""

    def __init__(self, app: Quart, extension: QuartSchema) -> None:
        super().__init__(app, extension)
        self._refs: dict[Any, dict[str, Any]] = {}
        self._parameters: dict[str, Any] = {}

    def schema(self) -> dict[str, Any]:
        """The whole document; safe in a thread."""
        handlers = [self._app.view_functions[rule.endpoint] for rule in self.generate_rules()]
        types: list[Any] = [Problem]
        named: list[Any] = []
        for handler in handlers:
            types += [one for one, _ in getattr(handler, QUART_SCHEMA_RESPONSE_ATTRIBUTE, {}).values()]
            types += getattr(handler, QUART_SCHEMA_REQUEST_ATTRIBUTE, (None,))[:1]
            for attribute in (QUART_SCHEMA_QUERYSTRING_ATTRIBUTE, QUART_SCHEMA_HEADERS_ATTRIBUTE):
                named.append(getattr(handler, attribute, None))
        types = list(dict.fromkeys(one for one in types if one is not None))
        refs, components = msgspec.json.schema_components(types, ref_template=REF)
        self._refs = dict(zip(types, refs, strict=True))
        named = list(dict.fromkeys(one for one in named if one is not None))
        _, self._parameters = msgspec.json.schema_components(named, ref_template=REF)
        document: dict[str, Any] = super().schema()
        document["info"]["license"] = {"name": "Apache-2.0", "identifier": "Apache-2.0"}
        document["components"]["schemas"] = components
        document["components"]["responses"] = {
            "Problem": {
                "description": str(Problem.__doc__),
                "content": {MEDIA_TYPE: {"schema": self._refs[Problem]}},
            }
        }
        return document

    def generate_rules(self) -> Iterable[Rule]:
        """Every route; a path's socket where nothing else answers GET there."""
        rules = list(self._app.url_map.iter_rules())
        plain = {rule.rule for rule in rules if not rule.websocket and "GET" in (rule.methods or ())}
        return [rule for rule in rules if not rule.websocket or rule.rule not in plain]

    def generate_methods(self, rule: Rule) -> Iterable[str]:
        """GET alone of a socket."""
        return ["GET"] if rule.websocket else super().generate_methods(rule)

    def build_paths(self, rule: Rule) -> tuple[dict[str, Any], dict[str, Any]]:
        """One path, with what quart-schema does not say of it."""
        found, components = super().build_paths(rule)
        handler = self._app.view_functions[rule.endpoint]
        examples: dict[Any, Any] = getattr(handler, EXAMPLES, {})
        # quart-schema takes "<room>/files/<path:path>" for one part of a path.
        path = _PART.sub(r"{\1}", rule.rule)
        (item,) = found.values()
        for method, operation in item.items():
            operation["operationId"] = _name(method, path)
            answers: dict[Any, Any] = operation["responses"]
            for status, example in examples.items():
                where = operation["requestBody"] if status == REQUEST else answers[status]
                where["content"][JSON]["example"] = msgspec.to_builtins(example)
            for answered in getattr(handler, ALSO, {}).values():
                _add(answers, answered)
            answers["default"] = {"$ref": "#/components/responses/Problem"}
        return {path: item}, components

    def build_path_parameter(self, name: str, converter: BaseConverter) -> dict[str, Any]:
        """A part of a path, with what it is."""
        description, example = PATH_PARAMETERS[name]
        found: dict[str, Any] = super().build_path_parameter(name, converter)
        return found | {"description": description, "example": example}

    def build_querystring_parameters(self, model: Any) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        """The fields of a query."""
        return self._named(model, "query"), {}

    def build_headers_parameters(self, model: Any) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        """The headers that matter."""
        return self._named(model, "header"), {}

    def build_request_body(self, model: Any, source: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """A body of JSON, which may be left out where nothing in it must be there."""
        required = any(field.required for field in msgspec.structs.fields(model))
        return {"required": required, "content": {JSON: {"schema": self._refs[model]}}}, {}

    def build_response_object(self, model: Any, headers_model: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """An answer of JSON."""
        is_struct = isinstance(model, type) and issubclass(model, msgspec.Struct)
        description = str(model.__doc__).partition("\n")[0] if is_struct else "A list"
        return {"description": description, "content": {JSON: {"schema": self._refs[model]}}}, {}

    def _named(self, model: Any, where: str) -> list[dict[str, Any]]:
        found = []
        for name, schema in self._parameters[model.__name__]["properties"].items():
            about = dict(schema)
            if (
                "anyOf" in about
                and len(left := [one for one in about["anyOf"] if one != {"type": "null"}]) == 1
            ):
                about = {**left[0], **{key: value for key, value in about.items() if key != "anyOf"}}
            shown = name if where == "query" else name.replace("_", "-").title()
            told = {"name": shown, "in": where, "required": False}
            if "description" in about:
                told["description"] = about.pop("description")
            found.append(told | {"schema": about})
        return found


def _name(method: str, path: str) -> str:
    """Of the method and the words of the path: unique, and the same as long as they are."""
    return "_".join([method, *(re.findall(r"\w+", path) or ["root"])])


def _add(answers: dict[Any, Any], answered: Answered) -> None:
    answer = answers.setdefault(answered.status, {"description": answered.description})
    for media_type in answered.media_types:
        schema = {} if media_type == JSON else {"schema": {"type": "string"}}
        answer.setdefault("content", {})[media_type] = schema
