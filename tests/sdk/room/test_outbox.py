"""What waits to be written is ordered and bounded."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from runtime.errors import RoomFull, RoomLost
from runtime.rooms.limits import RoomLimits
from runtime.sdk.room.outbox import Outbox
from runtime.sdk.room.room_exception import RoomException
from runtime.wire.room import MAX_MESSAGE_BYTES, MAX_SENT_BYTES, Message

pytestmark = pytest.mark.unit


def note(number: int = 1, data: bytes = b"") -> Message:
    return Message(number, "note", {}, data)


def test_the_count_is_bounded() -> None:
    outbox = Outbox(max_count=3)
    for number in range(3):
        outbox.put_nowait(note(number))
    with pytest.raises(RoomFull, match="3 messages"):
        outbox.put_nowait(note(4))


def test_the_bytes_are_bounded_but_one_large_message_passes_alone() -> None:
    outbox = Outbox(max_bytes=1000)
    outbox.put_nowait(note(1, b"x" * 5000))
    with pytest.raises(RoomFull):
        outbox.put_nowait(note(2))


@pytest.mark.asyncio
async def test_one_message_that_a_room_would_not_take_is_refused(within: Any) -> None:
    outbox = Outbox(max_message_bytes=1000)
    with pytest.raises(RoomException, match="too large"):
        outbox.put_nowait(note(1, b"x" * 1001))
    with pytest.raises(RoomException, match=r"room\.storage"):
        await within(1, outbox.put(note(2, b"x" * 1001)))
    outbox.put_nowait(note(3, b"x" * 900))


def test_a_client_sends_no_more_than_a_room_takes() -> None:
    assert RoomLimits().max_message_bytes >= MAX_SENT_BYTES
    assert RoomLimits().max_outbound_bytes <= MAX_MESSAGE_BYTES, "and a room no more than a client takes"


@pytest.mark.asyncio
async def test_a_request_waits_for_space_and_then_goes(line: Any, within: Any) -> None:
    outbox = Outbox(max_count=1)
    outbox.put_nowait(note(1))
    waiting = asyncio.create_task(outbox.put(note(2)))
    await asyncio.sleep(0)
    assert not waiting.done()
    writer = asyncio.create_task(outbox.run(line))
    await within(1, waiting)
    outbox.close()
    await within(1, writer)
    assert len(line.sent) == 4  # two messages of a header and a data packet


@pytest.mark.asyncio
async def test_whoever_waits_for_space_hears_of_the_end(within: Any) -> None:
    outbox = Outbox(max_count=1)
    outbox.put_nowait(note(1))
    waiting = asyncio.create_task(outbox.put(note(2)))
    await asyncio.sleep(0)
    outbox.close()
    with pytest.raises(RoomLost):
        await within(1, waiting)
    with pytest.raises(RoomLost):
        outbox.put_nowait(note(3))
