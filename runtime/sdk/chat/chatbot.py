"""The chatbot: an agent that answers people in threads.

Theory: messages of the room come in here and are handed to one `ChatThread` per path, which does the talking.
Nothing here waits for a thread, so one slow answer holds up nobody else.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Any

from runtime.errors import RoomError
from runtime.sdk.agent import SingleRoomAgent
from runtime.sdk.chat.chat_hooks import ChatThreadContext
from runtime.sdk.chat.chat_message import said_from
from runtime.sdk.chat.chat_thread import ChatThread
from runtime.sdk.chat.reply_decision import Question, decide
from runtime.sdk.context import AgentChatContext
from runtime.sdk.llm.adapter import LLMAdapter
from runtime.sdk.llm.openai_responses import OpenAIResponsesAdapter
from runtime.sdk.room.client import RoomClient
from runtime.sdk.room.messaging import RoomMessage
from runtime.sdk.room.participant import Participant
from runtime.sdk.room.requirements import Requirement
from runtime.sdk.tools.function_tool import Hosted, toolkits_of
from runtime.sdk.tools.keywords import refuse_unknown
from runtime.sdk.tools.toolkit import ToolContext, Toolkit

_NEWER = frozenset(
    {
        *("decision_options", "skill_dirs", "skills_dirs"),
        *("thread_dir", "thread_name_rules", "threading_mode"),
    }
)
"""What some release of MeshAgent's ChatBot takes beyond."""

MAX_THREADS = 64
MAX_TEXT_CHARS = 32_000
MAX_TASKS = 256
MAX_STARTERS = 6
MAX_STARTER_CHARS = 200
EMPTY_STATE_TITLE = "How can I help you?"

_log = logging.getLogger("chat")


class ChatBot(SingleRoomAgent):
    """Answers people in chat threads with a language model.

    Every argument may be left out.

    Attributes:
        starters: What clients offer to begin a chat with, six texts at most; for a subclass to set.

    Args:
        name: As of every agent; so are ``title``, ``description``, ``labels`` and ``annotations``.
        requires: As of every agent; the model may call the tools of the toolkits among them.
        llm_adapter: The model; None is an `OpenAIResponsesAdapter`.
        model: Which model that asks, such as ``"gpt-5.1"``; an adapter of one's own is given it itself.
        tool_adapter: Turns tool results into text; the adapter does it without one.
        toolkits: Tools of its own.
        tools: The same, as they are written: functions with type hints, tools, toolkits.
        rules: What the model is told about how to answer; ``instructions`` come before them.
        client_rules: More rules for people whose participant attribute ``client`` is the key.
        auto_greet_message: What it says first in an empty thread.
        auto_greet_prompt: The same, but made by the model from this prompt.
        empty_state_title: What clients show above an empty thread.
        decision_model: Which model decides whether to reply among several people; None is the adapter's own.
        always_reply: Reply to every message, however many people there are.
        max_threads: Threads open at once; for another the longest idle is closed, or it is refused.
        newer: Arguments of newer MeshAgent versions that have no effect here (named in the log).

    Raises:
        TypeError: An argument that no release knows, or one of another type; says what to write.
    """

    starters: Sequence[str] = ()

    def __init__(
        self,
        *,
        name: str | None = None,
        title: str | None = None,
        description: str | None = None,
        requires: Sequence[Requirement] | None = None,
        llm_adapter: LLMAdapter | None = None,
        model: str | None = None,
        tool_adapter: Any = None,
        toolkits: Sequence[Toolkit] | None = None,
        tools: Sequence[Hosted] | None = None,
        instructions: str | Sequence[str] | None = None,
        rules: str | Sequence[str] | None = None,
        client_rules: Mapping[str, Sequence[str]] | None = None,
        auto_greet_message: str | None = None,
        auto_greet_prompt: str | None = None,
        empty_state_title: str | None = EMPTY_STATE_TITLE,
        labels: Sequence[str] | None = None,
        annotations: Sequence[str] | Mapping[str, str] | None = None,
        decision_model: str | None = None,
        always_reply: bool = False,
        max_threads: int = MAX_THREADS,
        **newer: Any,
    ) -> None:
        refuse_unknown(self, ChatBot.__init__, newer, elsewhere=_NEWER)
        super().__init__(
            name=name,
            title=title,
            description=description,
            requires=requires,
            labels=labels,
            annotations=annotations,
        )
        self.llm_adapter = _adapter(llm_adapter, model)
        self.tool_adapter = tool_adapter
        self.toolkits = [*(toolkits or ()), *toolkits_of(tools or (), name=name or "tools")]
        self.rules = [*_texts("instructions", instructions), *_texts("rules", rules)]
        self.client_rules = {client: list(more) for client, more in (client_rules or {}).items()}
        self._auto_greet_message = auto_greet_message
        self._auto_greet_prompt = auto_greet_prompt
        self._empty_state_title = empty_state_title
        self._decision_model = decision_model
        self._always_reply = always_reply
        self._max_threads = max_threads
        self._threads: dict[str, ChatThread] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def participant_name(self) -> str:
        """The name that stands under its messages."""
        return str(self.room.local_participant.name or self.name or "chatbot")

    # ---- what a subclass may override

    async def get_rules(self, *, thread_context: ChatThreadContext, participant: Participant) -> list[str]:
        """The rules for an answer to `participant`."""
        client = participant.get_attribute("client")
        return [*self.rules, *(self.client_rules.get(client, ()) if isinstance(client, str) else ())]

    async def get_thread_toolkits(
        self, *, thread_context: ChatThreadContext, participant: Participant
    ) -> list[Toolkit]:
        """The tools for an answer to `participant`: its own, and those it requires of the room."""
        context = ToolContext(caller=self.room.local_participant, on_behalf_of=participant, room=self.room)
        return [*self.toolkits, *await self.get_required_toolkits(context)]

    async def should_reply(self, *, thread_context: ChatThreadContext, question: Question) -> bool:
        """Whether to answer: always one person alone; among several only what is meant for the bot."""
        if self._always_reply or thread_context.thread is None:
            return True
        return await decide(question, adapter=self.llm_adapter, room=self.room, model=self._decision_model)

    async def greet(self, *, thread_context: ChatThreadContext) -> str | None:
        """What to say first in an empty thread; None for nothing."""
        if self._auto_greet_message or not self._auto_greet_prompt:
            return self._auto_greet_message
        chat = thread_context.chat.copy()
        chat.append_rules(self.rules)
        chat.append_user_message(self._auto_greet_prompt)
        return str(await self.llm_adapter.next(context=chat, room=self.room, toolkits=[]))

    def on_llm_event(self, *, thread_context: ChatThreadContext, event: dict[str, Any]) -> None:
        """Hear what the model and its tools do, in the adapter's event names.  Must not block."""

    async def init_chat_context(self) -> AgentChatContext:
        """An empty conversation in the form the adapter wants."""
        return self.llm_adapter.create_chat_context()

    # ---- the life of the agent

    async def start(self, *, room: RoomClient) -> None:
        """Enter: listen to messages and show the empty state's title.

        Raises:
            RoomException: The room refused, or lacks something the bot requires.
        """
        await super().start(room=room)
        room.messaging.on("message", self._received)
        room.messaging.on("participant_removed", self._left)
        if self._empty_state_title is not None:
            await room.local_participant.set_attribute("empty_state_title", self._empty_state_title)
        starters = [str(text)[:MAX_STARTER_CHARS] for text in self.starters[:MAX_STARTERS]]
        if starters:
            await room.local_participant.set_attribute("starters", starters)
        if self.llm_adapter.is_offline():
            _log.info("no model configured: the built-in offline model answers")
        await room.messaging.enable()

    async def stop(self) -> None:
        """End every turn, leave every thread.  A second call does nothing."""
        if self._room is None:
            return
        self._room.messaging.off("message", self._received)
        self._room.messaging.off("participant_removed", self._left)
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        threads = list(self._threads.values())
        self._threads.clear()
        await asyncio.gather(*tasks, *(thread.close() for thread in threads), return_exceptions=True)
        await super().stop()

    # ---- messages

    def _received(self, *, message: RoomMessage) -> None:
        sender = self.room.messaging.get_participant(message.from_participant_id)
        if sender is None:
            return  # left already, or a tool that never enabled messaging
        path = message.message.get("path", "")
        if not isinstance(path, str) or len(path) > 1000:
            return
        match message.type:
            case "opened" if path:
                opened = self._thread(path, sender)
                if opened is not None:
                    opened.opened_by(sender)
            case "chat":
                self._chat(path, sender, message.message)
            case "cancel":
                thread = self._threads.get(self._key(path, sender))
                if thread is not None:
                    named = message.message.get("turn_id")
                    thread.cancel(named if isinstance(named, str) else "")
            case "clear":
                thread = self._thread(path, sender)
                if thread is not None:
                    self._start(thread.clear())
            case "get_thread_toolkit_builders":
                self._tell(sender, "set_thread_tool_providers", {"path": path, "tool_providers": []})
            case "typing":
                pass  # nothing here waits for people to stop typing
            case _:
                pass  # other traffic of the room

    def _chat(self, path: str, sender: Participant, message: dict[str, Any]) -> None:
        said = said_from(sender, message, MAX_TEXT_CHARS)
        if said is None:
            return
        is_new = path not in self._threads
        thread = self._thread(path, sender)
        if thread is None:
            return
        if path and is_new:
            thread.opened_by(sender)
        if not thread.say(said):
            text = "I still have many messages of this chat to answer. Wait for me, or cancel."
            self._tell(sender, "chat", {"path": path, "text": text} if path else {"text": text})

    def _left(self, *, participant: Participant) -> None:
        # A chat without a document lives as long as the one who has it.
        thread = self._threads.pop(self._key("", participant), None)
        if thread is not None:
            self._start(thread.close())

    # ---- threads

    def _key(self, path: str, sender: Participant) -> str:
        return path or f"\0{sender.id}"

    def _thread(self, path: str, sender: Participant) -> ChatThread | None:
        """The thread of a path, opened when it is not; None, and the sender told, when there are too many."""
        key = self._key(path, sender)
        thread = self._threads.pop(key, None)
        if thread is None or thread.is_over:
            if len(self._threads) >= self._max_threads and not self._close_one():
                text = (
                    f"I have {len(self._threads)} chats under way and cannot begin another. Try again later."
                )
                self._tell(sender, "chat", {"path": path, "text": text} if path else {"text": text})
                return None
            thread = ChatThread(self, self.room, path)
        self._threads[key] = thread  # last again: the order is that of use
        return thread

    def _close_one(self) -> bool:
        for key, thread in self._threads.items():
            if thread.is_idle:
                del self._threads[key]
                self._start(thread.close())
                return True
        return False

    def _start(self, coroutine: Any) -> None:
        if len(self._tasks) >= MAX_TASKS:
            coroutine.close()
            _log.warning("a request was dropped: %d are under way", len(self._tasks))
            return
        task: asyncio.Task[None] = asyncio.create_task(coroutine, name="chat:request")
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("a chat request failed: %s", error, exc_info=error)

    def _tell(self, participant: Participant, type: str, message: dict[str, Any]) -> None:
        try:
            self.room.messaging.send_message_nowait(to=participant, type=type, message=message)
        except RoomError as error:
            _log.warning("%s could not be told: %s", participant.name, error)


def _adapter(adapter: LLMAdapter | None, model: str | None) -> LLMAdapter:
    if model is not None and not isinstance(model, str):
        raise TypeError(f'model is of type {type(model).__name__}; write model="gpt-5.1", or llm_adapter=…')
    if adapter is None:
        return OpenAIResponsesAdapter(model)
    if model is not None:
        raise TypeError(
            "llm_adapter and model are both given: give the model to the adapter, "
            f"llm_adapter={type(adapter).__name__}(model={model!r})"
        )
    return adapter


def _texts(name: str, given: str | Sequence[str] | None) -> list[str]:
    texts = [given] if isinstance(given, str) else list(given or ())
    for text in texts:
        if not isinstance(text, str):
            raise TypeError(f"{name} has {text!r} in it, of type {type(text).__name__}; write texts")
    return texts
