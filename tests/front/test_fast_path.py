"""The quick way in gives the answers of the application, and leaves to it what it cannot answer."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from runtime.front.app import create_app
from runtime.front.fast_path import FastPath
from runtime.front.operator.events import Readers
from runtime.wire.signature import meshagent_signature

pytestmark = [pytest.mark.process, pytest.mark.asyncio]

SECRET = "a secret that is long enough to be used"


def _event(name: str, **data: Any) -> bytes:
    return json.dumps({"event": name, "data": {"room_name": "r", **data}}).encode()


async def _ask(app: Any, path: str, pieces: list[bytes], headers: dict[str, str]) -> tuple[Any, ...]:
    """One POST straight at an ASGI application: status, headers and body."""
    waiting = [
        {"type": "http.request", "body": piece, "more_body": number < len(pieces) - 1}
        for number, piece in enumerate(pieces)
    ]
    sent: list[dict[str, Any]] = []
    answered = asyncio.Event()

    async def receive() -> dict[str, Any]:
        if not waiting:
            await answered.wait()  # the client stays as long as it is not answered; then servers say so
            return {"type": "http.disconnect"}
        return waiting.pop(0)

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)
        if message["type"] == "http.response.body" and not message.get("more_body", False):
            answered.set()

    given = {"host": "localhost", "x-request-id": "req_1", **headers}
    given.setdefault("content-length", str(sum(map(len, pieces))))
    scope = {
        "type": "http", "method": "POST", "path": path, "raw_path": path.encode(), "query_string": b"",
        "headers": [(k.encode(), v.encode()) for k, v in given.items()], "client": ("127.0.0.1", 1),
        "http_version": "1.1", "scheme": "http", "root_path": "", "server": ("localhost", 80),
        "extensions": {},
    }  # fmt: skip
    await app(scope, receive, send)
    head = {k.decode().lower(): v.decode() for k, v in sent[0]["headers"]}
    return sent[0]["status"], head, b"".join(one.get("body", b"") for one in sent[1:])


@pytest.mark.parametrize(
    ("path", "body", "headers", "quick"),
    [
        ("/chat", _event("room.started"), {}, True),
        ("/chat", _event("room.ended"), {}, True),
        ("/chat", _event("room.paused"), {}, False),
        ("/chat", _event("room.call"), {}, False),
        ("/nobody", _event("room.started"), {}, False),
        ("/chat", _event("room.started"), {"meshagent-signature": "Bearer x.y.z"}, False),
        ("/chat", b"no json", {}, False),
        ("/chat", _event("room.started", pad="x" * 70_000), {}, False),
        ("/chat", _event("room.started"), {"content-length": "9"}, False),
        ("/chat", _event("room.started"), {"expect": "100-continue"}, False),
    ],
)
async def test_both_ways_answer_the_same(
    serving: Any, path: str, body: bytes, headers: dict[str, str], quick: bool
) -> None:
    async with serving(webhook_secret=SECRET) as site:
        app = create_app(site.server.front, Readers(site.server.front))
        asked: list[str] = []

        async def counting(scope: Any, receive: Any, send: Any) -> None:
            asked.append(scope["path"])
            await app(scope, receive, send)

        signed = {"meshagent-signature": meshagent_signature(body, SECRET), **headers}
        signed["content-type"] = "application/json"
        door = FastPath(site.server.front, counting)
        status, head, answer = await _ask(door, path, [body], signed)
        assert (asked == []) is quick
        plain_status, plain_head, plain_answer = await _ask(app, path, [body], signed)
        assert status == plain_status
        if path == "/chat" and b"room.call" in body:
            assert json.loads(answer).keys() == json.loads(plain_answer).keys()
        else:
            assert (head, answer) == (plain_head, plain_answer)


async def test_a_body_in_pieces_goes_on_whole(serving: Any) -> None:
    async with serving(webhook_secret=SECRET) as site:
        app = create_app(site.server.front, Readers(site.server.front))
        body = _event("room.started")
        signed = {"meshagent-signature": meshagent_signature(body, SECRET)}
        door = FastPath(site.server.front, app)
        status, _, answer = await _ask(door, "/chat", [body[:9], body[9:]], signed)
        assert (status, json.loads(answer)) == (200, {"ok": True})


async def test_what_is_answered_at_the_door_is_counted_and_done(serving: Any) -> None:
    async with serving() as site:
        sid = (await site.post("/chat")).json["session"]
        await site.server.front.registry.wait(sid, until="settled", timeout_s=5)
        body = b'{"event":"room.ended","data":{"room_name":"myroom"}}'
        assert (await site.post("/chat", body)).status == 200
        ended = await site.server.front.registry.wait(sid, until="exited", timeout_s=5)
        assert str(ended.exit.reason) == "room_ended"
        text = (await site.get("/metrics")).body.decode()
        assert 'outcome="room_ended"' in text
