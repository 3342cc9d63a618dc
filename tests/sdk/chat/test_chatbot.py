"""A chatbot and people on the other side of a real room."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest

from runtime.errors import NotFound, RoomLost
from runtime.model.contract import ModelError
from runtime.sdk.chat import chat_session
from runtime.sdk.chat.chat_session import ChatSession
from runtime.sdk.chat.chat_thread import HISTORY_MESSAGES, MAX_WAITING
from runtime.sdk.chat.chatbot import ChatBot
from runtime.sdk.chat.thread import Thread
from runtime.sdk.llm.openai_responses import OpenAIResponsesAdapter
from runtime.sdk.room.messaging import RoomMessage
from runtime.sdk.room.requirements import RequiredToolkit
from runtime.sdk.task_runner import TaskRunner
from runtime.sdk.tools.remote_toolkit import RemoteToolkit
from runtime.sdk.tools.toolkit import Tool, ToolContext, Toolkit
from tests.patience import PATIENCE

pytestmark = pytest.mark.process

SEED_RULE = "Always respond to the user first then include a fun fact at the end of your response."


class Weather(Tool):
    """Tell the weather."""

    def __init__(self) -> None:
        super().__init__(name="weather", description="Tell the weather in a city")
        self.for_whom: list[str | None] = []

    async def execute(self, context: ToolContext, city: str) -> str:
        self.for_whom.append(context.on_behalf_of.name if context.on_behalf_of else None)
        return f"It rains in {city}"


async def answer(chat: ChatSession, text: str) -> str:
    async with asyncio.timeout(10 * PATIENCE):
        return "".join([piece async for piece in chat.say(text)])


def bot_with(model: Any, **options: Any) -> ChatBot:
    return ChatBot(llm_adapter=OpenAIResponsesAdapter(backend=model), **options)


def messages_to(client: Any) -> list[RoomMessage]:
    heard: list[RoomMessage] = []
    client.messaging.on("message", lambda message: heard.append(message))
    return heard


@pytest.mark.asyncio
async def test_the_seeds_chatbot_answers_and_ends_in_a_fun_fact(server: Any, host: Any) -> None:
    await host(ChatBot(name="chatbot", title="Simple Chatbot", description="x", rules=[SEED_RULE]))
    async with ChatSession(await server.enter("ada")) as chat:
        said = await answer(chat, "hello")
        assert "built-in offline model" in said
        assert "Fun fact: " in said.splitlines()[-1]
        history = [(message.author_name, message.role, message.text) for message in chat.history()]
        assert history == [("ada", "user", "hello"), ("chatbot", "agent", said)]
        assert chat.history()[1].turn_id == chat.history()[0].id


@pytest.mark.asyncio
async def test_an_answer_streams_through_the_document(
    server: Any, host: Any, stepped: Any, within: Any
) -> None:
    model = stepped("One. ", "Two. ", "Three.")
    await host(bot_with(model))
    async with ChatSession(await server.enter("ada")) as chat:
        pieces = chat.say("count")
        for piece in ("One. ", "Two. ", "Three."):
            model.go()
            assert await within(5, anext(pieces)) == piece
        assert [piece async for piece in pieces] == []


@pytest.mark.asyncio
async def test_the_asker_hears_listening_thinking_and_the_finished_answer(server: Any, host: Any) -> None:
    await host(ChatBot())
    room = await server.enter("ada")
    heard = messages_to(room)
    async with ChatSession(room) as chat:
        said = await answer(chat, "hello")
    kinds = [(one.type, one.message.get("thinking", one.message.get("listening"))) for one in heard]
    assert kinds == [("listening", True), ("thinking", True), ("chat", None), ("thinking", False)]
    assert heard[2].message["text"] == said
    assert {one.message["path"] for one in heard} == {chat.path}


@pytest.mark.asyncio
async def test_cancel_ends_the_turn_and_not_the_chat(
    server: Any, host: Any, stepped: Any, within: Any
) -> None:
    model = stepped("Partial", " and the rest")
    await host(bot_with(model))
    async with ChatSession(await server.enter("ada")) as chat:
        pieces = chat.say("go on")
        model.go()
        assert await within(5, anext(pieces)) == "Partial"
        await chat.cancel()
        assert [piece async for piece in pieces] == []
        model.go(2)
        assert await answer(chat, "again") == "Partial and the rest"
        told = [message["content"] for message in model.requests[1].messages]
        assert told == ["go on", "Partial", "again"]


@pytest.mark.asyncio
async def test_cancel_before_the_model_spoke(server: Any, host: Any, stepped: Any, within: Any) -> None:
    model = stepped("never")
    await host(bot_with(model))
    async with ChatSession(await server.enter("ada")) as chat:

        async def ask() -> list[str]:
            return [piece async for piece in chat.say("go on")]

        asking = asyncio.create_task(ask())
        await within(5, model.asked.wait())
        await chat.cancel()
        assert await within(5, asking) == []


@pytest.mark.asyncio
async def test_clear_empties_the_thread_and_the_models_memory(server: Any, host: Any) -> None:
    await host(ChatBot())
    async with ChatSession(await server.enter("ada")) as chat:
        await answer(chat, "my name is Ada")
        assert "Ada" in await answer(chat, "what is my name?")
        await chat.clear()
        assert chat.history() == []
        assert "not told me" in await answer(chat, "what is my name?")


@pytest.mark.asyncio
async def test_a_new_session_of_the_bot_remembers_the_thread(server: Any, host: Any) -> None:
    first = await host(ChatBot())
    ada = await server.enter("ada")
    async with ChatSession(ada) as chat:
        await answer(chat, "my name is Ada")
    await first.room.close()
    await first.stop()
    await host(ChatBot())
    async with ChatSession(ada) as chat:
        assert await answer(chat, "what is my name?") == "Your name is Ada."


@pytest.mark.asyncio
async def test_tools_of_its_own_and_of_the_room(server: Any, host: Any) -> None:
    own, hosted = Weather(), Weather()
    toolkit = RemoteToolkit(name="meteo", tools=[hosted])
    await toolkit.start(room=await server.enter("meteo", role="tool"))
    await host(ChatBot(toolkits=[Toolkit(name="own", tools=[own])]))
    await host(ChatBot(requires=[RequiredToolkit(name="meteo")]), "other")
    room = await server.enter("ada")
    async with ChatSession(room) as chat:
        assert await answer(chat, "weather in Oslo") == "It rains in Oslo."
    async with ChatSession(room, to="other") as chat:
        assert await answer(chat, "weather in Bergen") == "It rains in Bergen."
    assert own.for_whom == ["ada"]
    assert len(hosted.for_whom) == 1
    await toolkit.stop()


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("error", "visible"),
    [
        (ModelError("The model is ill", cure="Call a doctor."), "⚠ The model is ill. Call a doctor."),
        (ValueError("oops"), "⚠ This agent failed: ValueError: oops. Its log says where."),
    ],
)
async def test_an_error_is_said_in_the_thread_and_the_chat_goes_on(
    server: Any, host: Any, stepped: Any, error: Exception, visible: str
) -> None:
    model = stepped("Well, ", error)
    await host(bot_with(model))
    async with ChatSession(await server.enter("ada")) as chat:
        model.go(2)
        assert await answer(chat, "hello") == f"Well, \n\n{visible}"
        assert chat.history()[-1].text == f"Well, \n\n{visible}"
        assert chat.is_failed
        model.pieces = ["fine"]
        model.go()
        assert await answer(chat, "and now?") == "fine"
        assert not chat.is_failed


@pytest.mark.asyncio
async def test_rules_reach_the_model_with_those_for_the_persons_client(
    server: Any, host: Any, stepped: Any
) -> None:
    model = stepped("ok")
    await host(bot_with(model, rules=["be kind"], client_rules={"terminal": ["no markdown"]}))
    ada = await server.enter("ada")
    async with ChatSession(ada) as chat:
        model.go(2)
        await answer(chat, "hello")
        await ada.local_participant.set_attribute("client", "terminal")
        await answer(chat, "again")
    first, second = [request.messages[0] for request in model.requests]
    assert first == {"role": "system", "content": "Rules:\n-be kind\n"}
    assert second == {"role": "system", "content": "Rules:\n-be kind\n-no markdown\n"}


@pytest.mark.asyncio
async def test_the_developer_log_shows_what_the_model_is_told(server: Any, host: Any, within: Any) -> None:
    await host(ChatBot(rules=["be kind"], toolkits=[Toolkit(name="own", tools=[Weather()])]))
    ada = await server.enter("ada")
    entries: asyncio.Queue[tuple[str, dict[str, Any]]] = asyncio.Queue()
    await ada.developer.enable()
    ada.developer.on("log", lambda type, data: entries.put_nowait((type, data)))
    async with ChatSession(ada) as chat:
        await answer(chat, "weather in Oslo")
        told = [await within(5, entries.get()) for _ in range(12)]
    kinds = [type.removeprefix("llm.") for type, _ in told]
    asked, answered = ["model_request"], ["usage", "model_answer"]
    calls = ["tool_call", "tool_result"]
    assert kinds == ["turn", "request", *asked, *answered, *calls, *asked, "first_words", *answered, "ended"]
    assert len({data.pop("turn_id") for _, data in told}) == 1
    data = [data for _, data in told]
    assert data[0]["asker"] == "ada"
    assert data[0]["waited_ms"] >= 0
    assert [data[2]["round"], data[7]["round"]] == [1, 2]
    assert data[2]["messages"][-1] == {"role": "user", "content": "weather in Oslo"}
    assert data[4]["calls"] == [{"name": "weather", "arguments": '{"city": "Oslo"}'}]
    assert "Oslo" in data[10]["text"]
    assert data[11]["ended"] == "done"
    told = [(type, each) for type, each in told if not re.search("turn|model|words|ended", type)]
    assert told[0][1] == {
        "path": chat.path,
        "model": None,
        "rules": ["be kind"],
        "tools": ["weather"],
        "asker": "ada",
    }
    assert told[2][1]["arguments"] == '{"city": "Oslo"}'
    assert "Oslo" in told[3][1]["output"]
    assert told[2][1]["call_id"] == told[3][1]["call_id"]


@pytest.mark.asyncio
async def test_attachments_are_named_to_the_model(server: Any, host: Any, stepped: Any, within: Any) -> None:
    model = stepped("ok")
    await host(bot_with(model))
    room = await server.enter("ada")
    await room.messaging.enable()
    bot = room.messaging.get_participant_by_name("chatbot")
    message = {
        "path": "a.thread",
        "text": "look",
        "attachments": [{"path": "a.png"}, 7, {"path": 3}],
        "model": "big",
    }
    await room.messaging.send_message(to=bot, type="chat", message=message)
    await within(5, model.asked.wait())
    assert model.requests[0].messages[-1]["content"] == "look\n[attached files in the room: a.png]"
    assert model.requests[0].model == "big"
    model.go()


@pytest.mark.asyncio
async def test_it_greets_in_an_empty_thread_once_and_shows_its_empty_state(server: Any, host: Any) -> None:
    class Sailor(ChatBot):
        starters = ("Where to?", *["x" * 300] * 9)

    await host(Sailor(auto_greet_message="Ahoy!", empty_state_title="Ask away"))
    ada = await server.enter("ada")
    for _ in range(2):
        async with ChatSession(ada) as chat:
            await answer(chat, "hello")
            assert [message.text for message in chat.history()].count("Ahoy!") == 1
    bot = ada.messaging.get_participant_by_name("chatbot")
    assert bot.get_attribute("empty_state_title") == "Ask away"
    assert bot.get_attribute("starters") == ["Where to?", *["x" * 200] * 5]


@pytest.mark.asyncio
async def test_among_several_people_it_answers_what_is_meant_for_it(server: Any, host: Any) -> None:
    await host(ChatBot(), "chatbot")
    ada, bob = await server.enter("ada"), await server.enter("bob")
    async with ChatSession(ada, path="both.thread") as one, ChatSession(bob, path="both.thread") as other:
        assert await answer(one, "has anybody seen my hat?") == ""
        assert await answer(other, "ada: no, sorry") == ""
        assert "offline model" in await answer(one, "@chatbot hello")
        assert await answer(one, "what is 2+2?") == "2+2 = 4."  # right after its answer: still meant for it
        assert await answer(one, "bob, are you there?") == ""


@pytest.mark.asyncio
async def test_always_reply_means_always(server: Any, host: Any) -> None:
    await host(ChatBot(always_reply=True))
    ada, bob = await server.enter("ada"), await server.enter("bob")
    async with ChatSession(ada, path="both.thread") as one, ChatSession(bob, path="both.thread"):
        assert await answer(one, "bob, what is 2+2?") == "2+2 = 4."


@pytest.mark.asyncio
async def test_threads_are_answered_side_by_side(server: Any, host: Any, stepped: Any, within: Any) -> None:
    model = stepped("done")
    await host(bot_with(model))
    ada, bob = await server.enter("ada"), await server.enter("bob")
    async with ChatSession(ada) as slow, ChatSession(bob) as quick:
        waiting = asyncio.create_task(answer(slow, "slow"))
        await within(5, model.asked.wait())
        model.pieces = []
        assert await answer(quick, "quick") == ""
        assert not waiting.done()
        model.go()
        assert await waiting == "done"


@pytest.mark.asyncio
async def test_a_plain_chat_message_is_answered_by_a_message(server: Any, host: Any, within: Any) -> None:
    await host(ChatBot())
    room = await server.enter("ada")
    await room.messaging.enable()
    answered: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    room.messaging.on(
        "message", lambda message: answered.put_nowait(message.message) if message.type == "chat" else None
    )
    bot = room.messaging.get_participant_by_name("chatbot")
    for text, expected in (
        ("my name is Ada", "Nice to meet you, Ada"),
        ("what is my name?", "Your name is Ada"),
    ):
        await room.messaging.send_message(to=bot, type="chat", message={"text": text})
        message = await within(5, answered.get())
        assert expected in message["text"]
        assert "path" not in message


@pytest.mark.asyncio
async def test_threads_open_at_once_are_bounded(server: Any, host: Any, stepped: Any, within: Any) -> None:
    model = stepped("done")
    bot = await host(bot_with(model, max_threads=2))
    ada = await server.enter("ada")
    async with ChatSession(ada, path="1.thread") as one, ChatSession(ada, path="2.thread") as two:
        busy = [asyncio.create_task(answer(chat, "x")) for chat in (one, two)]
        await within(5, model.asked_times(2))
        heard = messages_to(ada)
        refused = asyncio.Event()
        ada.messaging.on("message", lambda message: refused.set() if message.type == "chat" else None)
        bot_here = ada.messaging.get_participant_by_name("chatbot")
        await ada.messaging.send_message(to=bot_here, type="chat", message={"path": "3.thread", "text": "y"})
        await within(5, refused.wait())
        assert "cannot begin another" in heard[-1].message["text"]
        model.go(2)
        assert await asyncio.gather(*busy) == ["done", "done"]
        model.go()
        async with ChatSession(ada, path="3.thread") as three:  # the idle make room
            assert await answer(three, "z") == "done"
        assert len(bot._threads) == 2


@pytest.mark.asyncio
async def test_messages_that_make_no_sense_change_nothing(server: Any, host: Any) -> None:
    await host(ChatBot())
    room = await server.enter("ada")
    await room.messaging.enable()
    bot = room.messaging.get_participant_by_name("chatbot")
    for type, message in (
        ("chat", {}), ("chat", {"text": 3}), ("chat", {"path": 7, "text": "x"}), ("opened", {}),
        ("chat", {"path": "x" * 2000, "text": "x"}), ("typing", {"path": "a.thread"}),
        ("cancel", {}), ("sing", {"path": "a.thread"}), ("cancel", {"path": "unknown.thread"}),
    ):  # fmt: skip
        await room.messaging.send_message(to=bot, type=type, message=message)
    async with ChatSession(room) as chat:
        assert "offline model" in await answer(chat, "hello")


@pytest.mark.asyncio
async def test_the_toolkit_builders_are_answered(server: Any, host: Any, within: Any) -> None:
    await host(ChatBot())
    room = await server.enter("ada")
    heard, came = messages_to(room), asyncio.Event()
    room.messaging.on("message", lambda message: came.set())
    await room.messaging.enable()
    bot = room.messaging.get_participant_by_name("chatbot")
    await room.messaging.send_message(
        to=bot, type="get_thread_toolkit_builders", message={"path": "a.thread"}
    )
    await within(5, came.wait())
    assert heard[0].type == "set_thread_tool_providers"


@pytest.mark.asyncio
async def test_stopping_in_mid_answer_is_quick_and_final(
    server: Any, host: Any, stepped: Any, within: Any
) -> None:
    model = stepped("Partial", "never")
    bot = await host(bot_with(model))
    async with ChatSession(await server.enter("ada")) as chat:
        pieces = chat.say("go on")
        model.go()
        await within(5, anext(pieces))
        await within(2, bot.stop())
        await bot.stop()
        assert [piece async for piece in pieces] == []


@pytest.mark.asyncio
@pytest.mark.parametrize("who", ["chatbot", "ada"])
async def test_when_a_side_is_lost_in_mid_answer_the_session_says_so(
    server: Any, host: Any, stepped: Any, within: Any, who: str
) -> None:
    model = stepped("Partial", "never")
    bot = await host(bot_with(model))
    ada = await server.enter("ada")
    async with ChatSession(ada) as chat:
        pieces = chat.say("go on")
        model.go()
        await within(5, anext(pieces))
        await (bot.room if who == "chatbot" else ada).close()
        with pytest.raises(RoomLost):
            await within(5, anext(pieces))


@pytest.mark.asyncio
async def test_two_chatbots_in_a_thread_do_not_answer_each_other(
    server: Any, host: Any, stepped: Any
) -> None:
    one, other = stepped("I am one"), stepped("I am another")
    await host(bot_with(one), "one")
    await host(bot_with(other), "other")
    ada = await server.enter("ada")
    to_one, to_other = (ChatSession(ada, to=name, path="a.thread") for name in ("one", "other"))
    async with to_one, to_other:
        one.go(2)
        other.go(2)
        assert await answer(to_one, "hello") == "I am one"
        assert await answer(to_other, "hello") == "I am another"
        assert (len(one.requests), len(other.requests)) == (1, 1)


@pytest.mark.asyncio
async def test_the_model_hears_what_stood_unanswered_in_the_thread(
    server: Any, host: Any, stepped: Any, within: Any
) -> None:
    model = stepped("ok")
    ada = await server.enter("ada")
    thread = Thread(await ada.sync.open("a.thread"))
    for number in range(HISTORY_MESSAGES + 20):
        thread.append_message(author_name="ada", text=f"unanswered {number}")
    await ada.sync.flush("a.thread")
    await host(bot_with(model))
    async with ChatSession(ada, path="a.thread") as chat:
        model.go(2)
        await answer(chat, "now")
        await answer(chat, "again")
    told = [message["content"] for message in model.requests[0].messages]
    assert len(told) == HISTORY_MESSAGES + 1
    assert told[-2:] == [f"unanswered {HISTORY_MESSAGES + 19}", "now"]
    assert [message["content"] for message in model.requests[1].messages] == [*told, "ok", "again"]


@pytest.mark.asyncio
async def test_two_people_who_talk_at_once_each_hear_their_own_answer(server: Any, host: Any) -> None:
    await host(ChatBot(always_reply=True))
    ada, bob = await server.enter("ada"), await server.enter("bob")
    async with ChatSession(ada, path="a.thread") as one, ChatSession(bob, path="a.thread") as other:
        answers = await asyncio.gather(answer(one, "say one"), answer(other, "say two"))
    assert answers == ["one", "two"]


@pytest.mark.asyncio
async def test_messages_that_wait_in_a_thread_are_bounded(
    server: Any, host: Any, stepped: Any, within: Any
) -> None:
    model = stepped("never")
    await host(bot_with(model))
    room = await server.enter("ada")
    refused = asyncio.Event()
    room.messaging.on("message", lambda message: refused.set() if message.type == "chat" else None)
    await room.messaging.enable()
    bot = room.messaging.get_participant_by_name("chatbot")
    for number in range(MAX_WAITING + 2):  # one is being answered
        assert not refused.is_set()
        await room.messaging.send_message(
            to=bot, type="chat", message={"path": "a.thread", "text": str(number)}
        )
    await within(5, refused.wait())


@pytest.mark.asyncio
async def test_a_session_without_its_agent_says_who_is_there(server: Any, host: Any) -> None:
    await host(ChatBot(), "somebody")
    with pytest.raises(NotFound, match="somebody"):
        await ChatSession(await server.enter("ada"), find_timeout_s=0.05).open()


@pytest.mark.asyncio
async def test_who_is_not_there_is_waited_for_and_that_is_said(
    server: Any, host: Any, within: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chat_session, "PATIENCE_S", 0.05)
    waiting = asyncio.Event()
    chat = ChatSession(await server.enter("ada"), on_waiting=waiting.set)
    opening = asyncio.create_task(chat.open())
    await within(5, waiting.wait())
    await host(ChatBot())
    await within(5, opening)
    await chat.close()


@pytest.mark.asyncio
async def test_who_offers_tools_or_takes_tasks_is_not_one_to_chat_with(
    server: Any, host: Any, within: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chat_session, "PATIENCE_S", 0.05)
    await host(ChatBot())
    await RemoteToolkit(name="adder", tools=[Weather()]).start(room=await server.enter("adder", role="agent"))
    await host(TaskRunner(name="helper"), "helper")
    room = await server.enter("ada")
    for name, kind in (
        ("adder", r"it offers tools.*invoke-tool --room \S+ --toolkit adder --tool weather --arguments"),
        ("helper", r"it takes tasks.*agents ask --room \S+ --agent helper --input"),
    ):
        with pytest.raises(NotFound, match=f"{name} is in the room, but is not one to chat with: {kind}"):
            await within(5, ChatSession(room, to=name).open())
    await (await server.enter("bob")).messaging.enable()
    with pytest.raises(NotFound, match=r"bob is a person.*agents list --room \S+"):
        await within(5, ChatSession(room, to="bob").open())
    with pytest.raises(NotFound, match=r"there is no nobody in the room.*You can talk to: chatbot\.$"):
        await within(5, ChatSession(room, to="nobody", find_timeout_s=0.1).open())
