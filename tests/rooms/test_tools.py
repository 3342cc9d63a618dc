"""Toolkits: listing, calling across dialects, streaming, and hosts that go away."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from runtime.rooms.limits import RoomLimits

pytestmark = pytest.mark.process

SCHEMA = {"type": "object", "properties": {"a": {"type": "number"}}}
SPEC = {"types": ["json"], "stream": False, "schema": SCHEMA}
ADD = {"title": "Add", "description": "adds", "defs": None}
OLD: dict[str, Any] = {
    "name": "math",
    "title": "Math",
    "description": "sums",
    "public": True,
    "tools": {"add": {**ADD, "input_schema": SCHEMA}},
}
NEW: dict[str, Any] = {
    **OLD,
    "tools": {"add": {**ADD, "input_spec": SPEC, "output_spec": None, "strict": True}},
}
OPEN = {"type": "control", "method": "open"}
CLOSE = {"type": "control", "method": "close", "status_code": 1000}


async def host(house: Any, dialect: str, **changes: Any) -> Any:
    """A participant that hosts `math`, in one of the three spellings."""
    client = await house.join("mathematician")
    kind = "room.register_toolkit" if dialect == "K" else "agent.register_toolkit"
    answer = await client.json(kind, {**(OLD if dialect == "L" else NEW), **changes})
    assert set(answer) == {"id"}
    client.registration = answer["id"]
    client.word = "room" if dialect == "K" else "agent"
    return client


async def offered(client: Any, **header: Any) -> list[str]:
    """Names of the toolkits that participants offer."""
    listed = await client.json("room.list_toolkits", header)
    return [name for name, kit in listed["tools"].items() if kit["participant_id"] is not None]


async def call(client: Any, dialect: str, arguments: Any, data: bytes = b"", **more: Any) -> Any:
    """Start a call of `math.add` in one of the three spellings."""
    header = {"toolkit": "math", "tool": "add", "participant_id": None, "on_behalf_of_id": None, **more}
    if dialect == "L":
        return await client.start("agent.invoke_tool", {**header, "arguments": arguments}, data)
    content = arguments if "type" in arguments else {"type": "json", "json": arguments}
    kind = "room.invoke_tool" if dialect == "K" else "agent.invoke_tool"
    more = {"arguments": content, "tool_call_id": more.get("tool_call_id", f"call-{id(header)}")}
    return await client.start(kind, {**header, **more}, data)


@pytest.mark.asyncio
@pytest.mark.parametrize("hosted", ["L", "T", "K"])
@pytest.mark.parametrize("called", ["L", "T", "K"])
async def test_a_call_is_bridged_between_every_pair_of_dialects(house: Any, called: str, hosted: str) -> None:
    mathematician, ada = await host(house, hosted), await house.join("ada")
    future = await call(ada, called, {"a": 1})
    pushed = await mathematician.push(f"{mathematician.word}.tool_call.math")
    assert pushed.header["name"] == "add"
    assert pushed.header["caller_id"] == ada.id
    assert pushed.header["tool_call_id"]
    expected = {"a": 1} if hosted == "L" else {"type": "json", "json": {"a": 1}}
    assert pushed.header["arguments"] == expected
    result = {"type": "file", "name": "r", "mime_type": "x/y", "usage": None}
    await mathematician.send(
        f"{mathematician.word}.tool_call_response", result, b"\x00" * 100_000, id=pushed.id
    )
    answer = await ada.answer(future)
    assert (answer.header, answer.data) == (result, b"\x00" * 100_000)


@pytest.mark.asyncio
async def test_what_an_older_host_cannot_take_is_refused(house: Any) -> None:
    mathematician, ada = await host(house, "L"), await house.join("ada")
    for content in (OPEN, {"type": "binary", "headers": {}}, {"type": "text", "text": "x"}):
        with pytest.raises(Exception, match="older client"):
            await ada.answer(await call(ada, "K", content))
    empty = await call(ada, "K", {"type": "empty"})
    pushed = await mathematician.push("agent.tool_call.math")
    assert pushed.header["arguments"] == {}
    await mathematician.send("agent.tool_call_response", {"type": "error", "text": "no"}, id=pushed.id)
    with pytest.raises(Exception, match="no"):
        await ada.answer(empty)


@pytest.mark.asyncio
async def test_calls_run_at_once_and_answers_find_their_callers(house: Any) -> None:
    mathematician = await host(house, "K")
    clients = [await house.join(f"c{number}") for number in range(3)]
    futures = {}
    for number, client in enumerate(clients):
        for turn in range(5):
            value = number * 10 + turn
            futures[value] = client, await call(client, "K", {"a": value}, tool_call_id=f"{number}-{turn}")
    pushes = [await mathematician.push("room.tool_call.math") for _ in futures]
    for pushed in reversed(pushes):
        await mathematician.send("room.tool_call_response", pushed.header["arguments"], id=pushed.id)
    for value, (client, future) in futures.items():
        assert (await client.answer(future)).header["json"] == {"a": value}


@pytest.mark.asyncio
@pytest.mark.parametrize("dialect", ["L", "K"])
async def test_a_listing_can_be_read_by_every_generation(house: Any, dialect: str) -> None:
    mathematician, ada = await host(house, dialect), await house.join("ada")
    for kind in ("agent.list_toolkits", "room.list_toolkits"):
        tools = (await ada.json(kind, {"participant_id": None}))["tools"]
        assert tools["math"]["participant_id"] == mathematician.id
        assert tools["math"]["annotations"] == {}
        tool = tools["math"]["tools"]["add"]
        assert tool["input_schema"] == SCHEMA
        assert tool["input_spec"] == {"types": ["json"], "stream": False, "schema": SCHEMA}
    await mathematician.ask("room.unregister_toolkit", {"id": mathematician.registration})
    assert await offered(ada) == []


@pytest.mark.asyncio
async def test_private_toolkits_are_seen_and_called_only_through_their_owner(house: Any) -> None:
    mathematician, ada = await host(house, "K", public=False), await house.join("ada")
    assert await offered(ada) == []
    assert await offered(ada, participant_id=mathematician.id) == ["math"]
    with pytest.raises(Exception, match="no toolkit 'math'"):
        await ada.answer(await call(ada, "K", {}))
    await call(ada, "K", {}, participant_id=mathematician.id)
    await mathematician.push("room.tool_call.math")
    with pytest.raises(Exception, match="no such registration"):
        await ada.ask("room.unregister_toolkit", {"id": mathematician.registration})


@pytest.mark.asyncio
async def test_of_two_hosts_the_named_one_is_called_and_otherwise_the_newest(house: Any) -> None:
    first, second = await host(house, "K"), await host(house, "K")
    ada = await house.join("ada")
    await call(ada, "K", {}, participant_id=first.id)
    await first.push("room.tool_call.math")
    await call(ada, "K", {})
    await second.push("room.tool_call.math")
    by_name = await ada.json("room.list_toolkits", {"participant_name": "nobody"})
    assert by_name == {"tools": {}}
    with pytest.raises(Exception, match="no tool 'subtract'") as caught:
        await ada.ask("agent.invoke_tool", {"toolkit": "math", "tool": "subtract", "arguments": {}})
    assert caught.value.code == 1003


@pytest.mark.asyncio
async def test_calls_fail_at_once_when_the_host_goes(house: Any) -> None:
    mathematician, ada = await host(house, "K"), await house.join("ada")
    plain = await call(ada, "K", {"a": 1}, tool_call_id="plain")
    streamed = await call(ada, "K", {"a": 2}, tool_call_id="streamed")
    await mathematician.push("room.tool_call.math", tool_call_id="plain")
    pushed = await mathematician.push("room.tool_call.math", tool_call_id="streamed")
    await mathematician.send("room.tool_call_response", OPEN, id=pushed.id)
    await ada.answer(streamed)
    mathematician.cut()
    with pytest.raises(Exception, match="left the room"):
        await ada.answer(plain)
    chunk = (await ada.push("room.tool_call_response_chunk", tool_call_id="streamed")).header["chunk"]
    assert (chunk["type"], chunk["method"]) == ("control", "close")
    assert chunk["status_code"] != 1000
    assert await offered(ada) == []


@pytest.mark.asyncio
async def test_a_host_hears_the_end_of_the_input_when_the_caller_goes(house: Any) -> None:
    mathematician, ada = await host(house, "K"), await house.join("ada")
    await call(ada, "K", OPEN, tool_call_id="s")
    pushed = await mathematician.push("room.tool_call.math")
    await ada.leave()
    chunk = (await mathematician.push("room.tool_call_request_chunk.math")).header["chunk"]
    assert chunk["method"] == "close"
    assert chunk["status_code"] != 1000
    await mathematician.send("room.tool_call_response", {"type": "empty"}, id=pushed.id)
    await mathematician.settled()


@pytest.mark.asyncio
@pytest.mark.parametrize("hosted", ["T", "K"])
@pytest.mark.parametrize("called", ["T", "K"])
async def test_streams_are_relayed_both_ways(house: Any, called: str, hosted: str) -> None:
    mathematician, ada = await host(house, hosted), await house.join("ada")
    caller, hoster = ("room" if called == "K" else "agent"), mathematician.word
    future = await call(ada, called, OPEN, tool_call_id="s")
    chunk = {"type": "binary", "headers": {"n": 1}}
    # Right behind the call, before the host has answered.
    await ada.ask(f"{caller}.tool_call_request_chunk", {"tool_call_id": "s", "chunk": chunk}, b"in")
    await ada.ask(f"{caller}.tool_call_request_chunk", {"tool_call_id": "s", "chunk": CLOSE})
    pushed = await mathematician.push(f"{hoster}.tool_call.math")
    got = await mathematician.push(f"{hoster}.tool_call_request_chunk.math")
    assert (got.header, got.data) == ({"tool_call_id": "s", "chunk": chunk}, b"in")
    assert (await mathematician.push(f"{hoster}.tool_call_request_chunk.math")).header["chunk"] == CLOSE
    await mathematician.send(f"{hoster}.tool_call_response", OPEN, id=pushed.id)
    assert (await ada.answer(future)).header == OPEN
    await mathematician.send(f"{hoster}.tool_call_response", {"type": "text", "text": "again"}, id=pushed.id)
    for data in (b"one", b"two"):
        header = {"tool_call_id": "s", "chunk": chunk}
        await mathematician.send(f"{hoster}.tool_call_response_chunk", header, data, id=pushed.id)
    header = {"tool_call_id": "s", "chunk": CLOSE}
    await mathematician.send(f"{hoster}.tool_call_response_chunk", header, id=pushed.id)
    got = [await ada.push(f"{caller}.tool_call_response_chunk") for _ in range(3)]
    assert [message.data for message in got] == [b"one", b"two", b""]
    assert got[2].header["chunk"] == CLOSE
    # The call is over: the same id can be used again, and late chunks go nowhere.
    await mathematician.send(f"{hoster}.tool_call_response_chunk", header, id=pushed.id)
    await call(ada, called, {"a": 1}, tool_call_id="s")
    await mathematician.push(f"{hoster}.tool_call.math")


@pytest.mark.asyncio
async def test_a_tool_call_id_in_use_is_refused(house: Any) -> None:
    await host(house, "K")
    ada = await house.join("ada")
    await call(ada, "K", {}, tool_call_id="same")
    with pytest.raises(Exception, match="in use"):
        await ada.answer(await call(ada, "K", {}, tool_call_id="same"))


@pytest.mark.asyncio
async def test_nobody_answers_somebody_elses_call(house: Any) -> None:
    mathematician, ada, eve = await host(house, "K"), await house.join("ada"), await house.join("eve")
    future = await call(ada, "K", {"a": 1})
    pushed = await mathematician.push("room.tool_call.math")
    await eve.send("room.tool_call_response", {"type": "text", "text": "forged"}, id=pushed.id)
    await eve.settled()
    assert not future.done()
    await mathematician.send("room.tool_call_response", {"type": "text", "text": "true"}, id=pushed.id)
    await mathematician.send("room.tool_call_response", {"type": "text", "text": "twice"}, id=pushed.id)
    assert (await ada.answer(future)).header["text"] == "true"


@pytest.mark.asyncio
async def test_grants_for_tools(house: Any) -> None:
    await host(house, "K")
    limited = await house.join("limited", scope={"agents": {"allowed_toolkits": ["other"]}})
    with pytest.raises(Exception, match="does not allow calling toolkit 'math'"):
        await limited.answer(await call(limited, "K", {}))
    denied = await house.join("denied", scope={"agents": {"register_public_toolkit": False}})
    with pytest.raises(Exception, match="register_public_toolkit"):
        await denied.ask("room.register_toolkit", NEW)
    await denied.ask("room.register_toolkit", {**NEW, "public": False})


@pytest.mark.asyncio
async def test_registrations_are_bounded(build: Any) -> None:
    limits = RoomLimits(max_registrations=2, max_registration_bytes=2000, max_registry_bytes=3000)
    house = await build(limits)
    ada, bob = await house.join("ada"), await house.join("bob")
    with pytest.raises(Exception, match="2000 bytes"):
        await ada.ask("agent.register_toolkit", {**OLD, "description": "x" * 3000})
    await bob.ask("agent.register_agent", {"name": "b", "description": "x" * 1500})
    with pytest.raises(Exception, match="3000 bytes"):
        await ada.ask("agent.register_toolkit", {**OLD, "description": "x" * 1500})
    for name in ("", "x" * 101, "a\ud800", "a\nb", None):
        with pytest.raises(Exception, match="printable name"):
            await ada.ask("agent.register_toolkit", {**OLD, "name": name})
    await ada.ask("agent.register_toolkit", OLD)
    await ada.ask("agent.register_agent", {"name": "a"})
    for kind in ("agent.register_toolkit", "agent.register_agent"):
        with pytest.raises(Exception, match="may register 2"):
            await ada.ask(kind, OLD)


@pytest.mark.asyncio
async def test_a_streaming_result_for_a_client_without_streams_is_an_error(house: Any) -> None:
    mathematician, ada = await host(house, "K"), await house.join("ada")
    future = await call(ada, "L", {"a": 1})
    pushed = await mathematician.push("room.tool_call.math")
    await mathematician.send("room.tool_call_response", OPEN, id=pushed.id)
    with pytest.raises(Exception, match="streams its result"):
        await ada.answer(future)


@pytest.mark.asyncio
async def test_a_tool_call_is_reported_by_name(house: Any) -> None:
    await host(house, "K")
    ada = await house.join("ada")
    await call(ada, "K", {"a": "private"})
    event = await house.happened("tool_called", "ada")
    assert event.detail == {"toolkit": "math", "tool": "add", "host": "mathematician"}
    assert "private" not in repr(event)


@pytest.mark.asyncio
async def test_a_participant_may_offer_a_toolkit_that_the_server_does_not_have(house: Any) -> None:
    keeper, ada = await house.join("keeper"), await house.join("ada")
    await keeper.ask(
        "room.register_toolkit", {**NEW, "name": "tunnels", "tools": {"recall": {"input_spec": None}}}
    )
    await ada.start_tool("tunnels.recall", {"type": "json", "json": {}})
    await asyncio.wait_for(keeper.push("room.tool_call.tunnels"), 5)
