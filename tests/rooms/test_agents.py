"""Task runners of the older kind, and calling somebody into the room."""

from __future__ import annotations

from typing import Any

import pytest

from runtime.errors import RoomUnreachable
from runtime.rooms.token import AGENT_DEFAULT

pytestmark = pytest.mark.process

AGENT = {"name": "adder", "title": "Adder", "description": "", "input_schema": {}, "output_schema": {}}


@pytest.mark.asyncio
async def test_an_agent_is_listed_asked_and_answers(house: Any) -> None:
    runner, ada = await house.join("runner"), await house.join("ada")
    registration = await runner.json("agent.register_agent", AGENT)
    (listed,) = (await ada.json("agent.list_agents"))["agents"]
    assert (listed["name"], listed["requires"], listed["supports_tools"]) == ("adder", [], False)
    futures = [
        await ada.start("agent.ask", {"agent": "adder", "arguments": {"a": number}}, b"file")
        for number in range(20)
    ]
    asks = [await runner.push("agent.ask") for _ in futures]
    for ask in reversed(asks):
        assert (ask.header["caller_id"], ask.header["toolkits"], ask.data) == (ada.id, [], b"file")
        answer = {"task_id": ask.header["task_id"], "answer": ask.header["arguments"], "caller_context": {}}
        await runner.send("agent.ask_response", answer)
    for number, future in enumerate(futures):
        assert (await ada.answer(future)).header == {"type": "json", "json": {"answer": {"a": number}}}
    await runner.ask("agent.unregister_agent", registration)
    with pytest.raises(Exception, match="no agent 'adder'") as caught:
        await ada.ask("agent.ask", {"agent": "adder", "arguments": {}})
    assert caught.value.code == 1003


@pytest.mark.asyncio
async def test_an_agents_error_is_the_askers_error(house: Any) -> None:
    runner, ada = await house.join("runner"), await house.join("ada")
    await runner.ask("agent.register_agent", AGENT)
    future = await ada.start("agent.ask", {"agent": "adder", "arguments": {}})
    ask = await runner.push("agent.ask")
    await runner.send("agent.ask_response", {"task_id": ask.header["task_id"], "error": "division by zero"})
    with pytest.raises(Exception, match="division by zero"):
        await ada.answer(future)


@pytest.mark.asyncio
async def test_an_agent_without_a_name_takes_the_participants(house: Any) -> None:
    runner, ada = await house.join("runner"), await house.join("ada")
    await runner.ask("agent.register_agent", {key: value for key, value in AGENT.items() if key != "name"})
    assert [agent["name"] for agent in (await ada.json("agent.list_agents"))["agents"]] == ["runner"]


@pytest.mark.asyncio
async def test_questions_fail_at_once_when_the_agent_goes_and_cannot_be_answered_by_others(
    house: Any,
) -> None:
    runner, ada, eve = await house.join("runner"), await house.join("ada"), await house.join("eve")
    await runner.ask("agent.register_agent", AGENT)
    future = await ada.start("agent.ask", {"agent": "adder", "arguments": {}})
    ask = await runner.push("agent.ask")
    await eve.send("agent.ask_response", {"task_id": ask.header["task_id"], "answer": "forged"})
    await eve.settled()
    runner.cut()
    with pytest.raises(Exception, match="has left the room"):
        await ada.answer(future)
    assert await ada.json("agent.list_agents") == {"agents": []}


@pytest.mark.asyncio
async def test_an_agent_that_supports_tools_gets_the_toolkits_its_asker_requires(house: Any) -> None:
    runner, ada = await house.join("runner"), await house.join("ada")
    await runner.ask("agent.register_agent", {**AGENT, "supports_tools": True})
    for name in ("math", "other"):
        await ada.ask("agent.register_toolkit", {"name": name, "tools": {"add": {"input_schema": {"x": 1}}}})
    await ada.start("agent.ask", {"agent": "adder", "arguments": {}, "requires": [{"name": "math"}]})
    (toolkit,) = (await runner.push("agent.ask")).header["toolkits"]
    assert toolkit["name"] == "math"
    assert toolkit["tools"][0]["name"] == "add"
    assert toolkit["tools"][0]["input_schema"] == {"x": 1}


@pytest.mark.asyncio
@pytest.mark.parametrize("kind", ["agent.call", "room.call"])
async def test_calling_an_agent_in_posts_a_token_for_this_room(house: Any, kind: str) -> None:
    ada = await house.join("ada")
    header = {"name": "bot", "url": "http://127.0.0.1:8081/chat", "arguments": {"x": 1}, "api": None}
    assert (await ada.ask(kind, header)).header == {"type": "empty"}
    (call,) = house.calls
    assert (call["url"], call["room"], call["name"]) == ("http://127.0.0.1:8081/chat", "lab", "bot")
    assert call["arguments"] == {"x": 1}
    claims = house.hub.admit("lab", call["token"])
    assert (claims.name, claims.role, claims.scope) == ("bot", "agent", AGENT_DEFAULT)


@pytest.mark.asyncio
async def test_whoever_is_called_in_may_not_do_more_than_the_caller(house: Any) -> None:
    ada = await house.join("ada", scope={"agents": {}, "queues": {"send": ["jobs"]}})
    api = {"agents": {}, "queues": {}, "storage": {}, "admin": {}}
    await ada.ask("agent.call", {"name": "bot", "url": "http://127.0.0.1/", "arguments": {}, "api": api})
    claims = house.hub.admit("lab", house.calls[0]["token"])
    assert claims.scope == {"agents": {}, "queues": {"send": ["jobs"]}}
    mute = await house.join("mute", scope={"agents": {"call": False}})
    with pytest.raises(Exception, match="does not allow calling"):
        await mute.ask("agent.call", {"name": "bot", "url": "http://127.0.0.1/", "arguments": {}})


@pytest.mark.asyncio
async def test_a_person_in_the_room_is_nobody_else_and_secrets_go_to_no_other_name(house: Any) -> None:
    agent = await house.join("agent", scope={"agents": {}, "secrets": {}})
    await house.join("ada", role="user")
    asked = {"url": "http://127.0.0.1/", "arguments": {}, "api": {"agents": {}, "secrets": {}}}
    with pytest.raises(Exception, match="'ada' is a person in this room"):
        await agent.ask("agent.call", {**asked, "name": "ada"})
    for name in ("agent", "bot"):
        await agent.ask("agent.call", {**asked, "name": name})
    mine, theirs = (house.hub.admit("lab", call["token"]).scope for call in house.calls)
    assert mine == {"agents": {}, "secrets": {}}
    assert theirs == {"agents": {}}


@pytest.mark.asyncio
async def test_a_service_that_does_not_answer_is_the_callers_error(house: Any) -> None:
    house.failure = RoomUnreachable("the service answered 500")
    ada = await house.join("ada")
    with pytest.raises(Exception, match="answered 500"):
        await ada.ask("room.call", {"name": "bot", "url": "http://127.0.0.1:9/", "arguments": {}})


@pytest.mark.asyncio
async def test_the_address_of_built_in_schemas_is_a_name_and_not_dialled(house: Any) -> None:
    ada = await house.join("ada")
    header = {"name": "x", "url": "http://localhost:8080/schemas/thread", "arguments": {}}
    for there in (
        "schemas/thread",
        "schemas/document",
        "schemas/presentation",
        "schemas/gallery",
        "toolkits/storage",
    ):
        called = await ada.ask("agent.call", {**header, "url": f"http://localhost:8080/{there}"})
        assert called.header == {"type": "empty"}
    with pytest.raises(Exception, match="no built-in schema"):
        await ada.ask("agent.call", {**header, "url": "http://localhost:8080/schemas/novel"})
    # A toolkit of somebody else may come later: its agent starts, and the room's log says what is missing.
    await ada.ask("developer.watch")
    await ada.ask("agent.call", {**header, "url": "http://localhost:8080/toolkits/drawing"})
    told = (await ada.push("developer.log")).header
    assert (told["type"], told["data"]["extra"]) == ("developer.warning", {"toolkit": "drawing"})
    assert house.calls == []
