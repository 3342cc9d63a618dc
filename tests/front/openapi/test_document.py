"""The description of the HTTP API is whole, valid, and of nothing that is not there."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import jsonschema
import msgspec
import pytest
from jsonschema.validators import Draft202012Validator

from runtime.front.app import create_app
from runtime.front.openapi.shapes.shape import Shape
from runtime.front.operator.events import Readers
from runtime.wire.manifest.own import RESERVED, reserved_by
from tests.front.conftest import Answer

pytestmark = [pytest.mark.process, pytest.mark.asyncio]

VERBS = ("get", "post", "delete", "put")


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        for verb, operation in item.items():
            yield path, verb, operation


def check(document: dict[str, Any], schema: Any, value: Any) -> None:
    jsonschema.validate(value, {**schema, "components": document["components"]}, cls=Draft202012Validator)


def check_answer(document: dict[str, Any], path: str, verb: str, answer: Answer) -> None:
    """That an answer is one of those that the description has for it."""
    responses = document["paths"][path][verb]["responses"]
    told = responses.get(str(answer.status))
    kind = "application/json"
    if told is None:
        assert answer.status >= 400
        kind, told = "application/problem+json", document["components"]["responses"]["Problem"]
    assert answer.headers["content-type"] == kind
    check(document, told["content"][kind]["schema"], answer.json)


async def test_it_has_every_route_and_no_other(serving: Any) -> None:
    async with serving() as site:
        app = create_app(site.server.front, Readers(site.server.front))
        routed = set()
        for rule in app.url_map.iter_rules():
            path = re.sub(r"<(?:path:)?(\w+)>", r"{\1}", rule.rule)
            methods = {"GET"} if rule.websocket else set(rule.methods or ()) - {"HEAD", "OPTIONS"}
            routed |= {(path, method.lower()) for method in methods}
        document = (await site.get("/openapi.json")).json
        assert {(path, verb) for path, verb, _ in operations(document)} == routed


async def test_each_operation_says_what_it_is_for_whom_and_what_it_answers(serving: Any) -> None:
    async with serving() as site:
        document = (await site.get("/openapi.json")).json
        tags = {tag["name"] for tag in document["tags"]}
        schemes = set(document["components"]["securitySchemes"])
        used, ids = set(), []
        for path, verb, operation in operations(document):
            where = f"{verb} {path}"
            assert operation["summary"], where
            assert len(operation["tags"]) == 1, where
            used |= set(operation["tags"])
            ids.append(operation["operationId"])
            for way in operation.get("security", []):
                assert set(way) <= schemes, where
            responses = operation["responses"]
            assert len(responses) > 1, where
            assert responses["default"] == {"$ref": "#/components/responses/Problem"}, where
            declared = {one["name"] for one in operation["parameters"] if one["in"] == "path"}
            assert declared == set(re.findall(r"{(\w+)}", path)), where
        assert used == tags
        assert len(ids) == len(set(ids))
        assert document["servers"][0]["url"] == "/"
        assert (
            document["components"]["securitySchemes"]["browserSession"]["name"]
            == site.server.front.access.cookie
        )


async def test_it_is_valid_and_so_are_its_schemas_and_examples(serving: Any) -> None:
    async with serving(public_url="https://agents.example") as site:
        document = (await site.get("/openapi.json")).json
    assert document["openapi"].startswith("3.1.")
    assert document["servers"][1]["url"] == "https://agents.example"
    from schemathesis.specs.openapi.definitions import OPENAPI_31_VALIDATOR  # half a second

    OPENAPI_31_VALIDATOR.validate(document)
    schemas = document["components"]["schemas"]

    for schema in schemas.values():
        Draft202012Validator.check_schema(schema)
    # Whatever is spoken of is there, and whatever is there is spoken of.
    spoken_of = set(re.findall(r"#/components/schemas/(\w+)", msgspec.json.encode(document).decode()))
    assert spoken_of == set(schemas)
    examples = 0
    for _, _, operation in operations(document):
        bodies = [operation.get("requestBody", {}), *operation["responses"].values()]
        for media in (media for body in bodies for media in body.get("content", {}).values()):
            if "example" in media:
                check(document, media["schema"], media["example"])
                examples += 1
        for parameter in operation["parameters"]:
            for example in parameter["schema"].get("examples", []):
                check(document, parameter["schema"], example)
    assert examples > 8


async def test_no_two_shapes_have_one_name() -> None:
    def below(shape: type) -> Iterator[str]:
        for one in shape.__subclasses__():
            yield one.__name__
            yield from below(one)

    names = list(below(Shape))
    assert len(names) == len(set(names))


async def test_every_fixed_path_is_reserved(serving: Any) -> None:
    async with serving() as site:
        document = (await site.get("/openapi.json")).json
    for path in document["paths"]:
        if path != "/{endpoint}":
            assert reserved_by(path), path
    assert reserved_by("/studio/app.js")
    assert "/" in RESERVED


async def test_what_is_not_used_of_other_libraries_is_not_loaded() -> None:
    code = "import sys, runtime.front.server; print([n for n in ('attrs', 'pydantic') if n in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


async def test_calls_answer_as_it_says_by_the_quick_way_and_by_the_other(serving: Any) -> None:
    def webhook(event: str, room: str = "r") -> bytes:
        return b'{"event":"%s","data":{"room_name":"%s"}}' % (event.encode(), room.encode())

    async with serving() as site:
        document = (await site.get("/openapi.json")).json
        quick = [await site.post("/chat", webhook(event)) for event in ("room.started", "room.ended")]
        slow = [
            await site.post("/chat", webhook("room.call")),
            await site.post("/chat", webhook("room.call"), {"Prefer": "wait=5"}),
            await site.post("/chat", webhook("room.renamed")),
        ]
        site.placement.on_place = "nothing"
        slow.append(await site.post("/chat", webhook("room.call", "later"), {"Prefer": "wait=0"}))
        refused = [
            await site.post("/chat", b"{}"),
            await site.post("/nope", webhook("room.call")),
            await site.post("/chat", webhook("room.call", "a/b")),
        ]
        site.placement.on_place = "fail"
        refused.append(await site.post("/chat", webhook("room.call", "bad"), {"Prefer": "wait=5"}))
        for answer in (*quick, *slow, *refused):
            check_answer(document, "/{endpoint}", "post", answer)
        assert [answer.status for answer in quick + slow] == [200] * 5 + [202]
        assert [answer.status for answer in refused] == [400, 404, 400, 502]
        got = [
            await site.get("/chat"),
            await site.get("/nope"),
            await site.ask("GET", "/chat", headers={"Meshagent-Webhook": webhook("room.started").decode()}),
        ]
        for answer in got:
            check_answer(document, "/{endpoint}", "get", answer)
        assert [answer.status for answer in got] == [426, 404, 200]


async def test_what_takes_a_socket_says_so_without_one(serving: Any) -> None:
    async with serving() as site:
        document = (await site.get("/openapi.json")).json
        for path in ("/rooms/{room}", "/rooms/{room}/v1/responses", "/openai/v1/responses"):
            assert "101" in document["paths"][path]["get"]["responses"]
            answer = await site.get(path.replace("{room}", "r"))
            check_answer(document, path, "get", answer)
            assert (answer.status, answer.headers["upgrade"]) == (426, "websocket")
