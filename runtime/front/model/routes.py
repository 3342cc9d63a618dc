"""The model by way of a room: agents ask here with their participant token; the provider's key stays here.

Three shapes of one request: plain JSON, server-sent events, and a websocket with one JSON text per request
and per event.  Vectors of texts are asked for in one.  Without a provider the offline model answers.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Final

from quart import Blueprint, Response, has_request_context, request, websocket

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
from runtime.front.openapi.shapes.webhooks import Embeddings, EmbeddingsRequest, ModelRequest, ModelResponse
from runtime.front.state import Front

PATHS: Final = ("/rooms/<room>/v1/responses", "/rooms/<room>/openai/v1/responses", "/openai/v1/responses")
EMBEDDINGS: Final = tuple(path.replace("responses", "embeddings") for path in PATHS)
PASSED_ON: Final = ("retry-after", "x-request-id", "openai-processing-ms")


def routes(front: Front, desk: ModelDesk) -> Blueprint:
    """``…/v1/responses`` and ``…/v1/embeddings`` below each room and, for newer SDKs, below ``/openai``."""
    paths = Blueprint("model", __name__)
    belongs(paths, "model")

    @proven_by({"participant": []})
    @sends(ModelRequest, example=ModelRequest(input="Hello"))
    @gives(ModelResponse)
    @also(200, "The model's answer; with stream, its events", "text/event-stream")
    async def respond(room: str | None = None) -> Response:
        """Ask the model (Responses API)"""
        return await answered(room, desk.ask)

    @proven_by({"participant": []})
    @sends(EmbeddingsRequest, example=EmbeddingsRequest(input="When does the tide turn?"))
    @gives(Embeddings)
    async def embed(room: str | None = None) -> Response:
        """Have texts made into vectors (Embeddings API)"""
        return await answered(room, desk.embed)

    async def answered(
        room: str | None, ask: Callable[[bytes], AbstractAsyncContextManager[ProviderAnswer]]
    ) -> Response:
        authorize(front, _bearer(), room)
        raw = await read_body(request, timeout_s=front.settings.body_timeout_s)
        held = AsyncExitStack()
        at_end_of(request, held.aclose)  # a client may go before anybody begins to read the answer
        try:
            return _passed_on(await held.enter_async_context(ask(raw)), held)
        except BaseException:
            await held.aclose()
            raise

    async def converse(room: str | None = None) -> None:
        authorize(front, _bearer(), room)
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
    for path in EMBEDDINGS:
        paths.add_url_rule(path, f"embed {path}", embed, methods=["POST"])
    return paths


def _bearer() -> str:
    connection = request if has_request_context() else websocket
    scheme, _, bearer = connection.headers.get("Authorization", "").partition(" ")
    return bearer.strip() if scheme.lower() == "bearer" else ""


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
