"""What the spans of MeshAgent's SDK are in ours: turns, requests of models, calls of tools.

The SDK measures more finely, a span for each piece of a stream with the piece in it, and by its own names.
Of those spans each has a part here: one of ours, or none, and then what is below it belongs to what is
above it.  Pure.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final, Literal

from runtime.telemetry import names as at
from runtime.wire.spans import Attributes

Part = Literal["own", "nothing", "turn", "model", "tool"]

_SCOPES: Final = ("meshagent.", "openai.llm", "anthropic.llm")
_PARTS: Final[Mapping[str, Part]] = {
    "agent.turn": "turn",
    "llm.turn": "turn",
    "llm.invoke": "model",
    "llm.handle_tool_call": "tool",
}
THREAD: Final = ("thread_id", "path")
"""What a span, or one above it, calls the path of its thread."""
PIECE: Final = "llm.stream.event"
"""A piece of a model's answer; the last one knows how it went."""
_OVER: Final = ("response.completed", "response.incomplete", "response.failed")


def part_of(scope: str, name: str) -> Part:
    """The part that a span has; ``own`` for one that is none of the SDK's."""
    if not scope.startswith(_SCOPES):
        return "own"
    return _PARTS.get(name, "nothing")


def named(
    part: Part, name: str, agent: str, said: Mapping[str, Any], *, content: bool
) -> tuple[str, str, Attributes]:
    """The name, kind and attributes of the span of ours.

    Args:
        said: Attributes of the SDK's.
    """
    match part:
        case "turn":
            more: Attributes = {at.CONVERSATION: str(said["thread_id"])} if said.get("thread_id") else {}
            return (
                f"invoke_agent {agent}",
                "internal",
                {at.OPERATION: "invoke_agent", at.AGENT: agent, **more},
            )
        case "model":
            model = str(said.get("model") or "")
            of = {at.OPERATION: "chat", at.PROVIDER: str(said.get("provider") or "openai")}
            return f"chat {model}".strip(), "client", {**of, **({at.MODEL: model} if model else {})}
        case "tool":
            tool = str(said.get("name") or said.get("type") or "")
            about: Attributes = {at.OPERATION: "execute_tool", at.TOOL: tool, at.TOOL_TYPE: "function"}
            if said.get("call_id"):
                about[at.CALL_ID] = str(said["call_id"])
            if content and said.get("arguments"):
                about[at.ARGUMENTS] = str(said["arguments"])
            return f"execute_tool {tool}".strip(), "internal", about
        case _:
            return name, "internal", dict(said)


def is_first_word(said: Mapping[str, Any]) -> bool:
    """Whether a piece of an answer has words in it."""
    return str(said.get("type", "")).endswith("output_text.delta")


def last_piece(said: Mapping[str, Any], *, content: bool) -> Attributes | None:
    """What the last piece of an answer tells of it; None for any other."""
    if said.get("type") not in _OVER:
        return None
    found: Attributes = {}
    try:
        event = said.get("event")
        response = (json.loads(event) if isinstance(event, str) else event or {}).get("response") or {}
        usage = response.get("usage") or {}
        for name, key in ((at.INPUT_TOKENS, "input_tokens"), (at.OUTPUT_TOKENS, "output_tokens")):
            if isinstance(usage.get(key), int):
                found[name] = usage[key]
        if response.get("model"):
            found[at.ANSWERED_BY] = str(response["model"])
        output = response.get("output") or []
        calls = any(one.get("type") == "function_call" for one in output)
        found[at.FINISH] = ["tool_calls" if calls else "stop"]
        if content:
            found[at.OUTPUT] = json.dumps(output)
    except (ValueError, AttributeError, TypeError):
        pass  # a release that writes it otherwise: the span is there all the same
    return found
