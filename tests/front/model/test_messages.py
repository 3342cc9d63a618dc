"""Anthropic's Messages API by way of a room."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest

from runtime.front.model import desk
from runtime.front.model.messages import count_tokens
from tests.front.model.test_routes import FakeProvider, bearer, provider  # noqa: F401

pytestmark = [pytest.mark.process, pytest.mark.asyncio]

TOOL = {"name": "find_tide", "description": "Find the tide of a day", "input_schema": {"type": "object"}}


def key(site: Any) -> dict[str, str]:
    """As Anthropic's client sends a participant's token."""
    return {"x-api-key": bearer(site)["Authorization"].removeprefix("Bearer ")}


def message(text: str, *before: dict[str, Any], **more: Any) -> bytes:
    messages = [*before, {"role": "user", "content": text}]
    return json.dumps({"model": "m", "max_tokens": 9, "messages": messages, **more}).encode()


async def test_messages_are_asked_of_their_own_provider(serving: Any, provider: FakeProvider) -> None:  # noqa: F811
    url = provider.url.removesuffix("/v1")
    path = "/rooms/lab/anthropic/v1/messages"
    async with serving(anthropic_url=url, anthropic_key="sk-ant") as site:
        beta = {**key(site), "anthropic-beta": "b", "anthropic-version": "2023-06-01", "cookie": "c"}
        assert (await site.post(path, message("hi"), beta)).json["id"] == "r1"
        assert (await site.post(f"{path}/count_tokens?beta=true", message("hi"), beta)).status == 200
        (line, headers, body), (counted, *_) = provider.requests
        assert (line, counted) == (
            "POST /v1/messages HTTP/1.1",
            "POST /v1/messages/count_tokens HTTP/1.1",
        )
        assert (headers["x-api-key"], headers["anthropic-beta"]) == ("sk-ant", "b")
        assert not {"cookie", "authorization"} & headers.keys()
        assert body["max_tokens"] == 9
        assert (await site.post(path, message("hi"), {"x-api-key": "none"})).status == 403
    async with serving(model_url=provider.url) as site:
        refused = await site.post(path, message("hi"), key(site))
        assert (refused.status, "ANTHROPIC_API_KEY" in refused.json["detail"]) == (404, True)


async def test_without_a_provider_messages_are_answered_offline(
    serving: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BULKHEAD_OFFLINE_DELAY_MS", "0")
    path = "/rooms/lab/anthropic/v1/messages"
    async with serving() as site:
        plain = (await site.post(path, message("calculate 6 * 7", system="Be brief."), key(site))).json
        assert plain["content"][0]["type"] == "text"
        assert "42" in plain["content"][0]["text"]
        assert (plain["role"], plain["stop_reason"]) == ("assistant", "end_turn")
        called = (
            await site.post(path, message("find the tide", tools=[TOOL, {"type": "x"}]), key(site))
        ).json
        assert called["stop_reason"] == "tool_use"
        call = called["content"][-1]
        assert (call["type"], call["name"]) == ("tool_use", "find_tide")
        done = [
            {"role": "user", "content": "find the tide"},
            {"role": "assistant", "content": called["content"]},
        ]
        result = {"type": "tool_result", "tool_use_id": call["id"], "content": "at noon"}
        body = json.dumps({"model": "m", "messages": [*done, {"role": "user", "content": [result]}]}).encode()
        assert "at noon" in (await site.post(path, body, key(site))).json["content"][0]["text"]
        streamed = await site.post(path, message("calculate 6 * 7", stream=True), key(site))
        kinds = [line[7:] for line in streamed.body.decode().splitlines() if line.startswith("event: ")]
        assert (kinds[:2], kinds[-3:]) == (
            ["message_start", "content_block_start"],
            ["content_block_stop", "message_delta", "message_stop"],
        )
        counting = list[threading.Thread]()

        def noted(asked: Any) -> int:
            counting.append(threading.current_thread())
            return count_tokens(asked)

        monkeypatch.setattr(desk, "count_tokens", noted)
        counted = await site.post(f"{path}/count_tokens", message("one two three"), key(site))
        assert counted.json == {"input_tokens": 3}
        assert counting != [threading.main_thread()]  # who counts 16 MiB must not hold up all others
        for wrong in (b"{}", b'{"messages": "hi"}', b'{"messages": [1]}'):
            assert (await site.post(path, wrong, key(site))).status == 400
