"""Queues and the developer log."""

from __future__ import annotations

import json
from typing import Any

import pytest

from runtime.rooms.limits import RoomLimits

pytestmark = pytest.mark.process


@pytest.mark.asyncio
async def test_messages_come_out_in_the_order_they_went_in_across_dialects(house: Any) -> None:
    ada, bob = await house.join("ada"), await house.join("bob")
    for number in range(5):
        await ada.ask("queues.send", {"name": "jobs", "create": True, "message": {"n": number}})
        await ada.tool("queues.send", {"name": "jobs", "create": True, "message": {"k": number}})
    assert await ada.json("queues.list") == {"queues": [{"name": "jobs", "size": 10}]}
    for number in range(5):
        receive = {"name": "jobs", "create": True, "wait": False}
        assert (await bob.tool("queues.receive", receive)).header["json"] == {"n": number}
        assert await bob.json("queues.receive", receive) == {"k": number}
    assert (await bob.ask("queues.receive", receive)).header == {"type": "empty"}


@pytest.mark.asyncio
async def test_a_waiting_receive_does_not_block_and_is_answered_when_a_message_comes(house: Any) -> None:
    ada, bob = await house.join("ada"), await house.join("bob")
    first = await bob.start("queues.receive", {"name": "jobs", "wait": True})
    second = await bob.start_tool("queues.receive", {"type": "json", "json": {"name": "jobs", "wait": True}})
    await bob.settled()
    for number in range(2):
        await ada.ask("queues.send", {"name": "jobs", "message": {"n": number}})
    assert (await bob.answer(first)).header["json"] == {"n": 0}
    assert (await bob.answer(second)).header["json"] == {"n": 1}


@pytest.mark.asyncio
async def test_a_message_is_not_swallowed_by_one_that_has_gone(house: Any) -> None:
    ada, gone, bob = await house.join("ada"), await house.join("gone"), await house.join("bob")
    await gone.start("queues.receive", {"name": "jobs", "wait": True})
    await gone.settled()
    waiting = await bob.start("queues.receive", {"name": "jobs", "wait": True})
    await bob.settled()
    gone.cut()
    await house.happened("participant_left", "gone")
    await ada.ask("queues.send", {"name": "jobs", "message": {"n": 1}})
    assert (await bob.answer(waiting)).header["json"] == {"n": 1}


@pytest.mark.asyncio
async def test_draining_and_closing(house: Any) -> None:
    ada, bob = await house.join("ada"), await house.join("bob")
    await ada.tool("queues.open", {"name": "jobs"})
    await ada.ask("queues.send", {"name": "jobs", "message": {}})
    await ada.ask("queues.drain", {"name": "jobs"})
    assert await ada.json("queues.list") == {"queues": [{"name": "jobs", "size": 0}]}
    waiting = await bob.start("queues.receive", {"name": "jobs", "wait": True})
    await bob.settled()
    await ada.ask("queues.close", {"name": "jobs"})
    assert (await bob.answer(waiting)).header == {"type": "empty"}
    for kind, more in (("queues.close", {}), ("queues.drain", {}), ("queues.send", {"create": False})):
        with pytest.raises(Exception, match="no queue 'jobs'") as caught:
            await ada.ask(kind, {"name": "jobs", **more})
        assert caught.value.code == 1003


@pytest.mark.asyncio
async def test_queues_are_bounded(build: Any) -> None:
    house = await build(RoomLimits(max_queues=2, max_queue_messages=3, max_queue_bytes=1000))
    ada = await house.join("ada")
    for _ in range(3):
        await ada.ask("queues.send", {"name": "a", "message": {}})
    with pytest.raises(Exception, match="holds 3 messages"):
        await ada.ask("queues.send", {"name": "a", "message": {}})
    with pytest.raises(Exception, match="1000 bytes"):
        await ada.ask("queues.send", {"name": "b", "message": {"x": "y" * 2000}})
    with pytest.raises(Exception, match="2 queues"):
        await ada.ask("queues.send", {"name": "c", "message": {}})
    for _ in range(3):
        await ada.ask("queues.receive", {"name": "a"})
    await ada.ask("queues.send", {"name": "a", "message": {"x": "y" * 900}})


@pytest.mark.asyncio
async def test_grants_for_queues(house: Any) -> None:
    ada = await house.join("ada", scope={"queues": {"send": ["in"], "receive": ["out"], "list": False}})
    await ada.ask("queues.send", {"name": "in", "message": {}})
    for kind, name in (
        ("queues.send", "out"),
        ("queues.receive", "in"),
        ("queues.drain", "in"),
        ("queues.close", "in"),
        ("queues.open", "in"),
        ("queues.list", "in"),
    ):
        with pytest.raises(Exception, match="does not allow") as caught:
            await ada.ask(kind, {"name": name, "message": {}})
        assert caught.value.code == 1001


@pytest.mark.asyncio
async def test_the_developer_log_reaches_those_who_watch(house: Any) -> None:
    ada, old, new = await house.join("ada"), await house.join("old"), await house.join("new")
    await old.ask("developer.watch")
    stream = await new.stream("developer.logs")
    assert (await ada.ask("developer.log", {"type": "llm", "data": {"a": 1}})).header == {"type": "empty"}
    await ada.tool("developer.warning", {"message": "careful", "extra": {"b": 2}})
    assert (await old.push("developer.log")).header == {"type": "llm", "data": {"a": 1}}
    warning = {"message": "careful", "extra": {"b": 2}}
    assert (await old.push("developer.log")).header == {"type": "developer.warning", "data": warning}
    chunk, data = await stream.receive()
    assert (chunk["headers"], json.loads(data)) == ({"type": "llm"}, {"a": 1})
    assert json.loads((await stream.receive())[1]) == warning
    await stream.close()
    assert (await stream.receive())[0]["method"] == "close"
    await old.ask("developer.unwatch")
    await ada.ask("developer.info", {"message": "unseen"})
    await old.settled()
    assert [message.type for message in old.log].count("developer.log") == 2
    blind = await house.join("blind", scope={"developer": {"logs": False}})
    with pytest.raises(Exception, match="does not allow watching"):
        await blind.ask("developer.watch")
