"""An agent's life in a room, and what it requires there."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from runtime.errors import InvalidTransition
from runtime.sdk.agent import Agent, SingleRoomAgent
from runtime.sdk.room.client import RoomException
from runtime.sdk.room.requirements import RequiredSchema, RequiredToolkit, Requirement
from runtime.sdk.tools.function_tool import tool
from runtime.sdk.tools.remote_toolkit import RemoteToolkit
from runtime.sdk.tools.toolkit import ToolContext
from runtime.wire.content import JsonContent

pytestmark = pytest.mark.unit


@tool
def double(n: int) -> dict[str, int]:
    """Twice as much."""
    return {"n": 2 * n}


@tool
def halve(n: int) -> dict[str, float]:
    """Half as much."""
    return {"n": n / 2}


@pytest.mark.asyncio
async def test_the_room_is_there_from_start_to_stop(house: Any) -> None:
    room = await house.enter("helper")
    agent = SingleRoomAgent()
    with pytest.raises(InvalidTransition, match="not in a room"):
        _ = agent.room
    assert agent.name is None
    await agent.start(room=room)
    assert agent.room is room
    assert agent.name == "helper"
    with pytest.raises(InvalidTransition):
        await agent.start(room=room)
    await agent.stop()
    await agent.stop()
    with pytest.raises(InvalidTransition):
        _ = agent.room


def test_an_agent_describes_itself() -> None:
    agent = Agent(name="a", description="Does.", requires=[RequiredToolkit(name="maths")], labels=["x"])
    assert agent.title == "a"
    assert agent.to_json() == {
        "name": "a",
        "title": "a",
        "description": "Does.",
        "requires": [{"toolkit": "maths", "tools": None}],
        "labels": ["x"],
    }


@pytest.mark.asyncio
async def test_start_waits_for_a_required_toolkit(house: Any, within: Any) -> None:
    agent = SingleRoomAgent(requires=[RequiredToolkit(name="maths", tools=["double"])])
    room, host = await house.enter("helper"), await house.enter("host")
    start = asyncio.create_task(agent.start(room=room))
    await room.agents.list_toolkits()  # by now the agent has looked, too
    assert not start.done()
    await RemoteToolkit(name="maths", tools=[double, halve]).start(room=host)
    await within(3, start)
    context = ToolContext(room=room, caller=room.local_participant)
    (toolkit,) = await agent.get_required_toolkits(context)
    assert [one.name for one in toolkit.tools] == ["double"]
    assert await toolkit.execute(context=context, name="double", arguments={"n": 2}) == JsonContent({"n": 4})


@pytest.mark.asyncio
async def test_what_never_appears_is_named(house: Any) -> None:
    room = await house.enter("helper")
    missing = SingleRoomAgent(requires=[RequiredToolkit(name="maths", timeout_s=0.05)])
    with pytest.raises(RoomException, match=r"maths.*0\.05 s"):
        await missing.start(room=room)
    with pytest.raises(InvalidTransition):
        _ = missing.room


@pytest.mark.asyncio
async def test_a_missing_tool_of_a_required_toolkit_is_named(house: Any) -> None:
    room, host = await house.enter("helper"), await house.enter("host")
    await RemoteToolkit(name="maths", tools=[double]).start(room=host)
    agent = SingleRoomAgent(requires=[RequiredToolkit(name="maths", tools=["triple"])])
    await agent.start(room=room)
    with pytest.raises(RoomException, match="no tool 'triple'"):
        await agent.get_required_toolkits(ToolContext(room=room, caller=room.local_participant))


@pytest.mark.asyncio
async def test_a_required_schema_is_a_file_of_the_room(house: Any) -> None:
    room = await house.enter("helper")
    await room.storage.upload(path=".schemas/report.json", data=b"{}")
    await SingleRoomAgent(requires=[RequiredSchema(name="report")]).start(room=room)


@pytest.mark.asyncio
async def test_an_address_is_called_into_the_room_under_its_last_segment(house: Any, within: Any) -> None:
    room, host = await house.enter("helper"), await house.enter("host")
    calls: list[tuple[str, str]] = []

    async def call(*, name: str, url: str) -> None:
        calls.append((name, url))
        await RemoteToolkit(name=name, tools=[double]).start(room=host)

    room.agents.make_call = call
    url = "http://tools.example/maths"
    await within(3, SingleRoomAgent(requires=[RequiredToolkit(name=url)]).start(room=room))
    assert calls == [("maths", url)]
    await SingleRoomAgent(requires=[RequiredToolkit(name=url)]).start(room=room)
    assert len(calls) == 1  # it is there already
    with pytest.raises(RoomException):
        other = RequiredToolkit(name="http://tools.example/other", callable=False, timeout_s=0.02)
        await SingleRoomAgent(requires=[other]).start(room=room)
    assert len(calls) == 1


def test_requirements_travel_as_json() -> None:
    for requirement in (RequiredToolkit(name="m", tools=["a"], callable=True), RequiredSchema(name="s")):
        read = Requirement.from_json(requirement.to_json())
        assert type(read) is type(requirement)
        assert read.to_json() == requirement.to_json()
    with pytest.raises(ValueError, match="not a requirement"):
        Requirement.from_json({})


def test_the_name_of_an_address_is_its_last_segment() -> None:
    requirement = RequiredToolkit(name="https://tools.example/a/maths/")
    assert (requirement.short_name, requirement.url) == ("maths", requirement.name)
    assert RequiredToolkit(name="maths").url is None
