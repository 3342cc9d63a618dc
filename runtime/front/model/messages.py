"""Anthropic's Messages API by the offline model: its requests, and answers whole or as events."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any, Final

from runtime.errors import InvalidRequest
from runtime.front.model.stream import Event
from runtime.model.contract import Completed, FunctionSpec, Message, Model, ModelRequest, TextDelta

_WORD: Final = re.compile(r"\S+")


async def message_events(model: Model, request: ModelRequest) -> AsyncIterator[Event]:
    """What the Messages API would stream for this request.  Raises ModelError."""
    begun: dict[str, Any] = {
        "id": f"msg_{uuid.uuid4().hex[:24]}",
        "type": "message",
        "role": "assistant",
        "model": request.model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {"input_tokens": 0, "output_tokens": 0},
    }
    yield {"type": "message_start", "message": begun}
    said, count = False, 0
    async for event in model.respond(request):
        match event:
            case TextDelta(text=text):
                if not said:
                    said = True
                    yield _block(0, {"type": "text", "text": ""})
                yield _delta(0, {"type": "text_delta", "text": text})
            case Completed(calls=calls, usage=used):
                if said:
                    yield {"type": "content_block_stop", "index": 0}
                    count = 1
                for index, call in enumerate(calls, start=count):
                    # The offline model counts its calls per chat; a provider's ids are unique.
                    tool = {"type": "tool_use", "id": f"toolu_{uuid.uuid4().hex[:24]}", "name": call.name}
                    yield _block(index, {**tool, "input": {}})
                    yield _delta(index, {"type": "input_json_delta", "partial_json": call.arguments})
                    yield {"type": "content_block_stop", "index": index}
                why = "tool_use" if calls else "end_turn"
                usage = {"input_tokens": used.input_tokens, "output_tokens": used.output_tokens}
                yield {
                    "type": "message_delta",
                    "delta": {"stop_reason": why, "stop_sequence": None},
                    "usage": usage,
                }
                yield {"type": "message_stop"}


async def whole_message(events: AsyncIterator[Event]) -> dict[str, Any]:
    """The message that such events make."""
    message: dict[str, Any] = {}
    written: list[str] = []
    async for event in events:
        match event:
            case {"type": "message_start", "message": begun}:
                message = dict(begun)
                message["content"] = []
            case {"type": "content_block_start", "content_block": block}:
                message["content"].append(dict(block))
                written = []
            case {"type": "content_block_delta", "delta": {"text": text}}:
                written.append(text)
                message["content"][-1]["text"] = "".join(written)
            case {"type": "content_block_delta", "delta": {"partial_json": text}}:
                message["content"][-1]["input"] = json.loads(text)
            case {"type": "message_delta", "delta": delta, "usage": usage}:
                message |= {**delta, "usage": usage}
    return message


def count_tokens(request: ModelRequest) -> int:
    """How many tokens a request has; a word counts as one."""
    texts = [json.dumps(message.get("content") or message) for message in request.messages]
    texts += [f"{one.name} {one.description} {json.dumps(one.parameters)}" for one in request.functions]
    return sum(1 for text in texts for _ in _WORD.finditer(text))  # a list of them would be large


def read_request(body: Mapping[str, Any]) -> ModelRequest:
    """A request of the Messages API, as models of ours take it.  Raises InvalidRequest."""
    given = body.get("messages")
    if not isinstance(given, list) or not all(isinstance(one, dict) for one in given):
        raise InvalidRequest("'messages' is a list of objects")
    messages: list[Message] = [item for one in given for item in _items(one)]
    if system := _text(body.get("system")):
        messages = [{"role": "system", "content": system}, *messages]
    tools, choice = body.get("tools"), body.get("tool_choice")
    return ModelRequest(
        model=str(body.get("model") or "offline"),
        messages=messages,
        # What has no schema is a tool of Anthropic's own, which runs there.
        functions=[_function(tool) for tool in _objects(tools) if isinstance(tool.get("input_schema"), dict)],
        allow_tools=not (isinstance(choice, dict) and choice.get("type") == "none"),
    )


def _items(message: Mapping[str, Any]) -> Iterator[Message]:
    role, content = str(message.get("role")), message.get("content")
    if isinstance(content, str):
        yield {"role": role, "content": content}
        return
    for block in _objects(content):
        match block:
            case {"type": "text", "text": str(text)}:
                yield {"role": role, "content": text}
            case {"type": "tool_use", "id": call_id, "name": name}:
                arguments = json.dumps(block.get("input") or {}, ensure_ascii=False)
                yield {"type": "function_call", "call_id": call_id, "name": name, "arguments": arguments}
            case {"type": "tool_result", "tool_use_id": call_id}:
                said = _text(block.get("content"))
                yield {"type": "function_call_output", "call_id": call_id, "output": said}


def _text(content: object) -> str:
    if isinstance(content, str):
        return content
    blocks = (block for block in _objects(content) if block.get("type") == "text")
    return "\n".join(str(block.get("text") or "") for block in blocks)


def _objects(given: object) -> list[dict[str, Any]]:
    return [one for one in given if isinstance(one, dict)] if isinstance(given, list) else []


def _function(tool: Mapping[str, Any]) -> FunctionSpec:
    return FunctionSpec(str(tool.get("name")), str(tool.get("description") or ""), tool["input_schema"])


def _block(index: int, block: dict[str, Any]) -> Event:
    return {"type": "content_block_start", "index": index, "content_block": block}


def _delta(index: int, delta: dict[str, Any]) -> Event:
    return {"type": "content_block_delta", "index": index, "delta": delta}
