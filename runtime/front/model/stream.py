"""Model answers as events: out of a provider's server-sent events, or out of the offline model.

An event is one JSON object with a ``type``, as the Responses API has them; over HTTP each is a server-sent
event, over a websocket each is a text frame.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

from runtime.errors import InvalidRequest
from runtime.model.contract import Completed, FunctionSpec, Model, ModelRequest, TextDelta

MAX_EVENT_BYTES: Final = 16 << 20
Event = dict[str, Any]


async def events_of(chunks: AsyncIterator[bytes]) -> AsyncIterator[Event]:
    """The JSON objects in a stream of server-sent events, however it is cut into chunks.

    Raises:
        InvalidRequest: An event is larger than `MAX_EVENT_BYTES`.
    """
    rest = bytearray()
    data: list[bytes] = []
    held = 0
    async for chunk in chunks:
        rest += chunk
        *lines, last = bytes(rest).split(b"\n")
        rest = bytearray(last)
        for line in lines:
            line = line.rstrip(b"\r")
            if line.startswith(b"data:"):
                data.append(line[5:].strip())
                held += len(line)
            elif not line and data:
                event = _parsed(b"\n".join(data))
                data, held = [], 0
                if event is not None:
                    yield event
        if len(rest) + held > MAX_EVENT_BYTES:
            raise InvalidRequest("the model provider sent an event that is too large")
    if data and (event := _parsed(b"\n".join(data))) is not None:
        yield event


def as_sse(event: Event) -> bytes:
    """One event as it goes over HTTP."""
    return f"event: {event['type']}\ndata: {json.dumps(event, ensure_ascii=False)}\n\n".encode()


def failure(message: str, *, status: int = 0, code: str = "server_error") -> Event:
    """An event that says why there is no answer; `status` is the HTTP status it would have had."""
    error = {"type": code, "code": code, "message": message}
    return {"type": "error", "code": code, "message": message, "param": None, "error": error} | (
        {"status": status} if status else {}
    )


async def offline_events(model: Model, body: Mapping[str, Any]) -> AsyncIterator[Event]:
    """What the Responses API would stream for this request, answered by a model of our own.

    Raises:
        InvalidRequest: The request's ``input`` is none.
        ModelError: The model gave none.
    """
    request, namespaces = _read(body)
    response: dict[str, Any] = {
        "id": f"resp_{uuid.uuid4().hex}",
        "object": "response",
        "created_at": int(time.time()),
        "model": request.model,
        "status": "in_progress",
        "output": [],
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "metadata": {},
        "parallel_tool_calls": True,
        "temperature": None,
        "top_p": None,
        "tool_choice": "auto",
        "tools": list(body.get("tools") or ()),
        "usage": None,
    }
    numbered = _Numbered()
    yield numbered("response.created", response={**response})
    yield numbered("response.in_progress", response={**response})
    item_id, text, output = f"msg_{uuid.uuid4().hex}", "", []
    async for event in model.respond(request):
        match event:
            case TextDelta(text=delta):
                place = {"item_id": item_id, "output_index": 0, "content_index": 0}
                if not text:
                    item = _message(item_id, "", "in_progress")
                    yield numbered("response.output_item.added", output_index=0, item={**item, "content": []})
                    yield numbered("response.content_part.added", **place, part=item["content"][0])
                text += delta
                yield numbered("response.output_text.delta", **place, delta=delta, logprobs=[])
            case Completed(calls=calls, usage=used):
                if text:
                    place = {"item_id": item_id, "output_index": 0, "content_index": 0}
                    item = _message(item_id, text, "completed")
                    yield numbered("response.output_text.done", **place, text=text, logprobs=[])
                    yield numbered("response.content_part.done", **place, part=item["content"][0])
                    yield numbered("response.output_item.done", output_index=0, item=item)
                    output.append(item)
                for call in calls:
                    item = {
                        "id": f"fc_{uuid.uuid4().hex}",
                        "type": "function_call",
                        "status": "completed",
                        # The offline model counts its calls per chat; a provider's ids are unique.
                        "call_id": f"call_{uuid.uuid4().hex[:24]}",
                        "name": call.name,
                        "arguments": call.arguments,
                    }
                    if call.name in namespaces:
                        item["namespace"] = namespaces[call.name]
                    place = {"item_id": item["id"], "output_index": len(output)}
                    started = {**item, "arguments": "", "status": "in_progress"}
                    yield numbered("response.output_item.added", output_index=len(output), item=started)
                    yield numbered("response.function_call_arguments.delta", **place, delta=call.arguments)
                    yield numbered(
                        "response.function_call_arguments.done",
                        **place,
                        name=call.name,
                        arguments=call.arguments,
                    )
                    yield numbered("response.output_item.done", output_index=len(output), item=item)
                    output.append(item)
                usage = {
                    "input_tokens": used.input_tokens,
                    "input_tokens_details": {"cached_tokens": 0},
                    "output_tokens": used.output_tokens,
                    "output_tokens_details": {"reasoning_tokens": 0},
                    "total_tokens": used.input_tokens + used.output_tokens,
                }
                done = {**response, "status": "completed", "output": output, "usage": usage}
                yield numbered("response.completed", response=done)


class _Numbered:
    def __init__(self) -> None:
        self._count = -1

    def __call__(self, kind: str, **more: Any) -> Event:
        self._count += 1
        return {"type": kind, "sequence_number": self._count, **more}


def _message(item_id: str, text: str, status: str) -> dict[str, Any]:
    part = {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
    return {"id": item_id, "type": "message", "role": "assistant", "status": status, "content": [part]}


def _read(body: Mapping[str, Any]) -> tuple[ModelRequest, dict[str, str]]:
    given = body.get("input", "")
    messages = [{"role": "user", "content": given}] if isinstance(given, str) else given
    if not isinstance(messages, list) or not all(isinstance(message, dict) for message in messages):
        raise InvalidRequest("'input' is neither a text nor a list of items")
    instructions = body.get("instructions")
    if isinstance(instructions, str) and instructions:
        messages = [{"role": "system", "content": instructions}, *messages]
    functions: list[FunctionSpec] = []
    namespaces: dict[str, str] = {}
    for tool in body.get("tools") or ():
        if not isinstance(tool, dict):
            continue
        if tool.get("type") == "namespace":
            for inner in tool.get("tools") or ():
                if isinstance(inner, dict) and inner.get("type", "function") == "function":
                    functions.append(_function(inner))
                    namespaces.setdefault(functions[-1].name, str(tool.get("name")))
        elif tool.get("type") == "function":
            functions.append(_function(tool))
    form = body.get("text")
    wanted = form.get("format") if isinstance(form, dict) else None
    schema = wanted.get("schema") if isinstance(wanted, dict) else None
    request = ModelRequest(
        model=str(body.get("model") or "offline"),
        messages=messages,
        functions=functions,
        output_schema=schema if isinstance(schema, dict) else None,
        allow_tools=body.get("tool_choice") != "none",
    )
    return request, namespaces


def _function(tool: Mapping[str, Any]) -> FunctionSpec:
    parameters = tool.get("parameters")
    return FunctionSpec(
        str(tool.get("name")),
        str(tool.get("description") or ""),
        parameters if isinstance(parameters, dict) else {"type": "object", "properties": {}},
    )


def _parsed(data: bytes) -> Event | None:
    try:
        event = json.loads(data)
    except ValueError:
        return None  # "[DONE]", and whatever else is no event
    return event if isinstance(event, dict) and isinstance(event.get("type"), str) else None
