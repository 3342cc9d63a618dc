"""The model by way of a room: agents ask here with their participant token; the provider's key stays here.

Three shapes of one request: plain JSON, server-sent events, and a websocket with one JSON text per request
and per event.  Vectors of texts are asked for in one, Anthropic's messages in two.  Without a provider the
offline model answers.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Final

from quart import Blueprint, Response, request, websocket
from werkzeug.datastructures import Headers

from runtime.errors import RuntimeServiceError
from runtime.front.http.body import read_body
from runtime.front.http.contract import also, belongs, gives, proven_by, sends
from runtime.front.http.exchange import at_end_of
from runtime.front.http.problems import UPGRADE, problem
from runtime.front.http.refusal import Refusal
from runtime.front.model.desk import ModelDesk, authorize
from runtime.front.model.provider import ProviderAnswer
from runtime.front.model.stream import failure
from runtime.front.model.turns import Turns
from runtime.front.openapi.shapes.webhooks import (
    Embeddings,
    EmbeddingsRequest,
    MessagesRequest,
    MessagesResponse,
    ModelRequest,
    ModelResponse,
    TokenCount,
)
from runtime.front.state import Front
from runtime.model.contract import EMBEDDINGS, MESSAGES, RESPONSES, bearer_of

PATHS: Final = ("/rooms/<room>/v1/responses", "/rooms/<room>/openai/v1/responses", "/openai/v1/responses")
EMBEDDING_PATHS: Final = tuple(path.replace(RESPONSES, EMBEDDINGS) for path in PATHS)
MESSAGE_PATHS: Final = tuple(
    f"{base}{MESSAGES}" for base in ("/rooms/<room>", "/rooms/<room>/anthropic", "/anthropic")
)
PASSED_ON: Final = ("retry-after", "x-request-id", "openai-processing-ms")


def routes(front: Front, desk: ModelDesk) -> Blueprint:
    """What a model is asked at, below each room and, for newer SDKs, below ``/openai`` and ``/anthropic``."""
    paths = Blueprint("model", __name__)
    belongs(paths, "model")

    @proven_by({"participant": []})
    @sends(ModelRequest, example=ModelRequest(input="Hello"))
    @gives(ModelResponse)
    @also(200, "The model's answer; with stream, its events", "text/event-stream")
    async def respond(room: str | None = None) -> Response:
        """Ask the model (Responses API)"""
        return await answered(room)

    @proven_by({"participant": []})
    @sends(EmbeddingsRequest, example=EmbeddingsRequest(input="When does the tide turn?"))
    @gives(Embeddings)
    async def embed(room: str | None = None) -> Response:
        """Have texts made into vectors (Embeddings API)"""
        return await answered(room)

    @proven_by({"participant": []})
    @sends(MessagesRequest, example=MessagesRequest(messages=[{"role": "user", "content": "Hello"}]))
    @gives(MessagesResponse)
    @also(200, "The model's answer; with stream, its events", "text/event-stream")
    async def message(room: str | None = None) -> Response:
        """Ask the model (Messages API)"""
        return await answered(room)

    @proven_by({"participant": []})
    @sends(MessagesRequest, example=MessagesRequest(messages=[{"role": "user", "content": "Hello"}]))
    @gives(TokenCount)
    async def count(room: str | None = None) -> Response:
        """Count the tokens of a request (Messages API)"""
        return await answered(room)

    async def answered(room: str | None) -> Response:
        headers = _lower(request.headers)
        authorize(front, bearer_of(headers), room)
        raw = await read_body(request, timeout_s=front.settings.body_timeout_s)
        held = AsyncExitStack()
        at_end_of(request, held.aclose)  # a client may go before anybody begins to read the answer
        try:
            return _passed_on(await held.enter_async_context(desk.asked(request.path, raw, headers)), held)
        except BaseException:
            await held.aclose()
            raise

    async def converse(room: str | None = None) -> None:
        authorize(front, bearer_of(_lower(websocket.headers)), room)
        await websocket.accept()
        turns = Turns()
        while (text := await websocket.receive()) is not None:
            try:
                asked = turns.request(text, is_kept=desk.provider is not None)
                async with desk.converse(asked) as events:
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

    paths.after_app_serving(desk.aclose)
    for path in PATHS:
        paths.add_url_rule(path, f"respond {path}", respond, methods=["POST"])
        paths.add_url_rule(path, f"not upgraded {path}", not_upgraded, methods=["GET"])
        paths.add_websocket(path, f"converse {path}", converse)
    for path in EMBEDDING_PATHS:
        paths.add_url_rule(path, f"embed {path}", embed, methods=["POST"])
    for path in MESSAGE_PATHS:
        paths.add_url_rule(path, f"message {path}", message, methods=["POST"])
        paths.add_url_rule(f"{path}/count_tokens", f"count {path}", count, methods=["POST"])
    return paths


def _lower(headers: Headers) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def _passed_on(answer: ProviderAnswer, held: AsyncExitStack) -> Response:
    response = Response(_held(answer.chunks, held), answer.status)
    response.headers["Content-Type"] = answer.headers.get("content-type", "application/json")
    for name in PASSED_ON:
        if name in answer.headers:
            response.headers[name] = answer.headers[name]
    return response


async def _held(chunks: AsyncIterator[bytes], held: AsyncExitStack) -> AsyncIterator[bytes]:
    """The chunks; what is held for them is let go at their end, or when their reader is gone."""
    async with held:
        async for chunk in chunks:
            yield chunk
