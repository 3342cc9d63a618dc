"""The built-in offline model: deterministic, streaming, and honest about being no language model.

It follows simple rules, calls tools when a message asks for what they do, answers questions about itself and
the chat, and otherwise says how to get a real model.  A script (`BULKHEAD_OFFLINE_SCRIPT`) takes its place
turn by turn.  The same messages, tools and day give the same answer, so tests use it as their model too.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import zlib
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from runtime.errors import ConfigError
from runtime.model.contract import (
    Completed,
    Message,
    ModelError,
    ModelEvent,
    ModelRequest,
    TextDelta,
    ToolCall,
    Usage,
    instructions_of,
    rules_of,
)
from runtime.model.offline_rules import obey
from runtime.model.offline_script import Script, Turn, load_script
from runtime.model.offline_talk import Conversation, small_talk, talk_about_itself
from runtime.model.offline_tools import ask_for, report, sample, wanted_tools

NAME = "offline"
DELAY_MS = 12.0
DELAY_VARIABLE = "BULKHEAD_OFFLINE_DELAY_MS"
SCRIPT_VARIABLE = "BULKHEAD_OFFLINE_SCRIPT"
CHUNK = re.compile(r"\s*\S+\s*?(?=\s|$)|\s+$")
# Whose words follow, as chatbots tell a model: "ada said: ", newer ones "ada said at 2026-01-31T09:30:00Z: ".
SPEAKER = re.compile(r"^[^\s:][^:\n]{0,60}? said(?: at \d{4}-\d\d-\d\d[T ][\d:.]+(?:Z|[+-]\d\d:\d\d)?)?: ")


class OfflineModel:
    """A `Model` without a model.

    Args:
        delay_ms: Milliseconds between two chunks, so that streaming is seen; None reads
            `BULKHEAD_OFFLINE_DELAY_MS`, else 12.
        script: Answers to give instead; None reads the file that `BULKHEAD_OFFLINE_SCRIPT` names, if any.
        today: For arguments such as "tomorrow".

    Raises:
        ConfigError: A variable names a script or a delay that cannot be used.
    """

    def __init__(
        self,
        *,
        delay_ms: float | None = None,
        script: Script | None = None,
        today: Callable[[], date] = date.today,
    ) -> None:
        self._delay_ms = _delay_from_environment() if delay_ms is None else delay_ms
        path = os.environ.get(SCRIPT_VARIABLE)
        self._script = script or (load_script(Path(path)) if path else None)
        self._today = today

    async def respond(self, request: ModelRequest) -> AsyncIterator[ModelEvent]:
        heard = _Heard(request)
        turn = self._script.turn_for(heard.said, len(heard.earlier)) if self._script else None
        delay_ms = self._delay_ms if turn is None or turn.delay_ms is None else turn.delay_ms
        text, calls = self._scripted(turn, request, heard) if turn else self._answer(request, heard)
        items: list[Message] = []
        for chunk in CHUNK.findall(text):
            await asyncio.sleep(delay_ms / 1000)
            yield TextDelta(chunk)
        if text:
            items.append({"role": "assistant", "content": text})
        for call in calls:
            yield call
            items.append(
                {
                    "type": "function_call",
                    "call_id": call.call_id,
                    "name": call.name,
                    "arguments": call.arguments,
                }
            )
        written = text + "".join(call.arguments for call in calls)
        usage = Usage(NAME, _tokens(json.dumps(list(request.messages), default=str)), _tokens(written))
        yield Completed(text, tuple(calls), tuple(items), usage)

    def _answer(self, request: ModelRequest, heard: _Heard) -> tuple[str, list[ToolCall]]:
        today = self._today()
        if request.output_schema is not None:
            return json.dumps(sample(request.output_schema, heard.said, today=today), ensure_ascii=False), []
        rules = obey(heard.rules)
        seed = zlib.crc32(heard.first.encode("utf-8", "replace")) + len(heard.earlier)
        if heard.outputs:
            return rules.apply(report(heard.outputs), seed), []
        conversation = Conversation(heard.said, tuple(heard.earlier), request.functions, rules)
        answer = talk_about_itself(conversation)
        if answer is None and request.allow_tools:
            wanted = wanted_tools(heard.said, request.functions, today=today)
            incomplete = [tool for tool in wanted if tool.missing]
            if wanted and not incomplete:
                return "", [
                    _call(heard, number, tool.function.name, dict(tool.arguments))
                    for number, tool in enumerate(wanted)
                ]
            answer = ask_for(incomplete[0]) if incomplete else None
        return rules.apply(answer or small_talk(conversation), seed), []

    def _scripted(self, turn: Turn, request: ModelRequest, heard: _Heard) -> tuple[str, list[ToolCall]]:
        if turn.calls and not heard.outputs and request.allow_tools:
            calls = [
                _call(heard, number, call.tool, dict(call.arguments))
                for number, call in enumerate(turn.calls)
            ]
            return "", calls
        if turn.error:
            raise ModelError(turn.error)
        result = report(heard.outputs) if heard.outputs else ""
        return turn.say.replace("{result}", result).replace("{text}", heard.said), []


class _Heard:
    """What a request says to this model: the last message, those before it, rules, and tool outputs since."""

    def __init__(self, request: ModelRequest) -> None:
        self.rules: list[str] = []
        said: list[str] = []
        names: dict[str, str] = {}
        self.outputs: list[tuple[str, str]] = []
        for message in request.messages:
            kind, role = message.get("type"), message.get("role")
            if kind == "function_call":
                names[str(message.get("call_id"))] = str(message.get("name"))
            elif kind == "function_call_output":
                call_id = str(message.get("call_id"))
                self.outputs.append((names.get(call_id, "the tool"), str(message.get("output", ""))))
            elif role in ("system", "developer"):
                text = _text(message.get("content"))
                self.rules.extend(rules_of(text) or instructions_of(text))
            elif role == "user":
                said.append(SPEAKER.sub("", _text(message.get("content")), count=1))
                self.outputs.clear()
        self.said = said[-1] if said else ""
        self.earlier = said[:-1]
        self.first = said[0] if said else ""


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    if isinstance(content, Sequence):
        return "\n".join(str(part["text"]) for part in content if isinstance(part, dict) and "text" in part)
    return ""


def _call(heard: _Heard, number: int, name: str, arguments: dict[str, Any]) -> ToolCall:
    call_id = f"call_{len(heard.earlier)}_{number}"
    return ToolCall(call_id, name, json.dumps(arguments, ensure_ascii=False))


def _tokens(text: str) -> int:
    """A rough count: there is no tokenizer, and about four characters make a token of English."""
    return (len(text) + 3) // 4


def _delay_from_environment() -> float:
    written = os.environ.get(DELAY_VARIABLE, "")
    if not written:
        return DELAY_MS
    try:
        delay_ms = float(written)
    except ValueError:
        delay_ms = -1.0
    if not 0 <= delay_ms <= 60_000:
        raise ConfigError(f"{DELAY_VARIABLE} is {written!r}", cure="Set it to milliseconds from 0 to 60000.")
    return delay_ms
