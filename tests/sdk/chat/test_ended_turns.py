"""What a thread keeps of turns that did not end by themselves: cancelled, cut off, or taken back."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from runtime.sdk.chat.chat_session import ChatSession
from runtime.sdk.chat.chatbot import ChatBot
from runtime.sdk.llm.openai_responses import OpenAIResponsesAdapter

pytestmark = pytest.mark.process


def answers(chat: ChatSession) -> list[tuple[str, str, bool]]:
    """Texts of the agent, what became of them, and whether they name who wrote them."""
    elements = chat._opened().document.child("messages").get_children()
    return [
        (
            one.get_text_attribute("text"),
            one.get_text_attribute("ended"),
            bool(one.get_text_attribute("written_by")),
        )
        for one in elements
        if one.get_text_attribute("role") == "agent"
    ]


@pytest.mark.asyncio
@pytest.mark.parametrize(("how", "ended"), [("finish", "done"), ("cancel", "cancelled"), ("stop", "cut")])
async def test_the_thread_says_what_became_of_an_answer(
    server: Any, host: Any, stepped: Any, within: Any, how: str, ended: str
) -> None:
    model = stepped("Half", " and half")
    bot = await host(ChatBot(llm_adapter=OpenAIResponsesAdapter(backend=model)))
    async with ChatSession(await server.enter("ada")) as chat:
        pieces = chat.say("go on")
        model.go()
        assert await within(5, anext(pieces)) == "Half"
        assert answers(chat) == [("Half", "", True)], "who leaves now has left it unfinished"
        if how == "finish":
            model.go()
        else:
            await (chat.cancel() if how == "cancel" else bot.stop())
        rest = "".join([piece async for piece in pieces])
        assert chat.is_cut == (ended == "cut")
        changed = asyncio.Event()
        chat._opened().document.on_change(changed.set)
        while not answers(chat)[0][1]:
            await within(5, changed.wait())
            changed.clear()
        assert answers(chat) == [(f"Half{rest}", ended, True)]


@pytest.mark.asyncio
async def test_a_message_that_waits_is_taken_back_alone(
    server: Any, host: Any, stepped: Any, within: Any
) -> None:
    model = stepped("One")
    await host(ChatBot(llm_adapter=OpenAIResponsesAdapter(backend=model)))
    ada = await server.enter("ada")
    async with ChatSession(ada) as chat:
        ended: dict[str, str] = {}
        news = asyncio.Event()

        def hear(message: Any) -> None:
            if message.type == "thinking" and message.message["thinking"] is False:
                ended[message.message["turn_id"]] = message.message["ended"]
                news.set()

        async def until(turn_id: str) -> str:
            while turn_id not in ended:
                await within(5, news.wait())
                news.clear()
            return ended[turn_id]

        ada.messaging.on("message", hear)
        bot = ada.messaging.get_participant_by_name("chatbot")
        for turn_id in ("first", "second", "third"):
            said = {"path": chat.path, "text": turn_id, "id": turn_id}
            await ada.messaging.send_message(to=bot, type="chat", message=said)
        await within(5, model.asked.wait())
        cancel = {"path": chat.path, "turn_id": "second"}
        await ada.messaging.send_message(to=bot, type="cancel", message=cancel)
        assert await until("second") == "cancelled"
        assert set(ended) == {"second"}
        model.go(2)
        assert [await until("first"), await until("third")] == ["done", "done"]
        assert [request.messages[-1]["content"] for request in model.requests] == ["first", "third"]
