"""Presence and messages, through the real room."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from runtime.errors import RoomError
from runtime.sdk.room.client import RoomException
from runtime.sdk.room.messaging import RoomMessage

pytestmark = pytest.mark.unit


def inbox(room: Any) -> asyncio.Queue[RoomMessage]:
    queue: asyncio.Queue[RoomMessage] = asyncio.Queue()
    room.messaging.on("message", lambda message: queue.put_nowait(message))
    return queue


@pytest.mark.asyncio
async def test_a_message_arrives_with_its_sender_json_and_attachment(house: Any, within: Any) -> None:
    ada, ben = await house.enter("ada"), await house.enter("ben")
    got = inbox(ben)
    await ada.messaging.send_message(
        to=ben.local_participant, type="note", message={"n": 1}, attachment=b"bytes"
    )
    message = await within(1, got.get())
    assert message == RoomMessage(
        from_participant_id=ada.local_participant.id, type="note", message={"n": 1}, attachment=b"bytes"
    )


@pytest.mark.asyncio
async def test_the_list_is_filled_when_enable_returns(house: Any) -> None:
    ada, ben = await house.enter("ada"), await house.enter("ben", role="user")
    await ada.messaging.enable()
    assert ada.messaging.remote_participants == []
    await ben.messaging.enable()
    (seen,) = ben.messaging.get_participants()
    assert (seen.name, seen.role, seen.id) == ("ada", "agent", ada.local_participant.id)
    assert ben.messaging.get_participant(seen.id) is seen
    assert ben.messaging.get_participant_by_name("ada") is seen
    assert ben.messaging.get_participant_by_name("eve") is None


@pytest.mark.asyncio
async def test_who_disables_messaging_sees_and_is_seen_no_more(house: Any, within: Any) -> None:
    ada, ben = await house.enter("ada"), await house.enter("ben")
    await ada.messaging.enable()
    await ben.messaging.enable()
    gone = asyncio.Event()
    ada.messaging.on("participant_removed", lambda participant: gone.set())
    await ben.messaging.disable()
    await within(1, gone.wait())
    assert (ada.messaging.remote_participants, ben.messaging.remote_participants) == ([], [])
    assert not ben.messaging.is_enabled


@pytest.mark.asyncio
async def test_coming_changing_and_going_are_events(house: Any, within: Any) -> None:
    ada = await house.enter("ada")
    await ada.messaging.enable()
    events: asyncio.Queue[tuple[str, Any]] = asyncio.Queue()
    for name in ("participant_added", "participant_attributes_updated", "participant_removed"):
        ada.messaging.on(name, lambda participant, name=name: events.put_nowait((name, participant)))
    ben = await house.enter("ben")
    await ben.messaging.enable()
    name, participant = await within(1, events.get())
    assert (name, participant.name) == ("participant_added", "ben")
    await ben.local_participant.set_attribute("mood", "merry")
    name, participant = await within(1, events.get())
    assert (name, participant.get_attribute("mood")) == ("participant_attributes_updated", "merry")
    assert ben.local_participant.get_attribute("mood") == "merry"
    await ben.close()
    name, participant = await within(1, events.get())
    assert (name, participant.name) == ("participant_removed", "ben")
    assert ada.messaging.remote_participants == []


@pytest.mark.asyncio
async def test_a_broadcast_reaches_the_others_and_not_the_sender(house: Any, within: Any) -> None:
    everybody = [await house.enter(name) for name in ("ada", "ben", "eve")]
    boxes = [inbox(one) for one in everybody]
    for one in everybody:
        await one.messaging.enable()
    await everybody[0].messaging.broadcast_message(type="news", message={"x": 1})
    for box in boxes[1:]:
        assert (await within(1, box.get())).type == "news"
    assert boxes[0].empty()


@pytest.mark.asyncio
async def test_messages_sent_without_waiting_keep_their_order(house: Any, within: Any) -> None:
    ada, ben = await house.enter("ada"), await house.enter("ben")
    got = inbox(ben)
    for number in range(100):
        ada.messaging.send_message_nowait(to=ben.local_participant.id, type="note", message={"n": number})
    assert [(await within(1, got.get())).message["n"] for _ in range(100)] == list(range(100))


@pytest.mark.asyncio
async def test_sending_to_nobody_fails(house: Any) -> None:
    ada = await house.enter("ada")
    with pytest.raises(RoomException):
        await ada.messaging.send_message(to="nobody", type="note", message={})
    with pytest.raises(RoomError, match="its id"):
        await ada.messaging.send_message(to=None, type="note", message={})  # type: ignore[arg-type]
