"""Presence and messages, between clients of both dialects."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from runtime.rooms.limits import RoomLimits
from runtime.rooms.token import AGENT_DEFAULT, FULL

pytestmark = pytest.mark.process


@pytest.mark.asyncio
async def test_the_list_of_others_comes_before_the_answer_to_enable(house: Any) -> None:
    ada = await house.visible("ada", role="user")
    bob = await house.join("bob")
    for client, call in ((bob, bob.ask), (await house.join("eve"), None)):
        if call:
            await call("messaging.enable")
        else:
            await client.tool("messaging.enable")
        kinds = client.types()
        assert kinds.index("messaging.enabled") < kinds.index("__response__")
    listing = (await bob.message("messaging.enabled")).header
    assert listing["from_participant_id"] == bob.id
    assert listing["message"] == {
        "participants": [{"id": ada.id, "role": "user", "attributes": {"name": "ada"}}]
    }
    told = (await ada.message("participant.enabled")).header
    assert told["from_participant_id"] == bob.id
    assert told["message"] == {"id": bob.id, "role": "agent", "attributes": {"name": "bob"}}


@pytest.mark.asyncio
async def test_who_has_not_enabled_messaging_neither_sees_nor_is_seen(house: Any) -> None:
    ada, ghost, bob = await house.visible("ada"), await house.join("ghost"), await house.visible("bob")
    await ghost.send("set_attributes", {"mood": "unseen"})
    await ada.ask("messaging.broadcast", {"type": "x", "message": {}})
    await bob.message("x")
    await ghost.settled()
    await ghost.leave()
    await house.happened("participant_left", "ghost")
    await ada.settled()
    assert "messaging.send" not in [message.type for message in ghost.log]
    seen = [m.header["message"].get("id") for m in ada.log if m.type == "messaging.send"]
    assert ghost.id not in seen


@pytest.mark.asyncio
async def test_attributes_are_merged_and_only_the_change_is_told(house: Any) -> None:
    ada, bob = await house.visible("ada"), await house.visible("bob")
    await bob.send("set_attributes", {"empty_state_title": "Hi", "thread.status.a": None, "name": "ada"})
    await bob.send("set_attributes", {"n": 1})
    first, second = await ada.message("participant.attributes"), await ada.message("participant.attributes")
    assert first.header["from_participant_id"] == bob.id
    assert first.header["message"] == {"attributes": {"empty_state_title": "Hi", "thread.status.a": None}}
    assert second.header["message"] == {"attributes": {"n": 1}}
    eve = await house.visible("eve")
    seen = (await eve.message("messaging.enabled")).header["message"]["participants"]
    attributes = next(each["attributes"] for each in seen if each["id"] == bob.id)
    assert attributes == {"name": "bob", "empty_state_title": "Hi", "thread.status.a": None, "n": 1}


@pytest.mark.asyncio
async def test_attributes_are_bounded(build: Any) -> None:
    house = await build(RoomLimits(max_attributes_bytes=1000))
    ada, bob = await house.visible("ada"), await house.visible("bob")
    await bob.send("set_attributes", {"big": "x" * 2000})
    await bob.send("set_attributes", {"small": 1})
    assert (await ada.message("participant.attributes")).header["message"] == {"attributes": {"small": 1}}


@pytest.mark.asyncio
async def test_leaving_disabling_and_losing_the_connection_are_told(house: Any) -> None:
    ada = await house.visible("ada")
    for how in ("leave", "disable", "cut"):
        bob = await house.visible("bob")
        if how == "leave":
            await bob.leave()
        elif how == "disable":
            await bob.ask("messaging.disable")
        else:
            bob.cut()
        told = (await ada.message("participant.disabled")).header
        assert told["message"] == {"id": bob.id}
        assert told["from_participant_id"] == bob.id


@pytest.mark.asyncio
@pytest.mark.parametrize("dialect", ["L", "K"])
async def test_messages_with_attachments_arrive_in_order(house: Any, dialect: str) -> None:
    ada, bob = await house.visible("ada"), await house.visible("bob")
    for number in range(30):
        data = bytes([number]) * 3000
        if dialect == "L":
            header = {"to_participant_id": bob.id, "type": "chat", "message": {"n": number}}
            answer = await ada.ask("messaging.send", header, data)
        else:
            arguments = {
                "to_participant_id": bob.id,
                "type": "chat",
                "message_json": f'{{"n": {number}}}',
                "attachment_base64": base64.b64encode(data).decode(),
            }
            answer = await ada.tool("messaging.send", arguments)
        assert answer.header == {"type": "empty"}
    for number in range(30):
        got = await bob.message("chat")
        assert got.header == {"from_participant_id": ada.id, "type": "chat", "message": {"n": number}}
        assert got.data == bytes([number]) * 3000


@pytest.mark.asyncio
async def test_a_broadcast_reaches_the_others_and_not_its_sender(house: Any) -> None:
    ada, bob, eve = [await house.visible(name) for name in ("ada", "bob", "eve")]
    await ada.ask("messaging.broadcast", {"type": "x", "message": {"a": 1}}, b"data")
    await ada.tool(
        "messaging.broadcast", {"type": "x", "message_json": '{"a": 2}', "attachment_base64": None}
    )
    for client in (bob, eve):
        first, second = await client.message("x"), await client.message("x")
        assert (first.header["message"], first.data) == ({"a": 1}, b"data")
        assert (second.header["message"], second.data) == ({"a": 2}, b"")
    await ada.settled()
    assert "x" not in ada.types()
    many = f"[{'[],' * 300_000}0]"  # who reads it can do nothing else meanwhile
    with pytest.raises(Exception, match="at most 250000 lists"):
        await ada.tool("messaging.broadcast", {"type": "x", "message_json": many, "attachment_base64": None})


@pytest.mark.asyncio
async def test_an_unknown_recipient_is_an_error_that_newer_clients_understand(house: Any) -> None:
    ada = await house.visible("ada")
    for to in ("nobody", None):
        with pytest.raises(Exception, match="recipient") as caught:
            await ada.ask("messaging.send", {"to_participant_id": to, "type": "x", "message": {}})
        assert caught.value.code == 1003


@pytest.mark.asyncio
async def test_presence_cannot_be_forged(house: Any) -> None:
    ada, eve = await house.visible("ada"), await house.visible("eve", scope=FULL)
    for kind in (
        "messaging.enabled",
        "participant.enabled",
        "participant.disabled",
        "participant.attributes",
    ):
        for request in ("messaging.send", "messaging.broadcast"):
            with pytest.raises(Exception, match="server only"):
                await eve.ask(request, {"to_participant_id": ada.id, "type": kind, "message": {"id": ada.id}})


@pytest.mark.asyncio
async def test_grants_for_messages(house: Any) -> None:
    ada = await house.visible("ada")
    mute = await house.visible("mute", scope={"messaging": {"send": False, "broadcast": False}})
    none = await house.visible("none", scope={})
    for client in (mute, none):
        with pytest.raises(Exception, match="does not allow sending"):
            await client.ask("messaging.send", {"to_participant_id": ada.id, "type": "x", "message": {}})
        with pytest.raises(Exception, match="does not allow broadcasting") as caught:
            await client.ask("messaging.broadcast", {"type": "x", "message": {}})
        assert caught.value.code == 1001


@pytest.mark.asyncio
async def test_people_and_administrators_dismiss_agents_and_agents_do_not(house: Any) -> None:
    bot = await house.join("bot")  # invisible: tool hosts and task runners never enable messaging
    header = {"to_participant_id": bot.id, "type": "dismiss", "message": {}}
    rival = await house.visible("rival", scope=AGENT_DEFAULT)
    with pytest.raises(Exception, match="may not dismiss"):
        await rival.ask("messaging.send", header)
    ada = await house.visible("ada", role="user")
    with pytest.raises(Exception, match="not broadcast"):
        await ada.ask("messaging.broadcast", {"type": "dismiss", "message": {}})
    bob = await house.join("bob", role="user")
    with pytest.raises(Exception, match="people are not dismissed"):
        await ada.ask("messaging.send", {**header, "to_participant_id": bob.id})
    await bot.settled()
    assert "dismiss" not in bot.types()
    await ada.ask("messaging.send", header)
    assert (await bot.message("dismiss")).header["from_participant_id"] == ada.id
    boss = await house.visible("boss", scope=FULL)
    await boss.ask("messaging.send", {**header, "to_participant_id": rival.id})
    await rival.message("dismiss")


@pytest.mark.asyncio
async def test_dismissing_twice_tells_once(house: Any) -> None:
    ada, bot = await house.visible("ada", role="user"), await house.join("bot")
    twin = await house.join("bot")
    for _ in range(2):
        await ada.ask("messaging.send", {"to_participant_id": bot.id, "type": "dismiss", "message": {}})
    assert await house.hub.dismiss("lab", "bot") == 2
    assert await house.hub.dismiss("lab", "bot") == 2
    assert await house.hub.dismiss("lab", "nobody") == 0
    for client in (bot, twin):
        await client.settled()
        assert client.types().count("dismiss") == 1


@pytest.mark.asyncio
async def test_a_message_stream_opens_and_relays_both_ways(house: Any) -> None:
    ada, bob = await house.visible("ada"), await house.visible("bob")
    opening = await ada.start_tool("messaging.stream", {"type": "control", "method": "open"}, call_id="s1")
    first = {"to_participant_id": bob.id, "type": "call", "message_json": "{}", "attachment_base64": None}
    await ada.ask(
        "room.tool_call_request_chunk", {"tool_call_id": "s1", "chunk": {"type": "json", "json": first}}
    )
    call = await bob.push("room.tool_call.messaging")
    assert (call.header["name"], call.header["caller_id"]) == ("stream", ada.id)
    told = await bob.push("room.tool_call_request_chunk.messaging")
    assert told.header["chunk"]["json"] == {**first, "from_participant_id": ada.id}
    assert not opening.done()
    await bob.send("room.tool_call_response", {"type": "control", "method": "open"}, id=call.id)
    assert (await ada.answer(opening)).header == {"type": "control", "method": "open"}
    accepted = await ada.push("room.tool_call_response_chunk")
    assert accepted.header["chunk"]["json"] == {"kind": "accepted", "stream_id": "s1"}
    chunk = {"type": "binary", "headers": {"n": 1}}
    await ada.ask("room.tool_call_request_chunk", {"tool_call_id": "s1", "chunk": chunk}, b"up")
    assert (await bob.push("room.tool_call_request_chunk.messaging")).data == b"up"
    await bob.send(
        "room.tool_call_response_chunk", {"tool_call_id": "s1", "chunk": chunk}, b"down", id=call.id
    )
    assert (await ada.push("room.tool_call_response_chunk")).data == b"down"


@pytest.mark.asyncio
async def test_a_message_stream_to_nobody_fails(house: Any) -> None:
    ada = await house.visible("ada")
    opening = await ada.start_tool("messaging.stream", {"type": "control", "method": "open"}, call_id="s1")
    chunk = {"type": "json", "json": {"to_participant_id": "nobody"}}
    await ada.ask("room.tool_call_request_chunk", {"tool_call_id": "s1", "chunk": chunk})
    with pytest.raises(Exception, match="recipient"):
        await ada.answer(opening)
