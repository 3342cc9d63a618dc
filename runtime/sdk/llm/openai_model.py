"""A model behind an OpenAI-compatible Responses API, and what its failures mean to a person.

The openai package is imported when the first `OpenAIModel` is made, or by `preload`: it takes about a second,
which an agent without a key need not pay, and a zygote should pay once for all its sessions.
"""

from __future__ import annotations

import importlib
import logging
import os
from collections.abc import AsyncIterator, Callable, Mapping
from typing import TYPE_CHECKING, Any

from runtime.model.contract import (
    Completed,
    Message,
    ModelError,
    ModelEvent,
    ModelRequest,
    TextDelta,
    ToolCall,
    Usage,
)
from runtime.sdk.llm import by_pipe
from runtime.sdk.llm.warm_up import warm_up

if TYPE_CHECKING:
    from openai import AsyncOpenAI

TIMEOUT_S = 120.0
KEY_VARIABLE = "OPENAI_API_KEY"
BASE_URL_VARIABLE = "OPENAI_BASE_URL"
NO_KEY = "none"
"""Sent where only a base URL is set: local servers want a key to be there, not to be right."""

_log = logging.getLogger("llm.openai")


def is_configured() -> bool:
    """Whether the environment names a provider, or the server has one for a session without a network."""
    if (asks := by_pipe.current()) is not None and asks.kind == "provider":
        return True
    return bool(os.environ.get(KEY_VARIABLE) or os.environ.get(BASE_URL_VARIABLE))


def preload() -> None:
    """Import the openai package now if the environment will need it; harmless when it is not installed."""
    if not is_configured():
        return
    try:
        importlib.import_module("openai")
    except ImportError as error:
        _log.warning("a model provider is configured, but openai cannot be imported: %s", error)
    else:
        warm_up()


def make_client() -> AsyncOpenAI:
    """A client for what the environment names, or for what the server asks in place of this session.

    Raises:
        ModelError: The openai package is not installed, or there is no way to a provider.
    """
    if by_pipe.current() is not None:
        return by_pipe.make_client(_openai())  # type: ignore[no-any-return]
    return _openai().AsyncOpenAI(  # type: ignore[no-any-return]
        api_key=os.environ.get(KEY_VARIABLE) or NO_KEY,
        base_url=os.environ.get(BASE_URL_VARIABLE) or None,
        timeout=TIMEOUT_S,
    )


class OpenAIModel:
    """A `Model` that asks the Responses API, streaming.

    Args:
        client: An `AsyncOpenAI` or something like it; made from the environment at the first request if None.
        make: How to make it.  Not before the first request: sockets do not survive a fork.
    """

    def __init__(self, client: Any | None = None, *, make: Callable[[], Any] = make_client) -> None:
        self._client = client
        self._make = make

    async def respond(self, request: ModelRequest) -> AsyncIterator[ModelEvent]:
        openai = _openai()
        if self._client is None:
            self._client = self._make()
        try:
            stream = await self._client.responses.create(stream=True, **_arguments(request))
            answered = False
            async with stream:
                async for event in stream:
                    match event.type:
                        case "response.output_text.delta" | "response.refusal.delta":
                            yield TextDelta(event.delta)
                        case "response.completed" | "response.incomplete":
                            answered = True
                            completed = _completed(request.model, event.response)
                            for call in completed.calls:
                                yield call
                            yield completed
                        case "response.failed":
                            raise _failed(getattr(event.response, "error", None))
                        case "error":
                            raise _failed(event)
            if not answered:
                raise ModelError("The model stopped in mid-sentence", cure="Send your message again.")
        except openai.OpenAIError as error:
            raise explain(error, request.model) from error
        except OSError as error:
            raise _lost(error) from error


def explain(error: Exception, model: str) -> ModelError:
    """Turn an error of the openai package into a sentence and a cure."""
    openai = _openai()
    said = _said(error)
    match error:
        case openai.AuthenticationError():
            return ModelError(
                "The model provider refused the API key",
                cure=f"Set {KEY_VARIABLE} to a valid key and start the agent again.",
            )
        case openai.PermissionDeniedError():
            return ModelError(
                f"The API key may not use the model {model}{said}",
                cure="Choose another with OPENAI_MODEL, or use another key.",
            )
        case openai.NotFoundError():
            return ModelError(
                f"The model provider does not know the model {model}, or has no Responses API{said}",
                cure=f"Check OPENAI_MODEL, and that {BASE_URL_VARIABLE} has /v1/responses: "
                "/v1/chat/completions alone is not enough.",
            )
        case openai.RateLimitError():
            return ModelError(
                f"The model provider wants us to slow down, or the account is out of credit{said}",
                cure="Wait a moment and send your message again; check the account's limits if it stays so.",
            )
        case openai.APITimeoutError():
            return ModelError(
                f"The model did not answer within {TIMEOUT_S:g} s", cure="Send your message again."
            )
        case openai.APIConnectionError():
            return _lost(error)
        case openai.InternalServerError():
            return ModelError(f"The model provider has a problem{said}", cure="Try again in a moment.")
        case openai.APIStatusError():
            return ModelError(
                f"The model provider refused the request with status {error.status_code}{said}",
                cure="Check the agent's model and tools.",
            )
        case _:
            return ModelError(f"The model failed{said or f': {error}'}", cure="Send your message again.")


def _openai() -> Any:
    try:
        return importlib.import_module("openai")
    except ImportError as error:
        raise ModelError(
            "The openai package is not installed", cure="Write openai into requirements.txt and install that."
        ) from error


def _arguments(request: ModelRequest) -> dict[str, Any]:
    arguments: dict[str, Any] = {
        "model": request.model,
        "input": list(request.messages),
        # The thread document is the memory; with store=True the provider would keep a second one.
        "store": False,
        **request.options,
    }
    if request.functions:
        arguments["tools"] = [
            {
                "type": "function",
                "name": function.name,
                "description": function.description,
                "parameters": dict(function.parameters),
                "strict": False,
            }
            for function in request.functions
        ]
        if not request.allow_tools:
            arguments["tool_choice"] = "none"
    if request.output_schema is not None:
        form = {
            "type": "json_schema",
            "name": "answer",
            "schema": dict(request.output_schema),
            "strict": False,
        }
        arguments["text"] = {"format": form}
    return arguments


def _completed(model: str, response: Any) -> Completed:
    texts: list[str] = []
    calls: list[ToolCall] = []
    items: list[Message] = []
    for item in response.output or ():
        written: Mapping[str, Any] = item.to_dict() if hasattr(item, "to_dict") else dict(item)
        match written.get("type"):
            case "message":
                parts = written.get("content") or ()
                text = "".join(part.get("text") or part.get("refusal") or "" for part in parts)
                texts.append(text)
                items.append({"role": "assistant", "content": text})
            case "function_call":
                call = ToolCall(str(written["call_id"]), str(written["name"]), str(written["arguments"]))
                calls.append(call)
                items.append(
                    {
                        "type": "function_call",
                        "call_id": call.call_id,
                        "name": call.name,
                        "arguments": call.arguments,
                    }
                )
    usage = response.usage
    used = Usage(
        str(response.model or model),
        int(getattr(usage, "input_tokens", 0) or 0),
        int(getattr(usage, "output_tokens", 0) or 0),
    )
    return Completed("".join(texts), tuple(calls), tuple(items), used)


def _failed(error: Any) -> ModelError:
    message = str(getattr(error, "message", "") or "no reason given")
    return ModelError(f"The model gave up: {_one_line(message)}", cure="Send your message again.")


def _lost(error: Exception) -> ModelError:
    where = os.environ.get(BASE_URL_VARIABLE) or "the model provider"
    return ModelError(
        f"The connection to {where} could not be made or broke ({type(error).__name__})",
        cure=f"Check the network and {BASE_URL_VARIABLE}, then send your message again.",
    )


def _said(error: Exception) -> str:
    body = getattr(error, "body", None)
    message = body.get("message") if isinstance(body, dict) else None
    return f": {_one_line(str(message))}" if message else ""


def _one_line(text: str, limit_chars: int = 300) -> str:
    text = " ".join(text.split()).rstrip(".")
    return text if len(text) <= limit_chars else text[: limit_chars - 1] + "…"
