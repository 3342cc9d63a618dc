"""Every answer that is made while it is sent tells proxies and caches not to hold it back, or keep it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from runtime.front.app import create_app
from runtime.front.operator.events import Readers
from tests.front.conftest import JSON, read_head, request

pytestmark = [pytest.mark.process, pytest.mark.asyncio]

ASKING = b'{"model": "m", "input": "hi", "messages": [{"role": "user", "content": "hi"}], "stream": true}'
STREAMS = {
    "/events",
    "/studio/live",
    "/workers/<session_id>/logs",
    "/rooms/<room>/files/<path:path>",
    "/rooms/<room>/v1/responses",
    "/rooms/<room>/openai/v1/responses",
    "/openai/v1/responses",
    "/rooms/<room>/v1/embeddings",
    "/rooms/<room>/openai/v1/embeddings",
    "/openai/v1/embeddings",
    "/rooms/<room>/v1/messages",
    "/rooms/<room>/anthropic/v1/messages",
    "/anthropic/v1/messages",
    "/rooms/<room>/v1/messages/count_tokens",
    "/rooms/<room>/anthropic/v1/messages/count_tokens",
    "/anthropic/v1/messages/count_tokens",
}


async def test_every_route_that_streams_says_that_nothing_is_to_be_held_back(
    serving: Any, within: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BULKHEAD_OFFLINE_DELAY_MS", "0")
    folder = tmp_path / "state/rooms/data/lab/files"
    folder.mkdir(parents=True)
    (folder / "note.txt").write_text("hello")
    async with serving() as site:
        front = site.server.front
        await site.post("/chat")
        (record,) = front.registry.live()
        token = front.rooms.token("lab", "bot")
        link = front.rooms._links.make("ws://localhost/rooms/lab", "lab", "note.txt").partition("?")[2]
        values = {"session_id": record.spec.session_id, "room": "lab", "path": "note.txt", "endpoint": "chat"}
        streamed = set()
        for rule in create_app(front, Readers(front)).url_map.iter_rules():
            path = re.sub(r"<(?:path:)?(\w+)>", lambda found: values.get(found[1], "x"), rule.rule)
            for method in () if rule.websocket else {"GET", "POST"} & set(rule.methods or ()):
                reader, writer = await site.connect()
                headers = {**JSON, "Authorization": f"Bearer {token}"}
                body = ASKING if method == "POST" else b""
                writer.write(request(method, f"{path}?follow=1&{link}", body, headers))
                status, told = await within(10, read_head(reader))
                writer.close()
                if "x-accel-buffering" in told or "content-length" not in told:
                    streamed.add(rule.rule)
                    assert (told.get("x-accel-buffering"), status) == ("no", 200), (method, path)
                    assert "no-store" in told["cache-control"], (method, path)
        assert streamed == STREAMS
