"""The model by way of a room: agents ask here with their participant token; the provider's key stays here.

Three shapes of one request: plain JSON, server-sent events, and a websocket with one JSON text per request
and per event.  Without a provider the offline model answers.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Final

from quart import Blueprint, Response, has_request_context, request, websocket

from runtime.errors import InvalidRequest, NotFound, PermissionDenied, RuntimeServiceError
from runtime.front.http.body import read_body
from runtime.front.http.contract import also, belongs, gives, proven_by, sends
from runtime.front.http.exchange import at_end_of
from runtime.front.http.problems import UPGRADE, problem
from runtime.front.http.refusal import Refusal
from runtime.front.model.provider import OPENAI_URL, Provider, ProviderAnswer
from runtime.front.model.stream import Event, as_sse, events_of, failure, offline_events
from runtime.front.model.turns import Stored, Turns
from runtime.front.openapi.shapes.webhooks import ModelRequest, ModelResponse
from runtime.front.state import Front
from runtime.model.offline import OfflineModel

MAX_REQUESTS: Final = 256
MAX_REFUSAL_BYTES: Final = 65_536
PATHS: Final = ("/rooms/<room>/v1/responses", "/rooms/<room>/openai/v1/responses", "/openai/v1/responses")
_PASSED_ON: Final = ("retry-after", "x-request-id", "openai-processing-ms")


def routes(front: Front) -> Blueprint:
    """``…/v1/responses`` below each room and, for newer SDKs, below ``/openai``."""
    paths = Blueprint("model", __name__)
    belongs(paths, "model")
    gate = _Gate()
    settings = front.settings
    provider: Provider | None = None
    if settings.model_key or settings.model_url:
        provider = Provider(settings.model_url or OPENAI_URL, settings.model_key)
    offline, stored = OfflineModel(), Stored()

    @proven_by({"participant": []})
    @sends(ModelRequest, example=ModelRequest(input="Hello"))
    @gives(ModelResponse)
    @also(200, "The model's answer; with stream, its events", "text/event-stream")
    async def respond(room: str | None = None) -> Response:
        """Ask the model (Responses API)"""
        _authorize(front, room)
        raw = await read_body(request, timeout_s=settings.body_timeout_s)
        body = _body(raw)
        held = AsyncExitStack()
        at_end_of(request, held.aclose)  # a client may go before anybody begins to read the answer
        try:
            held.enter_context(gate)
            if provider is not None:
                answer = await held.enter_async_context(provider.post("/responses", raw, {}))
                return _passed_on(answer, held)
            events = _remembered(offline, stored, body)
            if body.get("stream"):
                return Response(_held(_sse(events), held), content_type="text/event-stream")
            async with held:
                return await _whole(events)
        except BaseException:
            await held.aclose()
            raise

    async def converse(room: str | None = None) -> None:
        _authorize(front, room)
        await websocket.accept()
        turns = Turns()
        while (text := await websocket.receive()) is not None:
            try:
                asked = turns.request(text, is_kept=provider is not None)
                async with _answer(gate, provider, offline, asked) as events:
                    async for event in events:
                        turns.heard(event)
                        await websocket.send(json.dumps(event, ensure_ascii=False))
            except RuntimeServiceError as error:
                await websocket.send(json.dumps(failure(str(error), code=error.code)))
            except Refusal as error:
                await websocket.send(json.dumps(failure(error.detail, code=error.code)))

    @proven_by({"participant": []})
    @also(101, "Events follow, one per text frame")
    async def not_upgraded(room: str | None = None) -> Response:
        """Ask the model over a websocket: one response.create per text frame"""
        return problem("upgrade_required", "POST here, or open it as a websocket.", headers=UPGRADE)

    if provider is not None:
        paths.after_app_serving(provider.aclose)
    for path in PATHS:
        paths.add_url_rule(path, f"respond {path}", respond, methods=["POST"])
        paths.add_url_rule(path, f"not upgraded {path}", not_upgraded, methods=["GET"])
        paths.add_websocket(path, f"converse {path}", converse)
    return paths


class _Gate:
    """How many requests may be under way at once."""

    def __init__(self) -> None:
        self._count = 0

    def __enter__(self) -> None:
        if self._count >= MAX_REQUESTS:
            raise Refusal(
                "model_busy", f"{MAX_REQUESTS} model requests are under way.", headers={"Retry-After": "2"}
            )
        self._count += 1

    def __exit__(self, *_: object) -> None:
        self._count -= 1


def _authorize(front: Front, room: str | None) -> None:
    if front.rooms is None:
        raise NotFound("this server has no rooms", cure="Ask the server that has the room.")
    if front.closing.is_set():
        raise Refusal("draining", "The server is shutting down.", headers={"Retry-After": "5"})
    connection = request if has_request_context() else websocket
    scheme, _, bearer = connection.headers.get("Authorization", "").partition(" ")
    claims = front.rooms.claims(bearer.strip() if scheme.lower() == "bearer" else "", room=room)
    if not claims.allows_model():
        raise PermissionDenied("the token does not allow using a model", cure="Its api grant lacks llm.")


def _body(raw: bytes) -> dict[str, Any]:
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        raise InvalidRequest("a model request is a JSON object")
    return body


def _passed_on(answer: ProviderAnswer, held: AsyncExitStack) -> Response:
    response = Response(_held(answer.chunks, held), answer.status)
    response.headers["Content-Type"] = answer.headers.get("content-type", "application/json")
    for name in _PASSED_ON:
        if name in answer.headers:
            response.headers[name] = answer.headers[name]
    return response


async def _held(chunks: AsyncIterator[bytes], held: AsyncExitStack) -> AsyncIterator[bytes]:
    """The chunks; what is held for them is let go at their end, or when their reader is gone."""
    async with held:
        async for chunk in chunks:
            yield chunk


async def _sse(events: AsyncIterator[Event]) -> AsyncIterator[bytes]:
    try:
        async for event in events:
            yield as_sse(event)
    except RuntimeServiceError as error:
        yield as_sse(failure(str(error), code=error.code))


async def _remembered(offline: OfflineModel, stored: Stored, body: Mapping[str, Any]) -> AsyncIterator[Event]:
    asked = stored.request(body)
    async for event in offline_events(offline, asked):
        stored.heard(asked, event)
        yield event


async def _whole(events: AsyncIterator[Event]) -> Response:
    response: Mapping[str, Any] = {}
    async for event in events:
        response = event.get("response", response)
    return Response(json.dumps(response, ensure_ascii=False), content_type="application/json")


@asynccontextmanager
async def _answer(
    gate: _Gate, provider: Provider | None, offline: OfflineModel, body: dict[str, Any]
) -> AsyncIterator[AsyncIterator[Event]]:
    with gate:
        if provider is None:
            yield offline_events(offline, body)
            return
        async with provider.post("/responses", json.dumps(body).encode(), {}) as answer:
            if answer.status == 200:
                yield events_of(answer.chunks)
            else:
                yield _refused(answer)


async def _refused(answer: ProviderAnswer) -> AsyncIterator[Event]:
    said = b""
    async for chunk in answer.chunks:
        said += chunk
        if len(said) > MAX_REFUSAL_BYTES:
            break
    message, code = f"the model provider answered {answer.status}", "server_error"
    try:
        error = json.loads(said)["error"]
        message, code = str(error["message"]), str(error.get("code") or error.get("type") or code)
    except (ValueError, KeyError, TypeError, AttributeError):
        pass
    yield failure(message, status=answer.status, code=code)
