"""What newcomers write is taken, what no release of the SDK has is refused with the nearest name."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import typing
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from runtime.sdk.agent import SingleRoomAgent
from runtime.sdk.chat.chatbot import ChatBot
from runtime.sdk.llm.openai_responses import OpenAIResponsesAdapter
from runtime.sdk.room.participant import Participant
from runtime.sdk.task_runner import TaskRunner
from runtime.sdk.tools.function_tool import tool
from runtime.sdk.tools.remote_toolkit import RemoteToolkit
from runtime.sdk.tools.response import ensure_content, plain_value
from runtime.sdk.tools.toolkit import Tool, ToolContext, Toolkit

pytestmark = pytest.mark.unit


def add(a: int, b: int = 1) -> int:
    """Adds."""
    return a + b


@tool
def named(text: str) -> str:
    """Says it."""
    return text


class Clock(Tool):
    description = "The time."

    async def execute(self, context: ToolContext, **kwargs: Any) -> str:
        return "now"


def test_a_chatbot_takes_instructions_functions_and_a_model() -> None:
    maths = Toolkit(name="maths", tools=[])
    bot = ChatBot(
        name="helper",
        instructions="be brief",
        rules=["be kind"],
        model="gpt-x",
        tools=[add, named, Clock, maths],
    )
    assert bot.rules == ["be brief", "be kind"]
    assert [kit.name for kit in bot.toolkits] == ["maths", "helper"]
    own = bot.toolkits[1]
    assert [one.name for one in own.tools] == ["add", "named", "clock"]
    context = ToolContext(caller=Participant(id="p", attributes={}))
    called = asyncio.run(own.execute(context=context, name="add", arguments={"a": 2}))
    assert plain_value(called) == {"result": 3}
    assert own.tools[0].schema["required"] == ["a"]


def test_the_model_is_the_adapters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-none")
    assert ChatBot(model="gpt-x").llm_adapter.default_model() == "gpt-x"
    with pytest.raises(TypeError, match=r"OpenAIResponsesAdapter\(model='gpt-x'\)"):
        ChatBot(model="gpt-x", llm_adapter=OpenAIResponsesAdapter())
    with pytest.raises(TypeError, match="model is of type OpenAIResponsesAdapter"):
        ChatBot(model=OpenAIResponsesAdapter())  # type: ignore[arg-type]


def test_rules_may_be_one_text_but_nothing_else_than_texts() -> None:
    assert ChatBot(rules="be brief").rules == ["be brief"]
    with pytest.raises(TypeError, match="rules has 3 in it, of type int"):
        ChatBot(rules=["a", 3])  # type: ignore[list-item]


@pytest.mark.parametrize(
    ("tools", "told"),
    [
        ([3], "of type int"),
        ("add", "write a list"),
        (add, "write a list"),
        ([int], "functions with"),
    ],
)
def test_what_is_no_tool_is_refused(tools: Any, told: str) -> None:
    with pytest.raises(TypeError, match=told):
        ChatBot(tools=tools)


@pytest.mark.parametrize(
    ("make", "given", "near"),
    [
        (ChatBot, "toolkit", "toolkits"),
        (ChatBot, "instuctions", "instructions"),
        (ChatBot, "system_prompt", "instructions"),
        (ChatBot, "llm", "llm_adapter"),
        (ChatBot, "auto_greeting_message", "auto_greet_message"),
        (TaskRunner, "input_schem", "input_schema"),
        (TaskRunner, "schema", "input_schema"),
        (TaskRunner, "tools", "toolkits"),
        (SingleRoomAgent, "titel", "title"),
        (Tool, "input_shema", "input_schema"),
        (Tool, "parameters", "input_schema"),
        (lambda **more: Toolkit(name="t", **more), "tool", "tools"),
        (RemoteToolkit, "descripton", "description"),
        (OpenAIResponsesAdapter, "modell", "model"),
    ],
)
def test_an_argument_that_no_release_has_is_refused_with_the_nearest(
    make: Callable[..., Any], given: str, near: str
) -> None:
    with pytest.raises(TypeError, match=f"has no argument '{given}'; did you mean '{near}'"):
        make(**{given: "x"})


def test_without_a_near_name_all_are_listed() -> None:
    with pytest.raises(TypeError, match="has no argument 'zzz'; it has name, title, description"):
        TaskRunner(zzz=1)


def test_what_a_release_has_is_taken_and_named_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        ChatBot(thread_dir="x", skill_dirs=[])
        Toolkit(name="t", validation_mode="full")
        Tool(output_schema={})
        OpenAIResponsesAdapter(tool_search=True)
    assert [record.message for record in caplog.records if "ignores" in record.message] == [
        "ChatBot ignores skill_dirs, thread_dir",
        "Toolkit ignores validation_mode",
        "Tool ignores output_schema",
        "OpenAIResponsesAdapter ignores tool_search",
    ]


# ---- classes as schemas


@dataclasses.dataclass
class Point:
    x: int
    y: int = 0


class Shape(msgspec.Struct):
    name: str
    points: list[Point] = []


class Named(typing.TypedDict):
    name: str


class Modelled:
    """As pydantic's: nothing of ours imports that."""

    @classmethod
    def model_json_schema(cls) -> dict[str, Any]:
        return {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}

    def model_dump(self, mode: str) -> dict[str, Any]:
        return {"a": 3}


@pytest.mark.parametrize(
    ("cls", "required"), [(Point, ["x"]), (Shape, ["name"]), (Named, ["name"]), (Modelled, ["a"])]
)
def test_a_class_may_stand_for_its_schema(cls: type[Any], required: list[str]) -> None:
    runner = TaskRunner(name="r", input_schema=cls, output_schema=cls)
    for schema in (runner.input_schema, runner.output_schema):
        assert schema is not None
        assert (schema["type"], schema["required"]) == ("object", required)
    assert Tool(name="t", input_schema=cls).schema["required"] == required


def test_what_refers_to_itself_keeps_its_definitions() -> None:
    schema = TaskRunner(name="r", input_schema=Shape).input_schema
    assert list(schema["$defs"]) == ["Point"]


@pytest.mark.parametrize("schema", [3, int, "object", [Point]])
def test_what_has_no_schema_is_refused_with_what_to_write(schema: Any) -> None:
    with pytest.raises(TypeError, match=r"the input schema of 'r' is .* a pydantic model"):
        TaskRunner(name="r", input_schema=schema)


@pytest.mark.parametrize(
    ("value", "told"),
    [(Point(1, 2), {"x": 1, "y": 2}), (Shape("s"), {"name": "s", "points": []}), (Modelled(), {"a": 3})],
)
def test_an_object_of_such_a_class_may_be_the_answer(value: Any, told: dict[str, Any]) -> None:
    assert plain_value(ensure_content(value)) == told
