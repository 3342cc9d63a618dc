"""A model provider on loopback, and toolkits and rooms just real enough for an adapter."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
import pytest_asyncio

from runtime.sdk.room.participant import RemoteParticipant


@dataclass
class FakeProvider:
    """An OpenAI-compatible `/v1/responses` that streams what the test queued, and keeps what it was asked.

    `script` holds, per request, a text, a list of ``(tool, arguments)``, an HTTP status, or ``"!drop"``
    (half an answer, then the connection breaks).
    """

    script: list[Any] = field(default_factory=list)
    requests: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    url: str = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            headers = dict(line.lower().split(": ", 1) for line in head[1:] if ": " in line)
            body = json.loads(await reader.readexactly(int(headers.get("content-length", 0))))
            self.requests.append(body)
            self.keys.append(headers.get("authorization", ""))
            await self._answer(writer, self.script.pop(0))
        finally:
            writer.close()

    async def _answer(self, writer: asyncio.StreamWriter, answer: Any) -> None:
        if isinstance(answer, int):
            body = json.dumps({"error": {"message": f"because {answer}.", "code": "x"}}).encode()
            head = f"HTTP/1.1 {answer} X\r\nContent-Type: application/json\r\nx-should-retry: false\r\n"
            writer.write(f"{head}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body)
            return
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n")
        for event in _events(answer):
            writer.write(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode())
            await writer.drain()


def _events(answer: Any) -> list[dict[str, Any]]:
    output: list[dict[str, Any]] = []
    events: list[dict[str, Any]] = []
    if isinstance(answer, str):
        texts = ["half an ans"] if answer == "!drop" else [answer[:4], answer[4:]]
        for text in texts:
            delta = {"type": "response.output_text.delta", "delta": text, "item_id": "m", "output_index": 0}
            events.append({**delta, "content_index": 0, "logprobs": [], "sequence_number": len(events)})
        if answer == "!drop":
            return events
        content = [{"type": "output_text", "text": answer, "annotations": []}]
        output.append(
            {"type": "message", "id": "m", "role": "assistant", "status": "completed", "content": content}
        )
    else:
        for number, (name, arguments) in enumerate(answer):
            call = {
                "type": "function_call",
                "id": f"f{number}",
                "call_id": f"c{number}",
                "status": "completed",
            }
            output.append({**call, "name": name, "arguments": json.dumps(arguments)})
    usage = {"input_tokens": 11, "output_tokens": 7, "total_tokens": 18}
    details = {"input_tokens_details": {"cached_tokens": 0}, "output_tokens_details": {"reasoning_tokens": 0}}
    response = {"id": "r", "object": "response", "created_at": 0, "model": "fake-1", "output": output}
    rest = {"parallel_tool_calls": True, "tool_choice": "auto", "tools": [], "usage": {**usage, **details}}
    events.append({"type": "response.completed", "sequence_number": 99, "response": {**response, **rest}})
    return events


@pytest_asyncio.fixture
async def provider() -> AsyncIterator[FakeProvider]:
    fake = FakeProvider()
    server = await asyncio.start_server(fake.serve, "127.0.0.1", 0)
    fake.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    async with server:
        yield fake


@pytest.fixture
def room() -> Any:
    """All that an adapter takes from a room."""
    return SimpleNamespace(local_participant=RemoteParticipant(id="p1", attributes={"name": "bot"}))


@pytest.fixture
def deltas() -> Callable[[list[dict[str, Any]]], str]:
    """Join the text that an event handler heard."""
    return lambda events: "".join(e["delta"] for e in events if e["type"] == "response.output_text.delta")


@pytest.fixture(autouse=True)
def no_provider_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_MODEL", "BULKHEAD_OFFLINE_SCRIPT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("BULKHEAD_OFFLINE_DELAY_MS", "0")
