"""Whatever a participant sends, everybody else's room goes on."""

from __future__ import annotations

import asyncio
import tempfile
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.rooms import hosted
from runtime.rooms.dispatcher import BUILT_IN_TOOLKITS
from runtime.rooms.hub import RoomHub
from runtime.rooms.limits import RoomLimits
from runtime.rooms.token import FULL
from runtime.wire.room import Assembler, Message, Unread, encode
from tests.patience import PATIENCE

pytestmark = pytest.mark.process

ONE_WAY = {
    "set_attributes",
    "agent.ask_response",
    *(f"{word}.tool_call_response{end}" for word in ("agent", "room") for end in ("", "_chunk")),
}
KINDS = [
    *ONE_WAY,
    *(f"messaging.{verb}" for verb in ("enable", "disable", "send", "broadcast")),
    *(f"room.{verb}" for verb in ("connect", "sync", "disconnect", "create", "describe", "call")),
    *(f"storage.{verb}" for verb in ("open", "write", "close", "list", "stat", "delete", "move", "download")),
    *(f"queues.{verb}" for verb in ("open", "send", "drain", "close", "list")),
    *(
        f"agent.{verb}"
        for verb in ("register_agent", "register_toolkit", "list_toolkits", "list_agents", "call")
    ),
    "room.invoke_tool",
    "room.tool_call_request_chunk",
    "developer.log",
    "nonsense",
]
TOOLS = ["send", "open", "upload", "download", "list", "stat", "logs", "create", "describe", "receive"]

words = st.sampled_from(
    ["a.thread", "a", "", "..", "q", "thread", "json", "control", "open", "close", "binary", "\ud800"]
)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | words | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(words, inner, max_size=2),
    max_leaves=4,
)
KEYS = [
    "path",
    "name",
    "type",
    "message",
    "to_participant_id",
    "handle",
    "overwrite",
    "recursive",
    "schema",
    "initial_json",
    "tools",
    "url",
    "id",
    "chunk",
    "tool_call_id",
    "data",
    "json",
    "wait",
    "api",
]
headers = st.dictionaries(st.sampled_from(KEYS), values, max_size=5)
plain = st.tuples(st.sampled_from(KINDS), headers, st.binary(max_size=20))
tools = st.builds(
    lambda toolkit, tool, content, call: (
        "room.invoke_tool",
        {"toolkit": toolkit, "tool": tool, "arguments": content, "tool_call_id": call},
        b"",
    ),
    st.sampled_from(sorted(BUILT_IN_TOOLKITS)),
    st.sampled_from(TOOLS),
    st.fixed_dictionaries(
        {"type": st.sampled_from(["json", "control", "text"]), "method": words, "json": headers}
    ),
    words,
)


class Line:
    """A connection in memory."""

    def __init__(self) -> None:
        self.inbound: asyncio.Queue[bytes | None] = asyncio.Queue()
        self.assembler = Assembler()
        self.answers: dict[int, dict[str, Any]] = {}
        self.news = asyncio.Event()
        self.participant_id = ""

    async def receive(self) -> bytes | None:
        return await self.inbound.get()

    async def send(self, packet: bytes) -> None:
        message = self.assembler.receive(packet)
        if message is None:
            return
        if message.type == "connected":
            self.participant_id = message.header["participantId"]
        if message.type == "__response__":
            assert message.id not in self.answers, "answered twice"
            self.answers[message.id] = message.header
        self.news.set()

    async def close(self, code: int = 1000) -> None:
        self.inbound.put_nowait(None)

    def say(self, message: Message) -> None:
        for packet in encode(message):
            self.inbound.put_nowait(packet)

    async def answered(self, *ids: int) -> None:
        while not set(ids) <= set(self.answers):
            self.news.clear()
            await self.news.wait()


async def converse(sent: list[tuple[str, dict[str, Any], bytes]], folder: Path) -> None:
    hub = RoomHub(RoomLimits(flush_s=0.01, close_timeout_s=1), state_dir=folder, secret="s" * 40)
    eve, ada = Line(), Line()
    serving = [
        asyncio.create_task(
            hub.serve("r", hub.admit("r", hub.token("r", name, scope=FULL)), line, room_url="x")
        )
        for name, line in (("eve", eve), ("ada", ada))
    ]
    expected = []
    for number, (kind, header, data) in enumerate(sent, start=1):
        eve.say(Message(number, kind, header, data))
        waits = kind == "room.invoke_tool" and header.get("tool") == "receive"
        streams = kind == "room.invoke_tool" and header.get("arguments") == {
            "type": "control",
            "method": "open",
        }
        if kind not in ONE_WAY and not waits and not streams:
            expected.append(number)
    async with asyncio.timeout(10 * PATIENCE):
        await eve.answered(*expected)
        ada.say(Message(1, "messaging.enable"))
        await ada.answered(1)
        assert ada.answers[1] == {"type": "empty"}
        assert not any("inside the server" in str(answer) for answer in eve.answers.values())
        await hub.aclose()
        await asyncio.gather(*serving)


@settings(max_examples=60, deadline=None)
@given(st.lists(plain | tools, min_size=1, max_size=12))
def test_every_request_is_answered_once_and_the_room_goes_on(
    sent: list[tuple[str, dict[str, Any], bytes]],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(converse(sent, Path(folder)))


@pytest.mark.asyncio
async def test_a_large_header_is_read_beside_the_loop_and_in_its_turn(
    house: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[tuple[bool, int]] = []
    before = Unread.read

    def noted(self: Unread) -> Message:
        read.append((threading.current_thread() is threading.main_thread(), len(self.header)))
        return before(self)

    ada = await house.join("ada")
    monkeypatch.setattr(hosted.Unread, "read", noted)
    large = {"name": "q", "create": True, "message": {"text": "x" * hosted._READ_AT_ONCE_BYTES}}
    asked = [await ada.start("queues.send", {**large, "message": 1}), await ada.start("queues.send", large)]
    asked.append(await ada.start("queues.send", {**large, "message": 3}))
    for future in asked:
        await ada.answer(future)
    sizes = [size > hosted._READ_AT_ONCE_BYTES for is_main, size in read if is_main]
    assert not any(sizes)
    assert [size for is_main, size in read if size > hosted._READ_AT_ONCE_BYTES and not is_main]
    told = [(await ada.json("queues.receive", {"name": "q", "wait": False})) for _ in range(3)]
    assert [told[0], told[2]] == [1, 3]
