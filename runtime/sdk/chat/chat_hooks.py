"""What a chat thread asks of the bot that it belongs to, and what it tells it about itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from runtime.sdk.chat.reply_decision import Question
from runtime.sdk.chat.thread import Thread
from runtime.sdk.context import AgentChatContext
from runtime.sdk.room.participant import Participant

if TYPE_CHECKING:
    from runtime.sdk.llm.adapter import LLMAdapter
    from runtime.sdk.tools.toolkit import Toolkit


class ChatThreadContext(msgspec.Struct):
    """What a chatbot's hooks are given about a thread.

    Args:
        chat: What the model is told.
        path: The thread's document; empty for a chat without one.
        thread: The document; None for a chat without one.
        participants: Who of the thread is in the room now, the bot left out.
    """

    chat: AgentChatContext
    path: str = ""
    thread: Thread | None = None
    participants: list[Participant] = msgspec.field(default_factory=list)


class ChatHooks(Protocol):
    """Whose thread it is: the hooks that decide what the model is told.  `ChatBot` says what each is for."""

    llm_adapter: LLMAdapter
    tool_adapter: Any

    @property
    def title(self) -> str | None: ...

    @property
    def participant_name(self) -> str: ...

    async def init_chat_context(self) -> AgentChatContext: ...

    async def greet(self, *, thread_context: ChatThreadContext) -> str | None: ...

    async def should_reply(self, *, thread_context: ChatThreadContext, question: Question) -> bool: ...

    async def get_rules(
        self, *, thread_context: ChatThreadContext, participant: Participant
    ) -> list[str]: ...

    async def get_thread_toolkits(
        self, *, thread_context: ChatThreadContext, participant: Participant
    ) -> list[Toolkit]: ...

    def on_llm_event(self, *, thread_context: ChatThreadContext, event: dict[str, Any]) -> None: ...
