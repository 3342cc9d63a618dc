"""The examples: loaded as a zygote loads them, and used as their comments say."""

from __future__ import annotations

import json
import runpy
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

import pytest

from runtime.compat import finder
from runtime.errors import RuntimeServiceError
from runtime.sdk.context import AgentChatContext
from runtime.sdk.loading import declared, loading
from runtime.sdk.room.participant import RemoteParticipant
from runtime.sdk.tools.toolkit import ToolContext

pytestmark = pytest.mark.unit

AGENTS = Path(__file__).parents[2] / "agents"
NOBODY = ToolContext(caller=RemoteParticipant(id="p"))


@pytest.fixture(autouse=True)
def as_in_a_worker(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "BULKHEAD_OFFLINE_SCRIPT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("BULKHEAD_OFFLINE_DELAY_MS", "0")
    finder.install()
    yield
    finder.uninstall()


class Reached(BaseException):
    """Ends the program where it would serve."""


def stop(_: object) -> NoReturn:
    raise Reached


def endpoint(name: str) -> Any:
    with loading(stop), pytest.raises(Reached):
        runpy.run_path(str(AGENTS / f"{name}.py"), run_name="__main__")
    (host,) = declared()
    (found,) = host.endpoints
    return found


async def ask(toolkits: Any, text: str) -> str:
    adapter = endpoint("chat").cls().llm_adapter
    context = AgentChatContext()
    context.append_user_message(text)
    room = SimpleNamespace(local_participant=RemoteParticipant(id="p"))
    return str(await adapter.next(context=context, room=room, toolkits=toolkits))


def test_each_example_is_one_endpoint_with_a_title() -> None:
    found = [endpoint(name) for name in ("chat", "adder", "helper")]
    assert [(one.path, one.identity, one.cls.__name__) for one in found] == [
        ("/chat", "chatbot", "SimpleChatbot"),
        ("/adder", "adder", "Adder"),
        ("/helper", "helper", "Helper"),
    ]
    assert all(one.cls().title and one.description for one in found)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("said", "answered"),
    [
        ("convert 5 km to miles", "5 kilometers = 3.10686 miles."),
        ("how much is 100 fahrenheit in celsius?", "100 fahrenheit = 37.7778 celsius."),
        ("what time is it in Tokyo?", "in Tokyo."),
        ("what is the time in New York, please", "in New York."),
        ("what time is it?", "in UTC."),
        ("what time is it in Atlantis?", "no time zone is called Atlantis"),
        ("convert 3 miles to celsius", "they measure different things"),
        ("hello", "I can call current_time and convert"),
    ],
)
async def test_the_chatbots_tools_answer_in_words(said: str, answered: str) -> None:
    assert answered in await ask(endpoint("chat").cls().toolkits, said)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("tool", "arguments", "result"),
    [
        ("add", {"values": [1, 2, 3.5]}, {"result": 6.5}),
        ("add_durations", {"durations": ["1h 30m", "45m"]}, {"seconds": 8100, "text": "2:15:00"}),
        ("add_days", {"start": "2026-12-24", "days": 10}, {"date": "2027-01-03", "weekday": "Sunday"}),
    ],
)
async def test_the_adder_adds(tool: str, arguments: dict[str, Any], result: dict[str, Any]) -> None:
    content = await endpoint("adder").cls().execute(context=NOBODY, name=tool, arguments=arguments)
    assert content.json == result


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("tool", "arguments"),
    [("add", {"values": []}), ("add", {"values": ["x"]}), ("add_durations", {"durations": ["1h soon"]})],
)
async def test_the_adder_refuses_what_it_cannot_add(tool: str, arguments: dict[str, Any]) -> None:
    with pytest.raises((ValueError, RuntimeServiceError)):
        await endpoint("adder").cls().execute(context=NOBODY, name=tool, arguments=arguments)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("arguments", "result"),
    [
        ({"task": "sum", "values": [1, 2]}, 3),
        ({"task": "median", "values": [1, 5, 2]}, 2),
        ({"task": "count_words", "text": "three words here"}, 3),
        ({"task": "reverse", "text": "abc"}, "cba"),
    ],
)
async def test_the_helper_does_its_tasks(arguments: dict[str, Any], result: Any) -> None:
    helper = endpoint("helper").cls()
    await helper.validate_arguments(arguments)
    answer = await helper.ask(context=None, arguments=arguments)
    assert answer == {"result": result}
    await helper.validate_response(json.loads(json.dumps(answer)))


@pytest.mark.asyncio
async def test_the_helper_says_what_a_task_needs() -> None:
    helper = endpoint("helper").cls()
    with pytest.raises(ValueError, match="needs values"):
        await helper.ask(context=None, arguments={"task": "sum"})
    with pytest.raises(RuntimeServiceError, match="task"):
        await helper.validate_arguments({"task": "fly"})
