"""The built-in offline model: honest, deterministic, obeys rules, calls tools, follows a script."""

from __future__ import annotations

import json
import time
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from runtime.errors import ConfigError
from runtime.model.contract import Completed, FunctionSpec, ModelError, ModelRequest, TextDelta
from runtime.model.offline import OfflineModel
from runtime.model.offline_rules import FUN_FACTS
from runtime.model.offline_script import parse_script
from runtime.model.offline_talk import calculate
from runtime.sdk.context import AgentChatContext

pytestmark = pytest.mark.unit

UNITS = ["kilometers", "miles", "celsius", "fahrenheit"]
CONVERT = FunctionSpec(
    "convert",
    "Convert a value from one unit to another.",
    {
        "type": "object",
        "properties": {
            "value": {"type": "number"},
            "from_unit": {"type": "string", "enum": UNITS},
            "to_unit": {"type": "string", "enum": UNITS},
        },
        "required": ["value", "from_unit", "to_unit"],
    },
)
CLOCK = FunctionSpec("current_time", "Tell the time.", {"type": "object", "properties": {}})
TODAY = date(2026, 11, 22)
SEED_RULE = "Always respond to the user first then include a fun fact at the end of your response."


async def turn(
    *said: str,
    rules: list[str] | None = None,
    functions: Any = (),
    model: OfflineModel | None = None,
    **more: Any,
) -> Completed:
    context = AgentChatContext()
    context.append_rules(rules or [])
    for text in said:
        context.append_user_message(text)
    request = ModelRequest("offline", [*context.messages, *more.pop("items", [])], functions, **more)
    events = [
        event async for event in (model or OfflineModel(delay_ms=0, today=lambda: TODAY)).respond(request)
    ]
    done = events[-1]
    assert isinstance(done, Completed)
    assert "".join(event.text for event in events if isinstance(event, TextDelta)) == done.text
    return done


@pytest.mark.asyncio
async def test_it_says_what_it_is_and_how_to_get_a_real_one() -> None:
    for said in ("hello", "who are you?", "What is the capital of France?", "what can you do?"):
        assert "built-in offline model" in (await turn(said)).text
    assert "OPENAI_API_KEY" in (await turn("What is the capital of France?")).text


@pytest.mark.asyncio
async def test_the_seeds_rule_ends_the_answer_in_a_fun_fact() -> None:
    text = (await turn("hello", rules=[SEED_RULE])).text
    body, fact = text.split("\n\nFun fact: ")
    assert body.startswith("Hello!")
    assert fact in FUN_FACTS
    assert "Fun fact" not in (await turn("hello")).text


@pytest.mark.asyncio
async def test_the_same_chat_gives_the_same_answer_and_the_next_turn_another_fact() -> None:
    first = await turn("hello", rules=[SEED_RULE])
    assert await turn("hello", rules=[SEED_RULE]) == first
    facts = {
        (await turn(*["hello"] * n, rules=[SEED_RULE])).text.split("Fun fact: ")[1] for n in range(1, 25)
    }
    assert facts == set(FUN_FACTS)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("Be brief.", lambda text: text.count(".") + text.count("!") == 1),
        ("Write in upper case.", str.isupper),
        ('End every answer with "over and out"', lambda text: text.endswith("over and out")),
        ("Begin with 'Well,'", lambda text: text.startswith("Well, ")),
        ("Answer in bullet points", lambda text: all(line.startswith("- ") for line in text.splitlines())),
        ("Use emojis", lambda text: "🙂" in text),
        ("Talk like a pirate", lambda text: text.startswith("Arr")),
    ],
)
async def test_simple_rules_are_followed(rule: str, expected: Any) -> None:
    assert expected((await turn("who are you?", rules=[rule])).text)


@pytest.mark.asyncio
async def test_rules_it_cannot_follow_are_owned_up_to() -> None:
    text = (await turn("what are your rules?", rules=["Be brief.", "Speak French"])).text
    followed, noted = text.split("\n\n")
    assert followed == "I follow these rules:\n- Be brief."
    assert "takes a real model" in noted
    assert noted.endswith("- Speak French")


@pytest.mark.asyncio
async def test_it_remembers_the_chat() -> None:
    assert (await turn("my name is Ada", "hi there", "what is my name?")).text == "Your name is Ada."
    assert "“hi there”" in (await turn("my name is Ada", "hi there", "what did I say?")).text
    assert "first message" in (await turn("what did I just say?")).text


@pytest.mark.asyncio
async def test_a_message_that_asks_for_a_tool_calls_it() -> None:
    done = await turn("convert 5 km to miles", functions=[CLOCK, CONVERT])
    assert [(call.name, json.loads(call.arguments)) for call in done.calls] == [
        ("convert", {"value": 5, "from_unit": "kilometers", "to_unit": "miles"})
    ]
    done = await turn("I'm at 20 celsius, what is that in fahrenheit?", functions=[CLOCK, CONVERT])
    assert json.loads(done.calls[0].arguments)["value"] == 20
    done = await turn("what is the time, and convert 10 miles to kilometers", functions=[CLOCK, CONVERT])
    assert [call.name for call in done.calls] == ["current_time", "convert"]


@pytest.mark.asyncio
async def test_missing_arguments_are_asked_for_and_talk_about_tools_calls_none() -> None:
    done = await turn("convert something please", functions=[CONVERT])
    assert done.calls == ()
    assert "value (number)" in done.text
    assert "kilometers, miles" in done.text
    for said in ("what tools do you have?", "hello", "what can you do?", "thanks"):
        assert (await turn(said, functions=[CONVERT, CLOCK])).calls == ()


@pytest.mark.asyncio
async def test_a_tools_result_becomes_the_answer() -> None:
    call = {"type": "function_call", "call_id": "c", "name": "convert", "arguments": "{}"}
    outputs = {
        '{"result": 3.0}': "convert says: 3.",
        '{"error": "no such unit"}': "The tool convert failed: no such unit",
        "5 kilometers are 3.1 miles": "5 kilometers are 3.1 miles.",
        '{"sum": 3, "items": [1, 2]}': "convert says sum: 3, items: 1, 2.",
        "{}": "Done: convert has run.",
    }
    for output, expected in outputs.items():
        items = [call, {"type": "function_call_output", "call_id": "c", "output": output}]
        done = await turn("convert 5 km to miles", functions=[CONVERT], items=items)
        assert (done.text, done.calls) == (expected, ())


@pytest.mark.asyncio
async def test_no_tool_in_the_last_round() -> None:
    assert (await turn("convert 5 km to miles", functions=[CONVERT], allow_tools=False)).calls == ()


@pytest.mark.asyncio
async def test_a_structured_answer_fits_its_schema() -> None:
    schema = {
        "type": "object",
        "properties": {"count": {"type": "integer"}, "ok": {"type": "boolean"}, "unit": {"enum": UNITS}},
    }
    assert json.loads((await turn("give me 3 miles", output_schema=schema)).text) == {
        "count": 3,
        "ok": False,
        "unit": "miles",
    }


@pytest.mark.parametrize(
    ("expression", "value"),
    [("2+3*4", "14"), ("12 * (3 + 4)", "84"), ("1/3", "0.3333333333"), ("2^10", "1024"), ("1/0", ""),
     ("9**9**9", ""), ("(" * 90 + "1", ""), ("__import__('os')", "")],
)  # fmt: skip
def test_sums(expression: str, value: str) -> None:
    assert calculate(expression) == value


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("said", "answer"),
    [
        ("ada said at 2026-11-22T15:25:50.057701Z: what is 3+4?", "3+4 = 7."),
        ("Ada Lovelace said at 2026-11-22T15:25:50+00:00: hello", "Hello! I am the built-in offline model."),
        ("on 2026-11-22, from 10:30-11:15: how much is 12 / 4?", "12 / 4 = 3."),
        ("since 22.11.2026 it is 2^10", "2^10 = 1024."),
    ],
)
async def test_who_said_it_and_when_is_no_sum(said: str, answer: str) -> None:
    assert (await turn(said)).text.startswith(answer)


@pytest.mark.asyncio
async def test_a_date_is_no_sum() -> None:
    for said in ("2026-11-22", "what was on 11/22/2026?", "and on 2026-11-22T10:00:00Z?"):
        assert " = " not in (await turn(said)).text


@pytest.mark.asyncio
async def test_lines_of_instructions_are_rules() -> None:
    said = [{"role": "system", "content": "Always be brief.\nbased on the transcript, respond"}]
    text = (await turn("what are your rules?", items=said)).text
    assert "- Always be brief." in text
    assert "- based on the transcript, respond" in text
    long = [{"role": "system", "content": "word " * 100}]
    assert "no rules" in (await turn("what are your rules?", items=long)).text


# ---- scripts

SCRIPT = {
    "turns": [
        {
            "when": "Weather",
            "call": {"tool": "forecast", "arguments": {"city": "Oslo"}},
            "say": "So: {result}",
        },
        "first",
        {"say": "second: {text}"},
        {"when": "strike", "error": "no work today"},
    ]
}


@pytest.mark.asyncio
async def test_a_script_takes_the_models_place() -> None:
    model = OfflineModel(delay_ms=0, script=parse_script(SCRIPT, "here"))
    assert (await turn("a", model=model)).text == "first"
    assert (await turn("a", "b", model=model)).text == "second: b"
    assert "offline model" in (await turn("a", "b", "c", model=model)).text
    done = await turn("a", "the weather?", model=model)
    assert [(call.name, json.loads(call.arguments)) for call in done.calls] == [
        ("forecast", {"city": "Oslo"})
    ]
    items = [
        *done.items,
        {"type": "function_call_output", "call_id": done.calls[0].call_id, "output": '"rain"'},
    ]
    assert (await turn("a", "the weather?", model=model, items=items)).text == "So: forecast says: rain."
    with pytest.raises(ModelError, match="no work today"):
        await turn("on strike?", model=model)


@pytest.mark.asyncio
async def test_the_environment_names_the_script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "script.yaml"
    script.write_text("turns:\n  - say: scripted\n", encoding="utf-8")
    monkeypatch.setenv("BULKHEAD_OFFLINE_SCRIPT", str(script))
    assert (await turn("hello", model=OfflineModel())).text == "scripted"


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("turns: 3", "no list of turns"),
        ("turns: [{sya: x}]", "turn 1 has unknown keys: sya"),
        ("turns: [{call: {arguments: {}}}]", "needs the name of a tool"),
        ("turns: [{say: x, delay_ms: fast}]", "delay_ms"),
        ("a: [", "not YAML"),
    ],
)
def test_a_script_that_cannot_be_used_says_why(
    content: str, complaint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "script.yaml"
    script.write_text(content, encoding="utf-8")
    monkeypatch.setenv("BULKHEAD_OFFLINE_SCRIPT", str(script))
    with pytest.raises(ConfigError, match=complaint):
        OfflineModel()


@pytest.mark.asyncio
async def test_chunks_come_with_a_pause_between_them() -> None:
    began = time.monotonic()
    await turn("count to 5", model=OfflineModel(delay_ms=5))
    assert time.monotonic() - began >= 0.03


def test_a_delay_that_is_no_number_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BULKHEAD_OFFLINE_DELAY_MS", "slow")
    with pytest.raises(ConfigError, match="BULKHEAD_OFFLINE_DELAY_MS"):
        OfflineModel()
