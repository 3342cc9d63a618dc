"""Turns, requests of models, calls of tools: measured as OpenTelemetry's GenAI conventions say."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

from runtime.telemetry import names as at
from runtime.telemetry.tracer import Work, tracer
from runtime.wire.spans import BEYOND_CHARS, MAX_CONTENT_CHARS, Value

TOOL_FAILED: Final = "tool_error"
_WRITTEN_CHARS: Final = MAX_CONTENT_CHARS + BEYOND_CHARS


def turn(agent: str, *, conversation: str = "", turn_id: str = "", waited_ms: int = 0) -> Work:
    """What an agent does for one question: a turn of a chat, or a task."""
    about: dict[str, Value] = {at.OPERATION: "invoke_agent", at.AGENT: agent}
    if conversation:
        about[at.CONVERSATION] = conversation
    if turn_id:
        about |= {at.TURN: turn_id, at.WAITED: waited_ms}
    return tracer.span(f"invoke_agent {agent}", about)


class Asking:
    """One request of a model, from its sending to the last word of the answer.  Use it as ``with``.

    Args:
        number: Which request of its turn, from 1.
    """

    def __init__(self, model: str, provider: str, messages: Sequence[Mapping[str, Any]], number: int) -> None:
        about: dict[str, Value] = {
            at.OPERATION: "chat",
            at.PROVIDER: provider,
            at.MODEL: model,
            at.ROUND: number,
        }
        if tracer.content:
            about[at.INPUT] = _written(list(messages))
        self._work = tracer.span(f"chat {model}", about, kind="client")
        self._began = time.monotonic()
        self._has_spoken = not self._work.is_recorded

    def __enter__(self) -> Asking:
        self._work.__enter__()
        return self

    def __exit__(self, *given: Any) -> None:
        self._work.__exit__(*given)

    def spoke(self) -> None:
        """A word came; the first one counts."""
        if not self._has_spoken:
            self._has_spoken = True
            self._work.set({at.FIRST_WORD: round(time.monotonic() - self._began, 6)})

    def answered(self, model: str, input_tokens: int, output_tokens: int, answer: Mapping[str, Any]) -> None:
        """The answer is whole; `answer` has its ``text`` and its ``calls``."""
        if not self._work.is_recorded:
            return
        self._work.set(
            {
                at.ANSWERED_BY: model,
                at.INPUT_TOKENS: input_tokens,
                at.OUTPUT_TOKENS: output_tokens,
                at.FINISH: ["tool_calls" if answer.get("calls") else "stop"],
            }
        )
        if tracer.content:
            self._work.set({at.OUTPUT: _written(dict(answer))})


def tool(name: str, *, call_id: str = "", arguments: str | Mapping[str, Any] = "") -> Work:
    """A call of a tool."""
    about: dict[str, Value] = {at.OPERATION: "execute_tool", at.TOOL: name, at.TOOL_TYPE: "function"}
    if call_id:
        about[at.CALL_ID] = call_id
    if tracer.content:
        about[at.ARGUMENTS] = arguments if isinstance(arguments, str) else _written(arguments)
    return tracer.span(f"execute_tool {name}", about)


def gave(work: Work, output: str) -> None:
    """What a tool gave, as the text that a model gets."""
    if not work.is_recorded:
        return
    if output.startswith('{"error":'):
        work.fail(TOOL_FAILED)
    if tracer.content:
        work.set({at.RESULT: output[:_WRITTEN_CHARS]})


def _written(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)[:_WRITTEN_CHARS]
