"""Documents kept in step through a real room."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import pytest

from runtime.errors import NotFound, RoomError, RoomFull
from runtime.sdk.room.document import Document
from runtime.sdk.room.room_exception import RoomException
from runtime.sdk.room.sync import SyncClient
from runtime.wire.content import EmptyContent, JsonContent
from runtime.wire.room import Message
from tests.patience import PATIENCE

pytestmark = pytest.mark.process


async def until(document: Any, condition: Any) -> None:
    """Return once the condition holds, looking again after each change."""
    changed = asyncio.Event()
    stop = document.on_change(changed.set)
    try:
        async with asyncio.timeout(5 * PATIENCE):
            while not condition():
                await changed.wait()
                changed.clear()
    finally:
        stop()


@pytest.mark.asyncio
async def test_what_one_writes_the_other_reads(server: Any) -> None:
    ada, bob = await server.enter("ada"), await server.enter("bob")
    one, other = await ada.sync.open("x.thread"), await bob.sync.open("x.thread")
    one.child("messages").append_child("message", {"text": "hi"})
    await until(other, lambda: other.child("messages").get_children())
    assert other.child("messages").get_children()[0].attributes == {"text": "hi"}
    assert len(one.get_children()) == len(other.get_children()) == 2  # the room made both containers, once


@pytest.mark.asyncio
async def test_a_document_outlives_those_who_wrote_it(server: Any) -> None:
    ada = await server.enter("ada")
    document = await ada.sync.open("x.thread")
    document.child("messages").append_child("message", {"text": "hi"})
    await ada.sync.close("x.thread")
    again = await ada.sync.open("x.thread")
    assert again is not document
    assert again.child("messages").get_children()[0].get_attribute("text") == "hi"
    assert ada.sync.schema("x.thread")
    assert "thread" in await ada.sync.describe("x.thread")


@pytest.mark.asyncio
async def test_opening_counts(server: Any) -> None:
    ada = await server.enter("ada")
    one, two = await asyncio.gather(ada.sync.open("x.thread"), ada.sync.open("x.thread"))
    assert one is two
    await ada.sync.close("x.thread")
    await ada.sync.flush("x.thread")
    await ada.sync.close("x.thread")
    with pytest.raises(NotFound):
        await ada.sync.close("x.thread")


@pytest.mark.asyncio
async def test_a_document_that_is_not_there_and_shall_not_be_made(server: Any) -> None:
    ada = await server.enter("ada")
    with pytest.raises(RoomException):
        await ada.sync.open("nothing.thread", create=False)
    assert await ada.sync.open("nothing.thread")


class FakeRoom:
    """A room whose answers the test chooses, and whose requests it counts."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, bytes]] = []
        self.pushed: Any = None
        self.is_closed = False
        self.error: Exception | None = None
        self.state = b"AAA="
        self.heard = asyncio.Event()
        self.hold = asyncio.Event()
        self.hold.set()

    def on_push(self, type: str, handler: Any) -> None:
        self.pushed = handler

    async def request(self, type: str, header: dict[str, Any], data: bytes = b"") -> Any:
        self.requests.append((type, data))
        if type == "room.connect":
            if self.state:
                loop = asyncio.get_running_loop()
                loop.call_soon(self.pushed, Message(1, "room.sync", {"path": header["path"]}, self.state))
            return JsonContent({"schema": {}})
        if len(self.sent()) > 1:
            self.heard.set()
        await self.hold.wait()
        if type == "room.sync" and self.error is not None:
            raise self.error
        return EmptyContent()

    def sent(self) -> list[bytes]:
        return [base64.b64decode(data) for type, data in self.requests if type == "room.sync"]


@pytest.mark.asyncio
async def test_changes_that_come_together_go_out_as_one_and_in_order(within: Any) -> None:
    room = FakeRoom()
    sync = SyncClient(room)  # type: ignore[arg-type]
    document = await sync.open("a")
    for number in range(200):
        document.append_child("x", {"n": number})
    await within(5, sync.flush("a"))
    assert len(room.sent()) == 1
    for number in range(200, 210):  # one after the other, but within a few milliseconds
        document.append_child("x", {"n": number})
        await asyncio.sleep(0)
    await within(5, room.heard.wait())
    assert len(room.sent()) == 2
    room.hold.clear()
    for number in range(210, 400):
        document.append_child("x", {"n": number})
        await asyncio.sleep(0)
    room.hold.set()
    await within(5, sync.flush("a"))
    copy = Document()
    for update in room.sent():
        copy.apply(update)
    assert [child.get_attribute("n") for child in copy.get_children()] == list(range(400))
    await sync.cancel_listeners()


@pytest.mark.asyncio
async def test_what_the_room_pushed_is_not_sent_back(within: Any) -> None:
    room = FakeRoom()
    sync = SyncClient(room)  # type: ignore[arg-type]
    document = await sync.open("a")
    theirs = Document()
    theirs.append_child("theirs")
    room.pushed(Message(2, "room.sync", {"path": "a"}, base64.b64encode(theirs.state())))
    assert [child.tag for child in document.get_children()] == ["theirs"]
    await within(5, sync.flush("a"))
    assert room.sent() == []
    await sync.cancel_listeners()


@pytest.mark.asyncio
async def test_a_refused_change_is_told_to_who_waits_for_it(within: Any) -> None:
    room = FakeRoom()
    sync = SyncClient(room)  # type: ignore[arg-type]
    document = await sync.open("a")
    room.error = RoomException("read only")
    document.append_child("x")
    with pytest.raises(RoomException, match="read only"):
        await within(5, sync.flush("a"))
    await within(5, sync.close("a"))
    assert room.requests[-1][0] == "room.disconnect"


@pytest.mark.asyncio
@pytest.mark.parametrize("garbage", [b"!!!", base64.b64encode(b"\xff\xfe\x00nonsense")])
async def test_a_state_that_is_none_fails_the_opening_alone(garbage: bytes) -> None:
    room = FakeRoom()
    room.state = garbage
    sync = SyncClient(room)  # type: ignore[arg-type]
    with pytest.raises(Exception, match="update"):
        await sync.open("a")
    room.state = b"AAA="
    assert await sync.open("a")
    await sync.cancel_listeners()


@pytest.mark.asyncio
async def test_opening_has_a_deadline_and_documents_a_bound() -> None:
    room = FakeRoom()
    room.state = b""
    sync = SyncClient(room, open_timeout_s=0.01, max_open_count=1)  # type: ignore[arg-type]
    with pytest.raises(RoomError, match="sent no state"):
        await sync.open("a")
    room.state = b"AAA="
    await sync.open("b")
    with pytest.raises(RoomFull):
        await sync.open("c")
    await sync.cancel_listeners()
