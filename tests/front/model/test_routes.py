"""The model by way of a room: who may ask, what is passed on, and what stays here."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from websockets.asyncio.client import connect

from runtime.front import app as front_app
from runtime.front.model import desk as model_desk
from runtime.front.model.stream import events_of
from runtime.front.model.turns import MAX_STORED, MAX_STORED_BYTES, Stored, Turns
from runtime.model import contract
from runtime.rooms.token import AGENT_DEFAULT
from tests.front.conftest import JSON, request
from tests.patience import PATIENCE

pytestmark = [pytest.mark.process, pytest.mark.asyncio]


class FakeProvider:
    """A streaming Responses API; an answer's second event waits until `go_on` is set."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, dict[str, str], dict[str, Any]]] = []
        self.status = 200
        self.go_on = asyncio.Event()
        self.go_on.set()
        self.left = asyncio.Event()
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            headers = dict(line.lower().split(": ", 1) for line in head[1:] if ": " in line)
            asked = json.loads(await reader.readexactly(int(headers["content-length"])))
            self.requests.append((head[0], headers, asked))
            if self.status != 200:
                said = json.dumps({"error": {"message": "too fast", "type": "rate_limit"}}).encode()
                writer.write(
                    b"HTTP/1.1 %d X\r\nretry-after: 7\r\ncontent-type: application/json\r\n"
                    b"content-length: %d\r\n\r\n%s" % (self.status, len(said), said)
                )
                return
            kind = b"text/event-stream" if asked.get("stream") else b"application/json"
            writer.write(
                b"HTTP/1.1 200 OK\r\ncontent-type: " + kind + b"\r\ntransfer-encoding: chunked\r\n\r\n"
            )
            reply = f"reply {len(self.requests)}"
            item = {"id": "m", "type": "message", "role": "assistant", "content": [{"text": reply}]}
            done = {"id": f"r{len(self.requests)}", "output": [item]}
            if not asked.get("stream"):
                self._chunk(writer, json.dumps(done).encode())
            else:
                for event in (
                    {"type": "response.output_text.delta", "delta": reply},
                    {"type": "response.completed", "response": done},
                ):
                    data = f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode()
                    self._chunk(writer, data[:20])
                    self._chunk(writer, data[20:])
                    await writer.drain()
                    gone = asyncio.create_task(reader.read(1))
                    going = asyncio.create_task(self.go_on.wait())
                    await asyncio.wait((gone, going), return_when=asyncio.FIRST_COMPLETED)
                    if gone.done():
                        self.left.set()
                    for task in (gone, going):
                        task.cancel()
            writer.write(b"0\r\n\r\n")
        finally:
            writer.close()

    def _chunk(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        writer.write(b"%x\r\n%s\r\n" % (len(data), data))


@pytest_asyncio.fixture
async def provider() -> AsyncIterator[FakeProvider]:
    fake = FakeProvider()
    server = await asyncio.start_server(fake.serve, "127.0.0.1", 0)
    fake.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    yield fake
    server.close()
    await server.wait_closed()


def bearer(site: Any, room: str = "lab", **token: Any) -> dict[str, str]:
    return {"Authorization": f"Bearer {site.server.front.rooms.token(room, 'bot', **token)}"}


def asking(text: str = "hi", **more: Any) -> bytes:
    return json.dumps({"model": "m", "input": [{"role": "user", "content": text}], **more}).encode()


@pytest.mark.parametrize(
    "path", ["/rooms/lab/v1/responses", "/rooms/lab/openai/v1/responses", "/openai/v1/responses"]
)
async def test_a_request_goes_on_with_the_servers_key_and_nothing_of_the_callers(
    serving: Any, provider: FakeProvider, path: str
) -> None:
    async with serving(model_url=provider.url, model_key="sk-front") as site:
        answer = await site.post(path, asking(temperature=1), {**bearer(site), "Cookie": "c"})
        assert (answer.status, answer.json["output"][0]["content"][0]["text"]) == (200, "reply 1")
        line, headers, body = provider.requests[0]
        assert line == "POST /v1/responses HTTP/1.1"
        assert headers["authorization"] == "bearer sk-front"
        assert "cookie" not in headers
        assert body["temperature"] == 1


async def test_events_are_passed_on_as_they_come(serving: Any, provider: FakeProvider, within: Any) -> None:
    provider.go_on.clear()
    async with serving(model_url=provider.url) as site:
        reader, writer = await site.connect()
        head = "".join(f"{k}: {v}\r\n" for k, v in bearer(site).items())
        raw = asking(stream=True)
        writer.write(
            f"POST /rooms/lab/v1/responses HTTP/1.1\r\nHost: localhost\r\n{head}"
            f"Content-Length: {len(raw)}\r\n\r\n".encode()
            + raw
        )
        await within(10, reader.readuntil(b'"reply 1"'))  # while the provider holds back the rest
        provider.go_on.set()
        await within(10, reader.readuntil(b"response.completed"))


async def test_a_reader_that_leaves_ends_the_request_to_the_provider(
    serving: Any, provider: FakeProvider, within: Any
) -> None:
    provider.go_on.clear()
    async with serving(model_url=provider.url) as site:
        reader, writer = await site.connect()
        head = "".join(f"{k}: {v}\r\n" for k, v in bearer(site).items())
        raw = asking(stream=True)
        writer.write(
            f"POST /openai/v1/responses HTTP/1.1\r\nHost: localhost\r\n{head}"
            f"Content-Length: {len(raw)}\r\n\r\n".encode()
            + raw
        )
        await within(10, reader.readuntil(b'"reply 1"'))
        writer.close()
        await within(15, provider.left.wait())


async def test_only_tokens_that_may_use_a_model_do(serving: Any) -> None:
    no_model = {key: value for key, value in AGENT_DEFAULT.items() if key != "llm"}
    async with serving() as site:
        ask = site.post
        assert (await ask("/rooms/lab/v1/responses", asking())).status == 403
        assert (await ask("/rooms/lab/v1/responses", asking(), bearer(site, "other"))).status == 403
        assert (await ask("/openai/v1/responses", asking(), bearer(site, "other"))).status == 200
        person = bearer(site, role="user", scope=no_model)
        assert (await ask("/openai/v1/responses", asking(), person)).status == 403
        # Agents of releases that had no such family may.
        assert (await ask("/openai/v1/responses", asking(), bearer(site, scope=no_model))).status == 200
        denied = bearer(site, scope={**no_model, "llm": None})
        assert (await ask("/openai/v1/responses", asking(), denied)).status == 403


async def test_without_a_provider_the_offline_model_answers_in_all_three_shapes(
    serving: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BULKHEAD_OFFLINE_DELAY_MS", "0")
    parameters = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    tool = {"type": "function", "name": "forecast", "description": "weather forecast of a city"}
    tool["parameters"] = parameters  # type: ignore[assignment]
    grouped = [{"type": "namespace", "name": "weather", "tools": [tool]}]
    said = "what is the weather forecast for Oslo?"
    async with serving() as site:
        plain = await site.post("/openai/v1/responses", asking("calculate 6 * 7"), bearer(site))
        assert "42" in plain.json["output"][0]["content"][0]["text"]
        called = await site.post("/openai/v1/responses", asking(said, tools=grouped), bearer(site))
        (call,) = called.json["output"]
        assert (call["type"], call["name"], call["namespace"]) == ("function_call", "forecast", "weather")
        assert json.loads(call["arguments"]) == {"city": "Oslo"}
        streamed = await site.post("/openai/v1/responses", asking(stream=True), bearer(site))
        kinds = [line[7:] for line in streamed.body.decode().splitlines() if line.startswith("event: ")]
        assert kinds[0] == "response.created"
        assert kinds[-1] == "response.completed"
        async with connect(
            f"ws://127.0.0.1:{site.port}/rooms/lab/v1/responses", additional_headers=bearer(site)
        ) as socket:
            await socket.send('{"type": "response.create", "input": "calculate 6 * 7"}')
            text = ""
            while (event := json.loads(await socket.recv()))["type"] != "response.completed":
                text += event.get("delta", "")
            assert "42" in text
            await socket.send("nonsense")
            assert json.loads(await socket.recv())["type"] == "error"


async def test_the_offline_model_remembers_the_response_that_a_request_names(
    serving: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BULKHEAD_OFFLINE_DELAY_MS", "0")
    async with serving() as site:
        first = await site.post("/rooms/lab/v1/responses", asking("my name is Grace"), bearer(site))
        more = asking("what is my name?", previous_response_id=first.json["id"])
        second = await site.post("/rooms/lab/v1/responses", more, bearer(site))
        assert second.json["output"][0]["content"][0]["text"] == "Your name is Grace."
        forgotten = asking("what is my name?", previous_response_id="resp_of_nobody")
        third = await site.post("/rooms/lab/v1/responses", forgotten, bearer(site))
        assert "not told me" in third.json["output"][0]["content"][0]["text"]


async def test_what_the_offline_model_remembers_is_bounded() -> None:
    stored = Stored()
    for number in range(MAX_STORED + 1):
        asked = stored.request({"input": f"hello {number}"})
        stored.heard(asked, {"type": "response.completed", "response": {"id": f"r{number}", "output": []}})
    again = [len(stored.request({"input": "x", "previous_response_id": f"r{n}"})["input"]) for n in (0, 1)]
    assert again == [1, 2]
    for asked in ({"input": "x" * MAX_STORED_BYTES}, {"input": "x", "store": False}):
        event = {"type": "response.completed", "response": {"id": "no", "output": []}}
        stored.heard(asked | stored.request(asked), event)
        assert len(stored.request({"input": "y", "previous_response_id": "no"})["input"]) == 1


async def test_a_websocket_turn_may_refer_to_the_one_before(serving: Any, provider: FakeProvider) -> None:
    async with (
        serving(model_url=provider.url) as site,
        connect(f"ws://127.0.0.1:{site.port}/openai/v1/responses", additional_headers=bearer(site)) as socket,
    ):
        ask = {"type": "response.create", "store": False, "input": [{"role": "user", "content": "one"}]}
        for more in ({}, {"previous_response_id": "r1", "input": [{"role": "user", "content": "two"}]}):
            await socket.send(json.dumps(ask | more))
            while json.loads(await socket.recv())["type"] != "response.completed":
                pass
        second = provider.requests[1][2]
        assert [item.get("role") for item in second["input"]] == ["user", "assistant", "user"]
        assert "previous_response_id" not in second
        provider.status = 429
        await socket.send(json.dumps(ask))
        told = json.loads(await socket.recv())
        assert (told["type"], told["status"], told["message"]) == ("error", 429, "too fast")


@pytest.mark.parametrize("stream", [True, False])
async def test_a_client_that_leaves_before_its_answer_begins_gives_its_place_back(
    serving: Any, provider: FakeProvider, monkeypatch: pytest.MonkeyPatch, stream: bool
) -> None:
    monkeypatch.setattr(model_desk, "MAX_REQUESTS", 1)
    made, given_up = asyncio.Event(), asyncio.Event()

    async def held_up(*_: object) -> None:  # between the making of an answer and its first byte
        if not made.is_set():
            made.set()
            try:
                await asyncio.Event().wait()
            finally:
                given_up.set()

    monkeypatch.setattr(front_app, "compress", held_up)
    async with serving(model_url=provider.url) as site:
        path = "/openai/v1/responses"
        _, writer = await site.connect()
        writer.write(request("POST", path, asking(stream=stream), {**JSON, **bearer(site)}))
        async with asyncio.timeout(20 * PATIENCE):
            await made.wait()
            assert (await site.post(path, asking(), bearer(site))).status == 429
            writer.close()
            await given_up.wait()
            while (await site.post(path, asking(), bearer(site))).status == 429:
                await asyncio.sleep(0.01)


async def test_what_the_provider_refuses_is_told_as_it_said_it(serving: Any, provider: FakeProvider) -> None:
    provider.status = 429
    async with serving(model_url=provider.url) as site:
        answer = await site.post("/openai/v1/responses", asking(stream=True), bearer(site))
        assert (answer.status, answer.headers["retry-after"]) == (429, "7")
        assert answer.json["error"]["message"] == "too fast"


async def test_a_provider_that_is_not_there_is_named(serving: Any) -> None:
    async with serving(model_url="http://127.0.0.1:9/v1") as site:
        answer = await site.post("/openai/v1/responses", asking(), bearer(site))
        assert (answer.status, answer.json["type"]) == (502, "urn:bulkhead:problem:provider_unreachable")
        assert "127.0.0.1:9" in answer.json["detail"]


async def test_a_conversation_may_be_larger_than_a_webhook_but_not_without_bound(
    serving: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BULKHEAD_OFFLINE_DELAY_MS", "0")
    monkeypatch.setattr(contract, "MAX_REQUEST_BYTES", 100_000)
    async with serving(max_body_bytes=2000) as site:
        assert (await site.post("/openai/v1/responses", asking("x" * 50_000), bearer(site))).status == 200
        assert (await site.post("/openai/v1/responses", asking("x" * 200_000), bearer(site))).status == 413
        assert (await site.post("/chat", b"x" * 3000)).status == 413


async def test_a_request_of_many_small_things_holds_nobody_up(serving: Any) -> None:
    """Who reads such a one can do nothing else for seconds."""
    async with serving() as site:
        for body in (b"[]," * 300_000, b"1," * 2_100_000):
            raw = b'{"input":"hi","more":[' + body + b"0]}"
            answer = await site.post("/openai/v1/responses", raw, bearer(site))
            assert (answer.status, "at most 250000 lists" in answer.json["detail"]) == (400, True)


async def test_the_provider_keeps_what_it_was_not_told_to_forget() -> None:
    turns = Turns()
    turns.request('{"type": "response.create", "input": "one"}', is_kept=True)
    turns.heard({"type": "response.completed", "response": {"id": "r1", "output": []}})
    more = '{"type": "response.create", "input": "two", "previous_response_id": "r1"}'
    assert turns.request(more, is_kept=True)["previous_response_id"] == "r1"
    turns.heard({"type": "response.completed", "response": {"id": "r1", "output": [{"type": "reasoning"}]}})
    assert [item["content"] for item in turns.request(more, is_kept=False)["input"]] == ["two", "two"]


async def test_events_survive_any_cut() -> None:
    stream = (
        'data: {"type": "a", "x": "ü"}\r\n\r\n: note\ndata: {"type":\ndata: "b"}\n\ndata: [DONE]\n\n'.encode()
    )

    async def cut(size: int) -> AsyncIterator[bytes]:
        for start in range(0, len(stream), size):
            yield stream[start : start + size]

    for size in (1, 2, 7, 1000):
        assert [event["type"] async for event in events_of(cut(size))] == ["a", "b"]


@pytest.mark.parametrize(
    "path", ["/rooms/lab/v1/embeddings", "/rooms/lab/openai/v1/embeddings", "/openai/v1/embeddings"]
)
async def test_vectors_are_the_providers_or_made_here(
    serving: Any, provider: FakeProvider, path: str
) -> None:
    asked = json.dumps({"model": "m", "input": ["the tide", "a fox"]}).encode()
    async with serving(model_url=provider.url, model_key="sk-front") as site:
        assert (await site.post(path, asked, bearer(site))).status == 200
        assert (await site.post(path, asked, {})).status == 403
        ((line, headers, body),) = provider.requests
        assert line == "POST /v1/embeddings HTTP/1.1"
        assert headers["authorization"] == "bearer sk-front"
        assert body["input"] == ["the tide", "a fox"]
    async with serving() as site:
        answer = await site.post(path, asked, bearer(site))
        assert [len(one["embedding"]) for one in answer.json["data"]] == [1536, 1536]
