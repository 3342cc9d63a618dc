"""Hosting tools in a room."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from runtime.errors import InvalidTransition
from runtime.sdk.endpoint import portable
from runtime.sdk.room.client import RoomException
from runtime.sdk.tools.function_tool import tool
from runtime.sdk.tools.remote_toolkit import RemoteToolkit, start_hosted_toolkit
from runtime.sdk.tools.response import FileResponse
from runtime.sdk.tools.toolkit import Tool, ToolContext, Toolkit
from runtime.wire.content import FileContent, JsonContent, TextContent
from tests.sdk.conftest import offered

pytestmark = pytest.mark.unit


@tool
def double(n: int) -> dict[str, int]:
    """Twice as much."""
    return {"n": 2 * n}


@tool
def greet(context: ToolContext) -> str:
    """Say hello."""
    return f"hello {context.caller.id}"


@tool
def fail() -> None:
    """Always fails."""
    raise ValueError("no luck today")


@tool
def unsendable() -> dict[str, Any]:
    """Answers with what is not JSON."""
    return {"x": float("nan")}


@tool
def picture() -> FileResponse:
    """A file."""
    return FileResponse(name="a.png", mime_type="image/png", data=b"\x89PNG")


@pytest.mark.asyncio
async def test_others_find_and_call_the_tools(house: Any) -> None:
    host, ada = await house.enter("maths-host"), await house.enter("ada", role="user")
    toolkit = RemoteToolkit(name="maths", title="Maths", description="Sums.", tools=[double, greet, picture])
    await toolkit.start(room=host)
    (listed,) = await offered(ada)
    assert (listed.name, listed.title, listed.participant_id) == ("maths", "Maths", host.local_participant.id)
    described = listed.get_tool("double")
    assert described is not None
    assert described.description == "Twice as much."
    assert described.input_schema == double.schema
    call = ada.agents.invoke_tool
    assert await call(toolkit="maths", tool="double", arguments={"n": 4}) == JsonContent({"n": 8})
    assert await call(toolkit="maths", tool="greet") == TextContent(f"hello {ada.local_participant.id}")
    assert await call(toolkit="maths", tool="picture") == FileContent("a.png", "image/png", b"\x89PNG")


@pytest.mark.asyncio
async def test_failures_are_answers_and_the_toolkit_lives_on(house: Any) -> None:
    host, ada = await house.enter("host"), await house.enter("ada")
    await RemoteToolkit(name="maths", tools=[double, fail, unsendable]).start(room=host)
    for wanted, arguments, text in (
        ("double", {"n": "four"}, r"\$\.n"),
        ("fail", {}, "no luck today"),
        ("unsendable", {}, "could not be sent"),
        ("halve", {}, "halve"),
    ):
        with pytest.raises(RoomException, match=text):
            await ada.agents.invoke_tool(toolkit="maths", tool=wanted, arguments=arguments)
    assert await ada.agents.invoke_tool(toolkit="maths", tool="double", arguments={"n": 1})
    assert not host.is_closed


@pytest.mark.asyncio
async def test_a_slow_call_does_not_hold_up_another(house: Any, within: Any) -> None:
    gate = asyncio.Event()

    @tool
    async def wait() -> str:
        await gate.wait()
        return "at last"

    host, ada = await house.enter("host"), await house.enter("ada")
    await RemoteToolkit(name="maths", tools=[double, wait]).start(room=host)
    slow = asyncio.create_task(ada.agents.invoke_tool(toolkit="maths", tool="wait"))
    await within(1, ada.agents.invoke_tool(toolkit="maths", tool="double", arguments={"n": 1}))
    assert not slow.done()
    gate.set()
    assert await within(1, slow) == TextContent("at last")


@pytest.mark.asyncio
async def test_too_many_calls_are_answered_with_busy(house: Any, within: Any) -> None:
    gate, started = asyncio.Event(), asyncio.Event()

    @tool
    async def wait() -> None:
        started.set()
        await gate.wait()

    host, ada = await house.enter("host"), await house.enter("ada")
    await RemoteToolkit(name="slow", tools=[wait], max_call_count=1).start(room=host)
    first = asyncio.create_task(ada.agents.invoke_tool(toolkit="slow", tool="wait"))
    await within(1, started.wait())
    with pytest.raises(RoomException, match="busy"):
        await ada.agents.invoke_tool(toolkit="slow", tool="wait")
    gate.set()
    await within(1, first)


@pytest.mark.asyncio
async def test_stopping_answers_what_runs_and_unregisters(house: Any, within: Any) -> None:
    started = asyncio.Event()

    @tool
    async def wait() -> None:
        started.set()
        await asyncio.Event().wait()

    host, ada = await house.enter("host"), await house.enter("ada")
    toolkit = RemoteToolkit(name="slow", tools=[wait])
    await toolkit.start(room=host)
    with pytest.raises(InvalidTransition):
        await toolkit.start(room=host)
    call = asyncio.create_task(ada.agents.invoke_tool(toolkit="slow", tool="wait"))
    await within(1, started.wait())
    await within(1, toolkit.stop())
    await toolkit.stop()
    with pytest.raises(RoomException, match="left the room"):
        await within(1, call)
    assert await offered(ada) == []


@pytest.mark.asyncio
async def test_a_private_toolkit_is_found_by_its_host_s_id_alone(house: Any) -> None:
    host, ada = await house.enter("host"), await house.enter("ada")
    await start_hosted_toolkit(room=host, toolkit=Toolkit(name="maths", tools=[double], public=False))
    assert await offered(ada) == []
    id = host.local_participant.id
    assert [one.name for one in await offered(ada, participant_id=id)] == ["maths"]
    answer = await ada.agents.invoke_tool(
        toolkit="maths", tool="double", arguments={"n": 3}, participant_id=id
    )
    assert answer == JsonContent({"n": 6})


@pytest.mark.asyncio
async def test_a_bare_tool_is_hosted_under_the_participant_s_name(house: Any) -> None:
    class DataAnalysis(Tool):
        def __init__(self) -> None:
            super().__init__(name="analyse", description="The mean.")

        async def execute(self, context: ToolContext, *, numbers: list[float]) -> Any:
            return {"mean": sum(numbers) / len(numbers)}

    host, ada = await house.enter("data-analsis-tool"), await house.enter("ada")
    await portable(DataAnalysis()).start(room=host)
    (listed,) = await offered(ada)
    assert (listed.name, [one.name for one in listed.tools]) == ("data-analsis-tool", ["analyse"])
    answer = await ada.agents.invoke_tool(
        toolkit="data-analsis-tool", tool="analyse", arguments={"numbers": [1, 2]}
    )
    assert answer == JsonContent({"mean": 1.5})


@pytest.mark.asyncio
async def test_a_tool_finds_what_its_host_was_called_with(house: Any) -> None:
    @tool
    def told(context: ToolContext) -> dict[str, Any]:
        return context.arguments

    host, ada = await house.enter("host"), await house.enter("ada")
    toolkit = RemoteToolkit(name="told", tools=[told])
    toolkit.arguments = {"city": "Oslo"}
    await toolkit.start(room=host)
    assert await ada.agents.invoke_tool(toolkit="told", tool="told") == JsonContent({"city": "Oslo"})


@pytest.mark.asyncio
async def test_a_bare_toolkit_is_hosted_under_its_own_name(house: Any) -> None:
    class Maths(Toolkit):
        def __init__(self) -> None:
            super().__init__(name="maths", tools=[double])

    host, ada = await house.enter("somebody"), await house.enter("ada")
    await portable(Maths()).start(room=host)
    assert [one.name for one in await offered(ada)] == ["maths"]


@pytest.mark.asyncio
async def test_an_answer_too_large_for_a_room_is_an_error_and_the_host_stays(house: Any) -> None:
    @tool
    def large(mib: int) -> FileResponse:
        """So much data."""
        return FileResponse(name="a.bin", mime_type="application/octet-stream", data=b"x" * (mib << 20))

    host, ada = await house.enter("host"), await house.enter("ada")
    await RemoteToolkit(name="maths", tools=[double, large]).start(room=host)
    for mib in (17, 33):
        with pytest.raises(RoomException, match=rf"too large: {mib}\.\d MiB, and a room takes 16 MiB"):
            await ada.agents.invoke_tool(toolkit="maths", tool="large", arguments={"mib": mib})
    answer = await ada.agents.invoke_tool(toolkit="maths", tool="large", arguments={"mib": 15})
    assert len(answer.data) == 15 << 20
    with pytest.raises(RoomException, match="too large"):
        await ada.agents.invoke_tool(toolkit="maths", tool="double", arguments={"n": "x" * (17 << 20)})
    answer = await ada.agents.invoke_tool(toolkit="maths", tool="double", arguments={"n": 4})
    assert answer == JsonContent({"n": 8})


class Panic(BaseException):
    """As extensions written in Rust raise it."""


@pytest.mark.asyncio
async def test_whatever_a_tool_raises_its_caller_hears_of_it(house: Any, within: Any) -> None:
    @tool
    async def panic() -> None:
        """Not an Exception."""
        raise Panic("attempt to subtract with overflow")

    @tool
    async def cancelled() -> None:
        """Its own work was cancelled."""
        work = asyncio.create_task(asyncio.sleep(60))
        work.cancel()
        await work

    host, ada = await house.enter("host"), await house.enter("ada")
    await RemoteToolkit(name="maths", tools=[double, panic, cancelled]).start(room=host)
    for name, text in (("panic", "subtract with overflow"), ("cancelled", "cancelled by its own code")):
        with pytest.raises(RoomException, match=text):
            await within(5, ada.agents.invoke_tool(toolkit="maths", tool=name, arguments={}))
    answer = await ada.agents.invoke_tool(toolkit="maths", tool="double", arguments={"n": 4})
    assert answer == JsonContent({"n": 8})
