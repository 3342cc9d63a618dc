"""Task runners: two ways in, two schemas."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from runtime.errors import ConfigError, RoomLost
from runtime.sdk.room.client import RoomException
from runtime.sdk.room.room_exception import LoadedAgain
from runtime.sdk.task_context import TaskContext
from runtime.sdk.task_runner import TaskRunner
from runtime.wire.content import JsonContent
from tests.sdk.conftest import offered

pytestmark = pytest.mark.unit

PAIR = {
    "type": "object",
    "required": ["a", "b"],
    "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
}
SUM = {"type": "object", "required": ["sum"], "properties": {"sum": {"type": "integer"}}}


class Adder(TaskRunner):
    def __init__(self, **options: Any) -> None:
        super().__init__(title="Adder", description="Adds.", input_schema=PAIR, output_schema=SUM, **options)

    async def ask(self, *, context: TaskContext, arguments: dict[str, Any]) -> Any:
        if arguments["a"] == 13:
            raise ValueError("unlucky")
        if arguments["a"] == 14:
            return {"sum": "a text"}
        return {"sum": arguments["a"] + arguments["b"]}


@pytest.mark.asyncio
async def test_both_ways_in_give_the_same_answer(house: Any) -> None:
    host, ada = await house.enter("adder"), await house.enter("ada")
    adder = Adder()
    await adder.start(room=host)
    (agent,) = await ada.agents.list_agents()
    assert (agent.name, agent.title, agent.input_schema) == ("adder", "Adder", PAIR)
    assert (agent.output_schema, agent.supports_tools) == (SUM, False)
    (toolkit,) = await offered(ada)
    assert (toolkit.name, [one.name for one in toolkit.tools]) == ("adder", ["run_adder_task"])
    asked = await ada.agents.ask(agent="adder", arguments={"a": 1, "b": 2})
    assert asked.json == {"sum": 3}
    called = await ada.agents.invoke_tool(toolkit="adder", tool="run_adder_task", arguments={"a": 1, "b": 2})
    assert called == JsonContent({"sum": 3})


@pytest.mark.asyncio
async def test_its_own_name_wins_over_the_participant_s(house: Any) -> None:
    host, ada = await house.enter("task-helper"), await house.enter("ada")
    await Adder(name="sums").start(room=host)
    assert [one.name for one in await ada.agents.list_agents()] == ["sums"]
    assert [one.name for one in await offered(ada)] == ["sums"]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"a": 1}, "'b' is a required property"),
        ({"a": 1, "b": "x"}, r"\$\.b"),
        ({"a": 13, "b": 0}, "unlucky"),
        ({"a": 14, "b": 0}, r"answer of 'adder'.*\$\.sum"),
    ],
)
@pytest.mark.asyncio
async def test_wrong_input_output_and_exceptions_are_answers_on_both_ways(
    house: Any, arguments: dict[str, Any], text: str
) -> None:
    host, ada = await house.enter("adder"), await house.enter("ada")
    await Adder().start(room=host)
    with pytest.raises(RoomException, match=text):
        await ada.agents.ask(agent="adder", arguments=arguments)
    with pytest.raises(RoomException, match=text):
        await ada.agents.invoke_tool(toolkit="adder", tool="run_adder_task", arguments=arguments)
    assert (await ada.agents.ask(agent="adder", arguments={"a": 1, "b": 1})).json == {"sum": 2}


@pytest.mark.asyncio
async def test_an_attachment_reaches_a_runner_that_takes_one(house: Any) -> None:
    class Sizer(TaskRunner):
        async def ask(
            self, *, context: TaskContext, arguments: dict[str, Any], attachment: bytes | None = None
        ) -> Any:
            return {"size": len(attachment or b""), "for": context.caller.id}

    host, ada = await house.enter("sizer"), await house.enter("ada")
    await Sizer().start(room=host)
    id = ada.local_participant.id
    asked = await ada.agents.ask(agent="sizer", arguments={}, attachment=b"four")
    assert asked.json == {"size": 4, "for": id}
    called = await ada.agents.invoke_tool(
        toolkit="sizer", tool="run_sizer_task", arguments={}, attachment=b"four"
    )
    assert called == JsonContent({"size": 4, "for": id})


@pytest.mark.asyncio
async def test_tasks_run_side_by_side_up_to_a_bound(house: Any, within: Any) -> None:
    gate, started = asyncio.Event(), asyncio.Event()

    class Slow(TaskRunner):
        async def ask(self, *, context: TaskContext, arguments: dict[str, Any]) -> Any:
            started.set()
            await gate.wait()
            return {}

    host, ada = await house.enter("slow"), await house.enter("ada")
    await Slow(max_task_count=1).start(room=host)
    first = asyncio.create_task(ada.agents.ask(agent="slow", arguments={}))
    await within(1, started.wait())
    with pytest.raises(RoomException, match="busy"):
        await ada.agents.ask(agent="slow", arguments={})
    gate.set()
    assert (await within(1, first)).json == {}


@pytest.mark.asyncio
async def test_stopping_answers_what_runs_and_leaves_no_trace(house: Any, within: Any) -> None:
    started = asyncio.Event()

    class Slow(TaskRunner):
        async def ask(self, *, context: TaskContext, arguments: dict[str, Any]) -> Any:
            started.set()
            await asyncio.Event().wait()

    host, ada = await house.enter("slow"), await house.enter("ada")
    slow = Slow()
    await slow.start(room=host)
    asked = asyncio.create_task(ada.agents.ask(agent="slow", arguments={}))
    await within(1, started.wait())
    await within(1, slow.stop())
    await slow.stop()
    with pytest.raises(RoomException, match="left the room"):
        await within(1, asked)
    assert await ada.agents.list_agents() == []
    assert await offered(ada) == []


def test_arguments_of_every_age_are_accepted() -> None:
    old = TaskRunner(name="a", labels=["x"], supports_tools=True, input_schema=PAIR)
    new = TaskRunner(annotations=["x"], input_schema=PAIR, output_schema=None)
    assert old.labels == new.annotations == ["x"]
    assert (old.supports_tools, new.name) == (True, None)
    with pytest.raises(ConfigError, match="input schema"):
        TaskRunner(input_schema={"type": 3})


@pytest.mark.asyncio
async def test_a_task_has_a_conversation_of_its_own(house: Any) -> None:
    room = await house.enter("ada")
    context = TaskContext(room=room)
    assert context.chat is context.session
    assert context.caller is room.local_participant


class Slow(TaskRunner):
    """Says what became of its task."""

    def __init__(self, **options: Any) -> None:
        super().__init__(name="slow", **options)
        self.began, self.ended, self.let_go = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self.end = ""

    async def ask(self, *, context: TaskContext, arguments: dict[str, Any]) -> Any:
        self.began.set()
        self.end = "cancelled"
        try:
            await self.let_go.wait()
            self.end = "done"
        finally:
            self.ended.set()
        return {"done": True}


WAYS = {
    "ask": lambda client: client.agents.ask(agent="slow", arguments={}),
    "tool": lambda client: client.agents.invoke_tool(toolkit="slow", tool="run_slow_task", arguments={}),
}


@pytest.mark.asyncio
@pytest.mark.parametrize("way", list(WAYS))
@pytest.mark.parametrize("goes", ["leaves", "cancels"])
async def test_a_task_ends_when_nobody_waits_for_it(house: Any, way: str, goes: str) -> None:
    host, ada = await house.enter("slow"), await house.enter("ada")
    slow = Slow()
    await slow.start(room=host)
    asked = asyncio.ensure_future(WAYS[way](ada))
    async with asyncio.timeout(5):
        await slow.began.wait()
        if goes == "leaves":
            await ada.close()
        else:
            asked.cancel()
        await slow.ended.wait()
    assert slow.end == "cancelled"
    with pytest.raises((asyncio.CancelledError, RoomException, RoomLost)):
        await asked
    if goes == "cancels":  # nobody else's, and the room takes the next one
        slow.let_go.set()
        await WAYS[way](ada)


@pytest.mark.asyncio
@pytest.mark.parametrize("way", list(WAYS))
async def test_a_runner_that_keeps_running_finishes_what_nobody_waits_for(house: Any, way: str) -> None:
    host, ada, bob = await house.enter("slow"), await house.enter("ada"), await house.enter("bob")
    slow = Slow(keeps_running=True)
    await slow.start(room=host)
    asked = asyncio.ensure_future(WAYS[way](ada))
    async with asyncio.timeout(5):
        await slow.began.wait()
        asked.cancel()
        await bob.agents.list_agents()  # the room has been through all that was said before
        await ada.close()
        await bob.agents.list_agents()
        assert slow.end == "cancelled"
        assert not slow.ended.is_set()
        slow.let_go.set()
        await slow.ended.wait()
    assert slow.end == "done"


@pytest.mark.asyncio
@pytest.mark.parametrize("way", list(WAYS))
async def test_one_whose_program_is_loaded_again_finishes_and_takes_no_more(house: Any, way: str) -> None:
    host, ada = await house.enter("slow"), await house.enter("ada")
    slow = Slow()
    await slow.start(room=host)
    asked = asyncio.ensure_future(WAYS[way](ada))
    async with asyncio.timeout(5):
        await slow.began.wait()
        finishing = asyncio.ensure_future(slow.loaded_again(within_s=60))
        await asyncio.sleep(0)
        with pytest.raises(LoadedAgain, match="was loaded again: ask again"):
            await WAYS[way](ada)
        assert not finishing.done()
        slow.let_go.set()
        await finishing
        await asked


@pytest.mark.asyncio
@pytest.mark.parametrize("way", list(WAYS))
async def test_what_does_not_finish_in_time_is_told_to_ask_again(house: Any, way: str) -> None:
    host, ada = await house.enter("slow"), await house.enter("ada")
    slow = Slow()
    await slow.start(room=host)
    asked = asyncio.ensure_future(WAYS[way](ada))
    async with asyncio.timeout(5):
        await slow.began.wait()
        await slow.loaded_again(within_s=0.05)
        await slow.stop()
        with pytest.raises(LoadedAgain, match="was loaded again before this was done: ask again"):
            await asked
    assert slow.end == "cancelled"
