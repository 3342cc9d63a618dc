"""The seam between an adapter and a model: one request, a stream of events.

A model answers a `ModelRequest` with any number of `TextDelta` and `ToolCall`, then exactly one `Completed`;
or it raises `ModelError`.  It runs no tools: the adapter does, and asks again.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, ClassVar, Final, Protocol

import msgspec

from runtime.errors import RuntimeServiceError

Message = dict[str, Any]
"""One input item as the Responses API has it: ``{"role", "content"}``, or a function call or its output."""

RESPONSES: Final = "/v1/responses"
EMBEDDINGS: Final = "/v1/embeddings"
MESSAGES: Final = "/v1/messages"
COUNT_TOKENS: Final = "/v1/messages/count_tokens"
PATHS: Final = (RESPONSES, EMBEDDINGS, MESSAGES, COUNT_TOKENS)
"""How paths end at which a model is asked: OpenAI's two, and Anthropic's."""

MAX_REQUEST_BYTES: Final = 16 << 20
"""Of a request, whichever way it takes."""

ASKED_WITH: Final = ("anthropic-version", "anthropic-beta")
"""Headers of a request that say what its body means."""

DEFAULT_MODEL = "gpt-5.1"
"""Which model a provider is asked for where neither the agent nor OPENAI_MODEL names one."""

RULES_HEADING = "Rules:\n"
MAX_INSTRUCTIONS = 30
MAX_INSTRUCTION_CHARS = 300


def bearer_of(headers: Mapping[str, str]) -> str:
    """The token of who asks, as OpenAI's clients send it or as Anthropic's do; empty without one."""
    scheme, _, bearer = headers.get("authorization", "").partition(" ")
    return bearer.strip() if scheme.lower() == "bearer" else headers.get("x-api-key", "").strip()


def rules_text(rules: Sequence[str]) -> str:
    """The system text that carries `rules` to a model; empty for no rules."""
    lines = [" ".join(rule.split()) for rule in rules]
    return RULES_HEADING + "".join(f"-{line}\n" for line in lines if line) if any(lines) else ""


def rules_of(text: str) -> list[str]:
    """The rules in a system text that `rules_text` wrote; empty for any other text."""
    if not text.startswith(RULES_HEADING):
        return []
    lines = text[len(RULES_HEADING) :].splitlines()
    return [line.removeprefix("-").strip() for line in lines if line.strip("- ")]


def instructions_of(text: str) -> list[str]:
    """The rules in a system text without a heading: its lines; empty when it is no list of short ones."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    is_list = len(lines) <= MAX_INSTRUCTIONS and all(len(line) <= MAX_INSTRUCTION_CHARS for line in lines)
    return lines if is_list else []


class ModelError(RuntimeServiceError):
    """A model did not answer: refused, unreachable, too busy, or gone in mid-stream.

    The message is a sentence for the person in the chat; the cure says what to set or do.
    """

    code: ClassVar[str] = "model_error"


class Usage(msgspec.Struct, frozen=True):
    """What one request cost, in tokens."""

    model: str
    input_tokens: int
    output_tokens: int


class FunctionSpec(msgspec.Struct, frozen=True):
    """A tool as a model sees it; `parameters` is a JSON Schema."""

    name: str
    description: str
    parameters: Mapping[str, Any]


class ModelRequest(msgspec.Struct, frozen=True):
    """Everything a model is told.

    Args:
        output_schema: With one, the answer's text must be JSON that fits it.
        allow_tools: False in the last round of a turn, when the model has to put up with what it knows.
    """

    model: str
    messages: Sequence[Message]
    functions: Sequence[FunctionSpec] = ()
    output_schema: Mapping[str, Any] | None = None
    allow_tools: bool = True
    options: Mapping[str, Any] = msgspec.field(default_factory=dict)


class TextDelta(msgspec.Struct, frozen=True):
    """More of the answer."""

    text: str


class ToolCall(msgspec.Struct, frozen=True):
    """The model wants a tool run; `arguments` is JSON text as the model wrote it."""

    call_id: str
    name: str
    arguments: str


class Completed(msgspec.Struct, frozen=True):
    """The request is answered.

    Args:
        text: The whole text, the deltas joined.
        items: What to append to the messages before asking again (text, reasoning and calls, in order).
    """

    text: str
    calls: tuple[ToolCall, ...]
    items: tuple[Message, ...]
    usage: Usage


ModelEvent = TextDelta | ToolCall | Completed


class Model(Protocol):
    """Something that answers requests."""

    def respond(self, request: ModelRequest) -> AsyncIterator[ModelEvent]:
        """Stream the answer.  Closing the iterator gives up on it.

        Raises:
            ModelError: There is no answer, or no more of it.
        """
        ...
