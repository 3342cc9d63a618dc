"""What an agent is told about a task beside its arguments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from runtime.sdk.room.participant import Participant
from runtime.sdk.tools.toolkit import ToolContext, Toolkit

if TYPE_CHECKING:
    from runtime.sdk.context import AgentChatContext
    from runtime.sdk.room.client import RoomClient


class TaskContext:
    """Who gave a task, and what the agent may use for it.

    ``chat`` (newer word: ``session``) is an empty conversation, made when it is first used.
    """

    def __init__(
        self,
        *,
        room: RoomClient,
        caller: Participant | None = None,
        on_behalf_of: Participant | None = None,
        toolkits: Sequence[Toolkit] | None = None,
        chat: AgentChatContext | None = None,
        session: AgentChatContext | None = None,
    ) -> None:
        self.room = room
        self.caller = caller if caller is not None else room.local_participant
        self.on_behalf_of = on_behalf_of
        self.toolkits = list(toolkits or ())
        self._chat = chat or session

    @property
    def chat(self) -> AgentChatContext:
        """The task's conversation."""
        if self._chat is None:
            from runtime.sdk.context import AgentChatContext

            self._chat = AgentChatContext()
        return self._chat

    @property
    def session(self) -> AgentChatContext:
        """The task's conversation."""
        return self.chat

    def to_tool_context(self) -> ToolContext:
        """The same as a context for tools."""
        return ToolContext(room=self.room, caller=self.caller, on_behalf_of=self.on_behalf_of)
