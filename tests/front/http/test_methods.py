from __future__ import annotations

from typing import Any

import pytest
from werkzeug.routing import Map, Rule

from runtime.front.app import FrontApp

pytestmark = pytest.mark.process


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/healthz", "GET, HEAD, OPTIONS"),
        ("/workers/s_1", "DELETE, GET, HEAD, OPTIONS"),
        ("/workers/s_1/ping", "OPTIONS, POST"),
        ("/studio/", "GET, HEAD, OPTIONS"),
        ("/studio/rooms/demo", "GET, HEAD, OPTIONS"),
        ("/rooms/demo/token", "OPTIONS, POST"),
        ("/studio/links", "OPTIONS, POST"),
        ("/studio/leave", "OPTIONS, POST"),
        ("/studio/me", "GET, HEAD, OPTIONS"),
        ("/chat", "GET, HEAD, OPTIONS, POST"),
    ],
)
@pytest.mark.asyncio
async def test_options_and_405_name_the_methods_that_a_path_has(
    serving: Any, path: str, methods: str
) -> None:
    async with serving() as site:
        told = await site.ask("OPTIONS", path)
        assert (told.status, told.headers["allow"], told.body) == (200, methods, b"")
        refused = await site.ask("PUT", path)
        assert (refused.status, refused.headers["allow"]) == (405, methods)
        assert refused.json["type"] == "urn:bulkhead:problem:method_not_allowed"
        assert methods in refused.json["detail"]


@pytest.mark.parametrize("method", ["OPTIONS", "PUT", "DELETE", "PATCH", "GET"])
@pytest.mark.asyncio
async def test_where_nothing_is_no_method_is(serving: Any, method: str) -> None:
    async with serving() as site:
        for path in ("/nope", "/workers/s_1/nope", "/api"):
            answer = await site.ask(method, path)
            assert answer.status == 404, path
            assert "allow" not in answer.headers


@pytest.mark.asyncio
async def test_what_is_only_posted_to_is_no_page(serving: Any) -> None:
    async with serving() as site:
        for path in ("/studio/links", "/studio/leave"):
            refused = await site.get(path)
            assert (refused.status, refused.headers["allow"]) == (405, "OPTIONS, POST")


@pytest.mark.asyncio
async def test_a_post_to_a_path_that_is_only_read_says_so(serving: Any) -> None:
    async with serving() as site:
        refused = await site.post("/healthz")
        assert (refused.status, refused.headers["allow"]) == (405, "GET, HEAD, OPTIONS")


def test_addresses_are_made_of_routes_only_where_one_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as none_yet:
        none_yet.setattr(Rule, "_compile_builder", lambda *_: pytest.fail("it costs a start 200 ms"))
        made = Map([FrontApp.url_rule_class("/workers/<name>", endpoint="worker")]).bind("")
    assert made.build("worker", {"name": "s 1"}) == "/workers/s%201"
    assert made.build("worker", {"name": "s_1", "more": "x"}) == "/workers/s_1?more=x"
