"""The adapter against a provider that speaks the real protocol over a real socket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from runtime.model.contract import Completed, ModelError, ModelEvent, ModelRequest, TextDelta, ToolCall, Usage
from runtime.sdk.context import AgentChatContext
from runtime.sdk.llm.openai_responses import MAX_ANSWER_CHARS, OpenAIResponsesAdapter
from runtime.sdk.tools.toolkit import Tool, ToolContext, Toolkit

if TYPE_CHECKING:  # it takes the better part of a second, of whoever collects these tests
    from openai import AsyncOpenAI

pytestmark = pytest.mark.process


class Add(Tool):
    """Add two numbers."""

    def __init__(self, name: str = "add") -> None:
        super().__init__(name=name, description="Add numbers", rules=["Say the sum aloud."])

    async def execute(self, context: ToolContext, a: float, b: float) -> dict[str, float]:
        if a == 13:
            raise ValueError("unlucky")
        return {"sum": a + b}


TOOLKITS = [Toolkit(name="maths", tools=[Add()])]


@pytest_asyncio.fixture
async def client(provider: Any) -> AsyncIterator[AsyncOpenAI]:
    from openai import AsyncOpenAI

    async with AsyncOpenAI(base_url=provider.url, api_key="sk-test", max_retries=0) as made:
        yield made


def asked(text: str) -> AgentChatContext:
    context = AgentChatContext()
    context.append_rules(["be kind"])
    context.append_user_message(text)
    return context


@pytest.mark.asyncio
async def test_text_streams_and_costs_are_reported(
    provider: Any, client: Any, room: Any, deltas: Any
) -> None:
    provider.script = ["Hello there"]
    costs: list[Usage] = []
    adapter = OpenAIResponsesAdapter(model="gpt-x", client=client, usage_handler=costs.append)
    context, events = asked("hi"), []
    answer = await adapter.next(context=context, room=room, toolkits=[], event_handler=events.append)
    assert answer == deltas(events) == "Hello there"
    assert context.messages[-1] == {"role": "assistant", "content": "Hello there"}
    assert costs == [Usage("fake-1", 11, 7)]
    assert (adapter.usage.input_tokens, adapter.usage.output_tokens) == (11, 7)
    assert provider.requests[0]["model"] == "gpt-x"
    assert provider.requests[0]["input"][0] == {"role": "system", "content": "Rules:\n-be kind\n"}
    assert provider.keys == ["bearer sk-test"]
    assert not adapter.is_offline()


@pytest.mark.asyncio
async def test_tools_run_side_by_side_and_their_outputs_go_back(
    provider: Any, client: Any, room: Any
) -> None:
    provider.script = [[("add", {"a": 1, "b": 2}), ("add", {"a": 3, "b": 4})], "3 and 7"]
    context = asked("add")
    events: list[dict[str, Any]] = []
    answer = await OpenAIResponsesAdapter(client=client).next(
        context=context, room=room, toolkits=TOOLKITS, event_handler=events.append
    )
    assert answer == "3 and 7"
    outputs = [item for item in provider.requests[1]["input"] if item.get("type") == "function_call_output"]
    assert [json.loads(output["output"]) for output in outputs] == [{"sum": 3}, {"sum": 7}]
    assert provider.requests[0]["tools"][0]["parameters"]["required"] == ["a", "b"]
    assert "Say the sum aloud." in str(provider.requests[0]["input"])
    assert [event["name"] for event in events if event["type"] == "response.function_call.done"] == [
        "add",
        "add",
    ]


class Shout:
    async def to_plain_text(self, *, room: Any, response: Any) -> str:
        return str(response.json).upper()


@pytest.mark.asyncio
async def test_a_tool_adapter_writes_the_outputs(provider: Any, client: Any, room: Any) -> None:
    provider.script = [[("add", {"a": 1, "b": 2})], "3"]
    adapter = OpenAIResponsesAdapter(client=client)
    await adapter.next(context=asked("add"), room=room, toolkits=TOOLKITS, tool_adapter=Shout())
    outputs = [i["output"] for i in provider.requests[1]["input"] if i.get("type") == "function_call_output"]
    assert outputs == ["{'SUM': 3.0}"]


@pytest.mark.asyncio
async def test_a_tool_that_fails_is_told_to_the_model(provider: Any, client: Any, room: Any) -> None:
    calls = [("add", {"a": 13, "b": 1}), ("add", {"a": "x"}), ("nothing", {})]
    provider.script = [calls, "sorry"]
    await OpenAIResponsesAdapter(client=client).next(context=asked("add"), room=room, toolkits=TOOLKITS)
    outputs = [i["output"] for i in provider.requests[1]["input"] if i.get("type") == "function_call_output"]
    assert "unlucky" in json.loads(outputs[0])["error"]
    assert "a" in json.loads(outputs[1])["error"]
    assert "there is no tool called nothing" in json.loads(outputs[2])["error"]


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("answer", "sentence", "cure"),
    [
        (401, "refused the API key", "OPENAI_API_KEY"),
        (403, "may not use the model", "OPENAI_MODEL"),
        (404, "does not know the model", "/v1/chat/completions alone is not enough"),
        (429, "slow down", "Wait a moment"),
        (400, "status 400: because 400", "Check"),
        (500, "has a problem: because 500", "Try again"),
        ("!drop", "stopped in mid-sentence", "again"),
    ],
)
async def test_errors_become_a_sentence_and_a_cure(
    provider: Any, client: Any, room: Any, answer: Any, sentence: str, cure: str
) -> None:
    provider.script = [answer]
    with pytest.raises(ModelError) as raised:
        await OpenAIResponsesAdapter(client=client).next(context=asked("hi"), room=room, toolkits=[])
    assert sentence in raised.value.message
    assert cure in raised.value.cure
    assert "sk-test" not in str(raised.value)


@pytest.mark.asyncio
async def test_a_provider_that_is_not_there(room: Any, unused_tcp_port: int) -> None:
    from openai import AsyncOpenAI

    async with AsyncOpenAI(
        base_url=f"http://127.0.0.1:{unused_tcp_port}/v1", api_key="x", max_retries=0
    ) as client:
        with pytest.raises(ModelError, match="could not be made or broke"):
            await OpenAIResponsesAdapter(client=client).next(context=asked("hi"), room=room, toolkits=[])


@pytest.mark.asyncio
async def test_the_environment_chooses_the_provider_and_the_model(
    provider: Any, room: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", provider.url)
    monkeypatch.setenv("OPENAI_MODEL", "local-1")
    provider.script = ["from the environment"]
    adapter = OpenAIResponsesAdapter()
    assert adapter.default_model() == "local-1"
    assert await adapter.next(context=asked("hi"), room=room, toolkits=[]) == "from the environment"
    assert provider.requests[0]["model"] == "local-1"
    assert provider.keys == ["bearer none"]
    await adapter._backend._client.close()  # type: ignore[attr-defined]


@pytest.mark.asyncio
async def test_with_nothing_configured_the_offline_model_answers(room: Any, deltas: Any) -> None:
    adapter = OpenAIResponsesAdapter()
    assert adapter.is_offline()
    assert adapter.default_model() == "offline"
    events: list[dict[str, Any]] = []
    answer = await adapter.next(context=asked("hello"), room=room, toolkits=[], event_handler=events.append)
    assert "built-in offline model" in answer == deltas(events)


@pytest.mark.asyncio
async def test_structured_answers_are_data(provider: Any, client: Any, room: Any) -> None:
    schema = {"type": "object", "properties": {"reply": {"type": "boolean"}}, "required": ["reply"]}
    provider.script = ['{"reply": true}', "not json"]
    adapter = OpenAIResponsesAdapter(client=client)
    answer = await adapter.next(context=asked("?"), room=room, toolkits=[], output_schema=schema)
    assert answer == {"reply": True}
    assert provider.requests[0]["text"]["format"]["schema"] == schema
    with pytest.raises(ModelError, match="not the JSON"):
        await adapter.next(context=asked("?"), room=room, toolkits=[], output_schema=schema)


class Endless:
    """A model that never stops."""

    async def respond(self, request: ModelRequest) -> AsyncIterator[ModelEvent]:
        while True:
            yield TextDelta("x" * 1000)


@pytest.mark.asyncio
async def test_the_length_of_an_answer_is_bounded(room: Any, deltas: Any) -> None:
    events: list[dict[str, Any]] = []
    adapter = OpenAIResponsesAdapter(backend=Endless())
    with pytest.raises(ModelError, match="grew beyond"):
        await adapter.next(context=asked("go"), room=room, toolkits=[], event_handler=events.append)
    assert len(deltas(events)) == MAX_ANSWER_CHARS


class Insatiable:
    """A model that asks for a tool whenever it may."""

    def __init__(self) -> None:
        self.allowed: list[bool] = []

    async def respond(self, request: ModelRequest) -> AsyncIterator[ModelEvent]:
        self.allowed.append(request.allow_tools)
        call = ToolCall(f"c{len(self.allowed)}", "add", '{"a": 1, "b": 1}')
        yield Completed("", (call,), ({"type": "function_call", "call_id": call.call_id},), Usage("x", 0, 0))


@pytest.mark.asyncio
async def test_the_rounds_of_a_turn_are_bounded(room: Any) -> None:
    model = Insatiable()
    adapter = OpenAIResponsesAdapter(backend=model, max_rounds=3)
    with pytest.raises(ModelError, match="asked for tools 3 times"):
        await adapter.next(context=asked("go"), room=room, toolkits=TOOLKITS)
    assert model.allowed == [True, True, False]


@pytest.mark.asyncio
async def test_cancelling_a_turn_cancels_its_tools_and_leaves_no_call_without_output(
    room: Any, within: Any
) -> None:
    started, cancelled = asyncio.Event(), asyncio.Event()

    class Slow(Tool):
        async def execute(self, context: ToolContext, a: float, b: float) -> None:
            started.set()
            try:
                await asyncio.Event().wait()
            finally:
                cancelled.set()

    context = asked("go")
    adapter = OpenAIResponsesAdapter(backend=Insatiable())
    toolkits = [Toolkit(name="t", tools=[Slow(name="add")])]
    turn = asyncio.create_task(adapter.next(context=context, room=room, toolkits=toolkits))
    await within(5, started.wait())
    turn.cancel()
    with pytest.raises(asyncio.CancelledError):
        await turn
    assert cancelled.is_set()
    assert not [message for message in context.messages if message.get("type") == "function_call"]
