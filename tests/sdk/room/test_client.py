"""A participant's connection: handshake, requests, pushes, and the end."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from runtime.errors import ChannelClosed, RoomError, RoomLost, RoomUnreachable
from runtime.sdk.room.client import RoomClient, RoomException
from runtime.wire.content import JsonContent
from runtime.wire.room import Assembler, Message, encode

pytestmark = pytest.mark.unit


def say(line: Any, type: str, header: dict[str, Any], *, id: int = 1, data: bytes = b"") -> None:
    for packet in encode(Message(id, type, header, data)):
        line.push(packet)


def greet(line: Any) -> None:
    say(line, "room_ready", {"room_name": "myroom", "room_url": "ws://x/rooms/myroom", "session_id": "s"})
    say(line, "connected", {"type": "init", "participantId": "p1", "attributes": {"name": "ada"}}, id=2)


def heard(line: Any) -> list[Message]:
    assembler = Assembler()
    return [message for packet in line.sent if (message := assembler.receive(packet)) is not None]


async def until(condition: Any) -> None:
    while not condition():
        await asyncio.sleep(0)


@pytest.mark.asyncio
async def test_the_handshake_says_who_and_where(house: Any) -> None:
    ada = await house.enter("ada")
    assert ada.room_name == "myroom"
    assert ada.room_url == "ws://test/rooms/myroom"
    assert ada.session_id
    assert ada.local_participant.name == "ada"
    assert not ada.is_closed


@pytest.mark.asyncio
async def test_a_bare_client_says_nothing_of_itself(line: Any) -> None:
    greet(line)
    async with RoomClient(transport=line):
        pass
    assert line.sent == []


@pytest.mark.asyncio
async def test_the_handshake_works_in_either_order(line: Any) -> None:
    say(line, "connected", {"type": "init", "participantId": "p1", "attributes": {"name": "ada"}})
    say(line, "room_ready", {"room_name": "r", "room_url": "u", "session_id": "s"}, id=2)
    async with RoomClient(transport=line) as room:
        assert (room.room_name, room.local_participant.id) == ("r", "p1")


@pytest.mark.asyncio
async def test_a_room_that_never_greets_is_unreachable(line: Any) -> None:
    with pytest.raises(RoomUnreachable, match="handshake"):
        await RoomClient(transport=line, connect_timeout_s=0.02).__aenter__()


@pytest.mark.asyncio
async def test_a_room_that_hangs_up_before_its_greeting_is_lost(line: Any) -> None:
    line.hang_up()
    with pytest.raises(RoomLost):
        await RoomClient(transport=line).__aenter__()


@pytest.mark.asyncio
async def test_tasks_that_are_all_cancelled_wait_for_no_answer(line: Any) -> None:
    greet(line)

    async def work(room: RoomClient) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await room.request("sync.close", {})

    async with RoomClient(transport=line) as room:
        working = asyncio.create_task(work(room))
        await asyncio.sleep(0)
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()  # as a loop does that an exit ends from below
        with pytest.raises(RoomLost):
            await asyncio.wait_for(working, 5)


@pytest.mark.asyncio
async def test_a_greeting_without_a_needed_field_is_named(line: Any) -> None:
    say(line, "room_ready", {"room_name": "myroom"})
    with pytest.raises(RoomException, match="room_url, session_id"):
        await RoomClient(transport=line).__aenter__()


@pytest.mark.asyncio
async def test_answers_may_come_in_any_order(line: Any) -> None:
    greet(line)
    async with RoomClient(transport=line) as room:
        first = asyncio.create_task(room.request("one", {}))
        second = asyncio.create_task(room.request("two", {}))
        await until(lambda: len(heard(line)) == 2)
        ids = {message.type: message.id for message in heard(line)}
        say(line, "__response__", {"type": "json", "json": {"n": 2}}, id=ids["two"])
        assert await second == JsonContent({"n": 2})
        say(line, "__response__", {"type": "json", "json": {"n": 1}}, id=ids["one"])
        assert await first == JsonContent({"n": 1})


@pytest.mark.asyncio
async def test_a_push_with_a_request_s_number_does_not_answer_it(line: Any) -> None:
    greet(line)
    async with RoomClient(transport=line) as room:
        pushed: list[Message] = []
        room.on_push("some.push", pushed.append)
        request = asyncio.create_task(room.request("one", {}))
        await until(lambda: heard(line))
        number = heard(line)[0].id
        say(line, "some.push", {}, id=number)
        say(line, "__response__", {"type": "empty"}, id=number)
        await request
        assert [push.id for push in pushed] == [number]


@pytest.mark.asyncio
async def test_an_error_answer_raises_with_its_text_and_number(house: Any) -> None:
    ada = await house.enter("ada")
    with pytest.raises(RoomException, match="secrets") as caught:
        await ada.request("secrets.list", {})
    assert caught.value.error_code is not None


@pytest.mark.asyncio
async def test_pending_requests_fail_at_once_when_the_room_hangs_up(line: Any, within: Any) -> None:
    greet(line)
    async with RoomClient(transport=line) as room:
        request = asyncio.create_task(room.request("queues.receive", {"name": "q", "wait": True}))
        await until(lambda: heard(line))
        line.hang_up()
        with pytest.raises(RoomLost):
            await within(1, request)
        await within(1, room.wait_for_close())
        assert room.is_closed
        assert not room.was_lost
        with pytest.raises(RoomLost):
            await room.request("more", {})


@pytest.mark.asyncio
async def test_a_broken_connection_is_told_apart_from_a_closed_one(line: Any, within: Any) -> None:
    greet(line)
    async with RoomClient(transport=line) as room:
        reasons: list[str] = []
        room.on("close", lambda reason: reasons.append(reason))
        line.cut()
        await within(1, room.wait_for_close())
        assert room.was_lost
        assert reasons == [room.close_reason]
        assert "cut" in room.close_reason


@pytest.mark.asyncio
async def test_a_packet_out_of_order_ends_the_connection(line: Any, within: Any) -> None:
    greet(line)
    async with RoomClient(transport=line) as room:
        line.push(b"garbage of twelve bytes and more")
        await within(1, room.wait_for_close())
        assert room.was_lost


@pytest.mark.asyncio
async def test_a_transport_that_fails_in_its_own_way_is_a_loss(line: Any, within: Any) -> None:
    greet(line)
    async with RoomClient(transport=line) as room:

        async def broken(packet: bytes) -> None:
            raise ChannelClosed("the pipe is gone")

        line.send = broken
        with pytest.raises(RoomLost, match="the pipe is gone"):
            await within(1, room.request("one", {}))
        assert room.was_lost


@pytest.mark.asyncio
async def test_an_answer_to_a_cancelled_request_is_nobody_s(line: Any, within: Any) -> None:
    greet(line)
    async with RoomClient(transport=line) as room:
        request = asyncio.create_task(room.request("one", {}))
        await until(lambda: heard(line))
        number = heard(line)[0].id
        say(line, "__response__", {"type": "empty"}, id=number)
        request.cancel()  # while the answer is on its way through the reader
        with pytest.raises(asyncio.CancelledError):
            await request
        say(line, "__response__", {"type": "empty"}, id=number)
        again = asyncio.create_task(room.request("two", {}))
        await until(lambda: len(heard(line)) == 2)
        say(line, "__response__", {"type": "empty"}, id=heard(line)[1].id)
        await within(1, again)


@pytest.mark.asyncio
async def test_a_request_that_waits_for_its_turn_hears_of_the_end(
    line: Any, within: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    greet(line)
    stuck = asyncio.Event()

    async def never(packet: bytes) -> None:
        stuck.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(line, "send", never)
    async with RoomClient(transport=line) as room:
        quarter = bytes(15 * 1024 * 1024)  # five of these are more than may wait
        room.send_nowait("blob", {}, quarter)
        await within(5, stuck.wait())
        for _ in range(4):
            room.send_nowait("blob", {}, quarter)
        request = asyncio.create_task(room.request("blob", {}, quarter))
        await asyncio.sleep(0)
        line.hang_up()
        with pytest.raises(RoomLost):
            await within(5, request)


@pytest.mark.asyncio
async def test_a_handler_that_still_runs_is_cancelled_when_the_client_leaves(line: Any, within: Any) -> None:
    greet(line)
    ended, began = asyncio.Event(), asyncio.Event()

    async def work(push: Message) -> None:
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async with RoomClient(transport=line) as room:
        room.on_push("work", work)
        say(line, "work", {})
        await within(1, began.wait())
    assert ended.is_set()


@pytest.mark.asyncio
async def test_leaving_is_not_being_lost(house: Any) -> None:
    ada = await house.enter("ada")
    await ada.close()
    await ada.close()
    assert ada.is_closed
    assert not ada.was_lost


@pytest.mark.asyncio
async def test_what_waits_is_written_before_leaving(line: Any) -> None:
    greet(line)
    async with RoomClient(transport=line) as room:
        for number in range(50):
            room.send_nowait("note", {"n": number})
    assert [message.header["n"] for message in heard(line)] == list(range(50))


@pytest.mark.asyncio
async def test_messages_of_many_packets_do_not_mix(line: Any) -> None:
    greet(line)
    async with RoomClient(transport=line) as room:
        for letter in b"abc":
            room.send_nowait("blob", {}, bytes([letter]) * 200_000)
    # The assembler raises on packets that interleave.
    assert [message.data[:1] for message in heard(line)] == [b"a", b"b", b"c"]


@pytest.mark.asyncio
async def test_a_handler_may_ask_the_room_itself(house: Any, within: Any) -> None:
    ada, ben = await house.enter("ada"), await house.enter("ben")
    found = asyncio.get_running_loop().create_future()

    async def look(push: Message) -> None:
        found.set_result(await ada.agents.list_agents())

    ada.on_push("messaging.send", look)
    await ben.messaging.send_message(to=ada.local_participant.id, type="look", message={})
    assert await within(2, found) == []


@pytest.mark.asyncio
async def test_a_failing_handler_does_not_keep_others_from_the_push(line: Any, within: Any) -> None:
    greet(line)
    async with RoomClient(transport=line) as room:
        got = asyncio.Event()

        def fail(push: Message) -> None:
            raise ValueError("mine")

        room.on_push("x", fail)
        room.on_push("x", lambda push: got.set())
        say(line, "x", {})
        await within(1, got.wait())
        assert not room.is_closed


@pytest.mark.asyncio
async def test_a_prefix_matches_and_an_unsubscribed_handler_does_not_hear(line: Any) -> None:
    greet(line)
    async with RoomClient(transport=line) as room:
        got: list[str] = []
        stop = room.on_push("agent.tool_call.", lambda push: got.append(push.type))
        say(line, "agent.tool_call.maths", {}, id=3)
        say(line, "agent.tool_call_response_chunk", {}, id=4)
        await until(lambda: got)
        stop()
        done = asyncio.Event()
        room.on_push("done", lambda push: done.set())
        say(line, "agent.tool_call.maths", {}, id=5)
        say(line, "done", {}, id=6)
        await done.wait()
        assert got == ["agent.tool_call.maths"]


@pytest.mark.asyncio
async def test_a_status_push_is_an_event_of_the_room(line: Any) -> None:
    greet(line)
    async with RoomClient(transport=line) as room:
        seen: list[str] = []
        room.on("room.status", lambda status: seen.append(status))
        say(line, "room.status", {"status": "warming"})
        await until(lambda: seen)
        assert seen == ["warming"]


def test_a_client_needs_exactly_one_way_in(line: Any) -> None:
    with pytest.raises(RoomError, match="protocol or a transport"):
        RoomClient()


def test_using_a_room_before_entering_it_says_so() -> None:
    class Nowhere:
        async def open(self, *, timeout_s: float) -> Any:
            raise AssertionError

    with pytest.raises(RoomError, match="not been entered"):
        RoomClient(Nowhere()).local_participant  # noqa: B018 - reading it is the test
