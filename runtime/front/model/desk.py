"""Who asks the model here, over HTTP or over a pipe, is answered by this: one provider, one memory."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Final

from runtime.errors import InvalidRequest, NotFound, PermissionDenied, RuntimeServiceError
from runtime.front.http.refusal import Refusal
from runtime.front.model.messages import count_tokens, message_events, read_request, whole_message
from runtime.front.model.provider import ANTHROPIC_URL, OPENAI_URL, Provider, ProviderAnswer
from runtime.front.model.stream import Event, as_sse, events_of, failure, offline_events
from runtime.front.model.turns import Stored
from runtime.front.state import Front
from runtime.model.contract import ASKED_WITH, COUNT_TOKENS, EMBEDDINGS, MESSAGES, RESPONSES
from runtime.model.offline import OfflineModel
from runtime.model.offline_embeddings import embeddings
from runtime.settings import ServerSettings
from runtime.wire.text import MOST_LISTS, MOST_VALUES, holds_too_much

MAX_REQUESTS: Final = 256
MAX_REFUSAL_BYTES: Final = 65_536
MAX_HEADER_CHARS: Final = 4096


class ModelDesk:
    """The provider that the settings name, or the offline model.  `aclose` it in the end.

    Attributes:
        provider: None where the offline model answers.
        anthropic: The provider of the Messages API; where it is None, the offline model answers that, too, or
            nothing does, because there is `provider`.

    Raises:
        ConfigError: A provider's URL cannot be used.
    """

    def __init__(self, settings: ServerSettings) -> None:
        self.provider: Provider | None = None
        if settings.model_key or settings.model_url:
            self.provider = Provider(settings.model_url or OPENAI_URL, settings.model_key)
        self.anthropic: Provider | None = None
        if settings.anthropic_key or settings.anthropic_url:
            self.anthropic = Provider(
                settings.anthropic_url or ANTHROPIC_URL,
                settings.anthropic_key,
                named="ANTHROPIC_BASE_URL",
                is_bearer=False,
            )
        self._offline, self._stored = OfflineModel(), Stored()
        self._gate = _Gate()

    async def aclose(self) -> None:
        """Close the providers' connections."""
        for provider in (self.provider, self.anthropic):
            if provider is not None:
                await provider.aclose()

    def asked(
        self, path: str, raw: bytes, headers: Mapping[str, str]
    ) -> AbstractAsyncContextManager[ProviderAnswer]:
        """Have answered what is asked at a path, as it stands.

        Leaving the block ends the request.

        Args:
            headers: Of the request; those of `ASKED_WITH` are passed on.

        Raises:
            NotFound: No model is asked there.
            InvalidRequest: It is no request.
            Refusal: Too many are under way.
            RuntimeServiceError: The model did not answer.
        """
        said = {name: headers.get(name, "")[:MAX_HEADER_CHARS] for name in ASKED_WITH}
        passed = {name: value for name, value in said.items() if value and value.isascii()}
        for ending in (COUNT_TOKENS, MESSAGES):
            if path.endswith(ending):
                return self._message(ending, raw, passed)
        if path.endswith(EMBEDDINGS):
            return self.embed(raw)
        if path.endswith(RESPONSES):
            return self.ask(raw)
        raise NotFound(f"no model answers at {path[:200]!r}", cure=f"Ask at …{RESPONSES}.")

    @asynccontextmanager
    async def ask(self, raw: bytes) -> AsyncIterator[ProviderAnswer]:
        """Have a request answered: plain JSON, or server-sent events.  See `asked`."""
        body = _body(raw)
        with self._gate:
            if self.provider is not None:
                async with self.provider.post("/responses", raw, {}) as answer:
                    yield answer
                return
            events = self._remembered(body)
            if body.get("stream"):
                yield ProviderAnswer(200, {"content-type": "text/event-stream"}, _sse(events))
            else:
                whole = json.dumps(await _last(events), ensure_ascii=False).encode()
                yield ProviderAnswer(200, {"content-type": "application/json"}, _once(whole))

    @asynccontextmanager
    async def embed(self, raw: bytes) -> AsyncIterator[ProviderAnswer]:
        """Have texts made into vectors.  See `asked`."""
        body = _body(raw)
        with self._gate:
            if self.provider is not None:
                async with self.provider.post("/embeddings", raw, {}) as answer:
                    yield answer
                return
            whole = await asyncio.to_thread(_embedded, body)
            yield ProviderAnswer(200, {"content-type": "application/json"}, _once(whole))

    @asynccontextmanager
    async def _message(
        self, path: str, raw: bytes, headers: Mapping[str, str]
    ) -> AsyncIterator[ProviderAnswer]:
        body = _body(raw)
        with self._gate:
            if self.anthropic is not None:
                async with self.anthropic.post(path, raw, headers) as answer:
                    yield answer
                return
            if self.provider is not None:
                raise NotFound(
                    "the model provider of this server has no Messages API",
                    cure="Set ANTHROPIC_API_KEY for the server, or use the adapter for OpenAI.",
                )
            asked = read_request(body)
            if path == COUNT_TOKENS:
                whole: Any = {"input_tokens": await asyncio.to_thread(count_tokens, asked)}
            elif body.get("stream"):
                events = message_events(self._offline, asked)
                yield ProviderAnswer(200, {"content-type": "text/event-stream"}, _sse(events))
                return
            else:
                whole = await whole_message(message_events(self._offline, asked))
            told = json.dumps(whole, ensure_ascii=False).encode()
            yield ProviderAnswer(200, {"content-type": "application/json"}, _once(told))

    @asynccontextmanager
    async def converse(self, body: dict[str, Any]) -> AsyncIterator[AsyncIterator[Event]]:
        """Have a request answered in events.  Raises as `asked`."""
        with self._gate:
            if self.provider is None:
                yield offline_events(self._offline, body)
                return
            async with self.provider.post("/responses", json.dumps(body).encode(), {}) as answer:
                if answer.status == 200:
                    yield events_of(answer.chunks)
                else:
                    yield _refused(answer)

    async def _remembered(self, body: Mapping[str, Any]) -> AsyncIterator[Event]:
        asked = self._stored.request(body)
        async for event in offline_events(self._offline, asked):
            self._stored.heard(asked, event)
            yield event


def authorize(front: Front, bearer: str, room: str | None) -> None:
    """Return if this token may ask the model, in that room or in whichever it is for.

    Raises:
        NotFound: This server has no rooms.
        PermissionDenied: The token is not valid, or does not allow it.
        Refusal: The server is shutting down.
    """
    if front.rooms is None:
        raise NotFound("this server has no rooms", cure="Ask the server that has the room.")
    if front.closing.is_set():
        raise Refusal("draining", "The server is shutting down.", headers={"Retry-After": "5"})
    if not front.rooms.claims(bearer, room=room).allows_model():
        raise PermissionDenied("the token does not allow using a model", cure="Its api grant lacks llm.")


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


def _body(raw: bytes) -> dict[str, Any]:
    if holds_too_much(raw):
        raise InvalidRequest(
            f"a model request has at most {MOST_LISTS} lists and objects, and {MOST_VALUES} commas"
        )
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        raise InvalidRequest("a model request is a JSON object")
    return body


def _embedded(body: Mapping[str, Any]) -> bytes:
    return json.dumps(embeddings(body)).encode()


async def _sse(events: AsyncIterator[Event]) -> AsyncIterator[bytes]:
    try:
        async for event in events:
            yield as_sse(event)
    except RuntimeServiceError as error:
        yield as_sse(failure(str(error), code=error.code))


async def _last(events: AsyncIterator[Event]) -> Mapping[str, Any]:
    response: Mapping[str, Any] = {}
    async for event in events:
        response = event.get("response", response)
    return response


async def _once(whole: bytes) -> AsyncIterator[bytes]:
    yield whole


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
