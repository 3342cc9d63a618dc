"""The quick way in for webhooks: the usual ones are answered before the application is asked.

An ASGI layer around it.  It answers what needs no more than a signature check and a line of JSON: a complete
POST of a known event to a path that is served.  Everything else, every error included, goes on to the
application with the body as it came, so that there is one place that words an answer.  What it does itself is
done by the same parts, in the same order, and counted the same way as in `runtime.front.webhooks`.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from runtime.errors import RuntimeServiceError
from runtime.front.access.rules import Caller
from runtime.front.http.refusal import Refusal
from runtime.front.state import Front
from runtime.logs import get_logger
from runtime.wire.webhook import RoomEnded, RoomStarted, check_id, parse, payload_of

MAX_QUICK_BYTES: Final = 65536
FIRST_PIECE_S: Final = 0.05
"""How long the body is waited for here; the application waits longer, and says when that was not enough."""

_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._:/+=-]{1,128}")
_log = get_logger("webhooks")

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Any, Any, Any], Awaitable[None]]


def request_id(given: str) -> str:
    """The caller's name for its request, when it is a fit one; else one of ours."""
    return given if _REQUEST_ID.fullmatch(given) else f"req_{secrets.token_hex(8)}"


class FastPath:
    """The application, with a quick way in."""

    def __init__(self, front: Front, app: App) -> None:
        self._front, self._app = front, app

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "POST" or not self._front.knows(scope["path"]):
            await self._app(scope, receive, send)
            return
        arrived = self._front.clock.now()
        who = _caller(scope)
        if self._front.access.asks_origin(who):
            who = replace(who, origin=self._front.origins.recall(scope))
        length = who.headers.get("content-length", "")
        if not (length.isascii() and length.isdigit() and len(length) < 6 and "expect" not in who.headers):
            await self._app(scope, receive, send)
            return
        first = await _first_piece(receive)
        body: bytes = b"" if first is None else first.get("body", b"")
        outcome = ""
        if first is not None and first["type"] == "http.request":
            whole = len(body) == int(length) <= min(MAX_QUICK_BYTES, self._front.settings.max_body_bytes)
            outcome = self._take(scope["path"], who, body) if whole else ""
        if not outcome:
            await self._app(scope, receive if first is None else _again(first, receive), send)
            return
        await _answer(send, request_id(who.headers.get("x-request-id", "")))
        self._front.metrics.webhook(scope["path"], outcome, self._front.clock.now() - arrived)

    def _take(self, path: str, who: Caller, body: bytes) -> str:
        """Do what the webhook asks for; what was done, empty when the application is to look at it."""
        front = self._front
        try:
            payload = payload_of(who.headers, body)
            verified = front.access.webhook(who, payload, now=front.clock.wall())
            if not front.is_ready:
                return ""
            event = parse(payload)
            if verified is not None and verified.webhook_id:
                check_id(verified.webhook_id)
        except (RuntimeServiceError, Refusal):
            return ""
        if isinstance(event, RoomStarted):
            return "room_started"
        if isinstance(event, RoomEnded):
            sessions = front.dispatcher.end_room(event.room_name)
            _log.info("webhook.room_ended", room=event.room_name, sessions=sessions)
            return "room_ended"
        return ""


_OK: Final = msgspec.json.encode({"ok": True}) + b"\n"
_HEAD: Final = [
    (b"content-type", b"application/json"),
    (b"content-length", str(len(_OK)).encode()),
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
]


async def _answer(send: Send, name: str) -> None:
    headers = [*_HEAD, (b"x-request-id", name.encode("latin-1"))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": _OK, "more_body": False})


async def _first_piece(receive: Receive) -> Message | None:
    asked = receive()
    if isinstance(asked, Coroutine):  # a usual call came as one packet, and costs no timer
        try:
            asked.send(None)
        except StopIteration as came:
            first: Message = came.value
            return first
        asked.close()
    try:
        async with asyncio.timeout(FIRST_PIECE_S):
            return await receive()
    except TimeoutError:
        return None


def _again(first: Message, receive: Receive) -> Receive:
    """A stream that begins with a message that was taken out of it."""
    waiting = [first]

    async def following() -> Message:
        return waiting.pop() if waiting else await receive()

    return following


def _caller(scope: Any) -> Caller:
    headers: dict[str, str] = {}
    for name, value in scope["headers"]:
        headers.setdefault(name.decode("latin-1").lower(), value.decode("latin-1"))
    headers.pop("remote-addr", None)  # a header of that name says nothing
    client = scope.get("client") or ("",)
    return Caller.of(str(client[0]), headers, "POST")
