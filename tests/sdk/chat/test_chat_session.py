"""A person's side of a chat with agents that say in other ways than ours when their answer is done."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from runtime.sdk.chat import chat_session, chat_turn
from runtime.sdk.chat.chat_session import ChatSession
from runtime.sdk.chat.thread import Thread
from runtime.sdk.room.client import RoomClient

pytestmark = [pytest.mark.unit, pytest.mark.asyncio]

Reply = Callable[["Scripted", str], Awaitable[None]]


class Scripted:
    """An agent that answers each `chat` as the test wants it."""

    def __init__(self, room: RoomClient, reply: Reply) -> None:
        self.room, self.reply, self.path = room, reply, ""
        self.tasks: list[asyncio.Task[None]] = []
        self.cancelled = asyncio.Event()
        room.messaging.on("message", self._heard)

    def _heard(self, *, message: Any) -> None:
        self.path = message.message["path"]
        if message.type == "chat":
            (self.person,) = self.room.messaging.get_participants()
            self.tasks.append(asyncio.create_task(self.reply(self, message.message["text"])))
        elif message.type == "cancel":
            self.cancelled.set()

    async def write(self, text: str, tag: str = "message") -> None:
        """Put words, or an entry of another kind, at the end of the thread."""
        thread = Thread(await self.room.sync.open(self.path))
        if tag == "message":
            thread.append_message(author_name="chatbot", text=text, role="agent")
        else:
            thread.document.child("messages").append_child(tag, {"state": text})
        await self.room.sync.flush(self.path)
        await self.room.sync.close(self.path)

    async def send(self, text: str) -> None:
        message = {"type": "chat", "path": self.path, "text": text}
        await self.room.messaging.send_message(to=self.person, type="chat", message=message)


async def scripted(server: Any, reply: Reply) -> Scripted:
    room = await server.enter("chatbot", role="agent")
    await room.messaging.enable()
    return Scripted(room, reply)


async def answer(chat: ChatSession, text: str = "hello") -> str:
    return "".join([piece async for piece in chat.say(text)])


@pytest.fixture(autouse=True)
def no_waiting_for_who_does_not_listen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chat_session, "LISTEN_TIMEOUT_S", 0.01)


async def test_a_complete_text_ends_the_answer_of_one_that_says_no_more(
    server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chat_turn, "QUIET_S", 0.05)

    async def reply(bot: Scripted, said: str) -> None:
        await bot.write(f"you said {said}")
        await bot.send(f"you said {said}")

    await scripted(server, reply)
    async with ChatSession(await server.enter("ada"), answer_timeout_s=30) as chat:
        assert await answer(chat, "one") == "you said one"
        assert await answer(chat, "two") == "you said two"


async def test_a_text_before_a_tool_is_not_the_end(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chat_turn, "QUIET_S", 0.02)
    goes_on = asyncio.Event()

    async def reply(bot: Scripted, said: str) -> None:
        await bot.write("let me look")
        await bot.write("in_progress", tag="event")
        await bot.send("let me look")
        await goes_on.wait()
        await bot.write("found it")
        await bot.send("found it")

    await scripted(server, reply)
    async with ChatSession(await server.enter("ada"), answer_timeout_s=30) as chat:
        said = chat.say("hello")
        assert await anext(said) == "let me look"
        rest = asyncio.create_task(anext(said))
        assert await asyncio.wait([rest], timeout=0.2) == (set(), {rest})  # ten times as long as is quiet
        goes_on.set()
        assert await rest == "\n\nfound it"
        assert [piece async for piece in said] == []


async def test_a_text_that_the_document_never_shows_is_the_answer_all_the_same(
    server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chat_turn, "QUIET_S", 0.05)

    async def reply(bot: Scripted, said: str) -> None:
        await bot.send("in a message alone")

    await scripted(server, reply)
    async with ChatSession(await server.enter("ada"), answer_timeout_s=30) as chat:
        assert await answer(chat) == "in a message alone"


async def test_as_long_as_a_status_is_among_the_agents_attributes_its_answer_goes_on(
    server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chat_turn, "QUIET_S", 0.02)
    goes_on = asyncio.Event()

    async def reply(bot: Scripted, said: str) -> None:
        me = bot.room.local_participant
        await me.set_attribute(f"thread.status.{bot.path}", "Thinking")
        await me.set_attribute(f"thread.status.{bot.path}", None)
        await me.set_attribute(f"thread.status.{bot.path}", "Writing")
        await bot.write("first")
        await bot.send("first")
        await goes_on.wait()
        await bot.write("second")
        await me.set_attribute(f"thread.status.{bot.path}", None)

    await scripted(server, reply)
    async with ChatSession(await server.enter("ada"), answer_timeout_s=30) as chat:
        said = chat.say("hello")
        assert await anext(said) == "first"
        rest = asyncio.create_task(anext(said))
        assert await asyncio.wait([rest], timeout=0.2) == (set(), {rest})  # ten times as long as is quiet
        goes_on.set()
        assert await rest == "\n\nsecond"
        assert [piece async for piece in said] == []


async def test_a_cancelled_answer_ends_though_nobody_says_so(
    server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chat_turn, "QUIET_S", 0.05)

    async def reply(bot: Scripted, said: str) -> None:
        await bot.write("it was a dark and")
        await bot.cancelled.wait()

    await scripted(server, reply)
    async with ChatSession(await server.enter("ada"), answer_timeout_s=30) as chat:
        said = chat.say("tell me a story")
        assert await anext(said) == "it was a dark and"
        await chat.cancel()
        assert [piece async for piece in said] == []
