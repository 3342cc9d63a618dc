"""Make one answer through the openai package without a network, so that sessions find it ready.

The package builds the types of its streams when the first one arrives: a second of work and some thirty
megabytes, in every session anew.  Done once in a zygote, before it forks, all sessions share the result.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import logging
import sys
from typing import Any

_log = logging.getLogger("llm.openai")

_USAGE = {
    "input_tokens": 1,
    "output_tokens": 1,
    "total_tokens": 2,
    "input_tokens_details": {"cached_tokens": 0},
    "output_tokens_details": {"reasoning_tokens": 0},
}
_ITEM = {
    "type": "message",
    "id": "m",
    "role": "assistant",
    "status": "completed",
    "content": [{"type": "output_text", "text": "x", "annotations": []}],
}
_CALL = {"type": "function_call", "id": "f", "call_id": "c", "name": "x", "arguments": "{}"}
_RESPONSE = {
    "id": "r",
    "object": "response",
    "created_at": 0,
    "model": "x",
    "output": [_ITEM, _CALL],
    "parallel_tool_calls": True,
    "tool_choice": "auto",
    "tools": [],
    "usage": _USAGE,
}
_DELTA = {"item_id": "m", "output_index": 0, "content_index": 0, "delta": "x", "logprobs": []}
_EVENTS: tuple[dict[str, Any], ...] = (
    {"type": "response.output_text.delta", "sequence_number": 1, **_DELTA},
    {"type": "response.completed", "sequence_number": 2, "response": _RESPONSE},
)


def warm_up() -> bool:
    """Do it; False where it cannot be done, which costs nothing but the advantage."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        pass
    else:
        return False  # imported from within a running loop: no zygote
    try:
        asyncio.run(_answer())
    except Exception as error:  # noqa: BLE001 - an optimisation, with a package whose versions differ
        _log.debug("the openai package was not warmed up: %s: %s", type(error).__name__, error)
        return False
    return True


async def _answer() -> None:
    openai = importlib.import_module("openai")
    # Which of the two the installed version is built on.
    httpx = sys.modules.get("httpx2") or importlib.import_module("httpx")
    body = "".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in _EVENTS)

    def reply(request: Any) -> Any:
        return httpx.Response(200, headers={"content-type": "text/event-stream"}, text=body)

    # What the client below does not touch: the connection pool, certificates, the event loop's backend.
    async with openai.AsyncOpenAI(api_key="none", base_url="http://warm-up.invalid/v1"):
        await importlib.import_module("anyio").sleep(0)
    transport = httpx.MockTransport(reply)
    async with (
        httpx.AsyncClient(transport=transport) as http,
        openai.AsyncOpenAI(api_key="none", base_url="http://warm-up.invalid/v1", http_client=http) as client,
    ):
        tool = {
            "type": "function",
            "name": "x",
            "parameters": {"type": "object", "properties": {}},
            "strict": False,
        }
        stream = await client.responses.create(model="x", input="x", stream=True, tools=[tool], store=False)
        async with stream:
            async for event in stream:
                if event.type == "response.completed":
                    for item in event.response.output:
                        item.to_dict()
