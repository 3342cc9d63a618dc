"""What an agent holds to talk to a language model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from runtime.sdk.context import AgentChatContext

if TYPE_CHECKING:
    from runtime.sdk.room.client import RoomClient
    from runtime.sdk.room.participant import Participant
    from runtime.sdk.tools.toolkit import Toolkit

EventHandler = Callable[[dict[str, Any]], None]
"""Hears of a turn as it happens, in the Responses API's event names: ``response.output_text.delta`` with
``delta``; ``response.function_call.started`` and ``.done`` with ``name``, ``arguments`` and ``output``;
``response.completed`` with ``usage``."""


class LLMAdapter:
    """Base of every adapter: one turn of a model, its tool calls included."""

    def default_model(self) -> str:
        """The model that answers when the caller names none."""
        raise NotImplementedError

    def is_offline(self) -> bool:
        """True for a stand-in that cannot be asked to judge, such as the built-in offline model."""
        return False

    def create_chat_context(self) -> AgentChatContext:
        """An empty context in the form that this adapter's models want."""
        return AgentChatContext(system_role="system")

    async def check_for_termination(self, *, context: AgentChatContext, room: RoomClient) -> bool:
        """Whether the turn is over: no, while the last item is a tool's output that waits for an answer."""
        return not context.messages or context.messages[-1].get("type") != "function_call_output"

    def tool_providers(self, *, model: str) -> list[Any]:
        """Tools that the model's provider runs itself and a chat may switch on; none here."""
        return []

    async def next(
        self,
        *,
        context: AgentChatContext,
        room: RoomClient,
        toolkits: Sequence[Toolkit],
        tool_adapter: Any = None,
        output_schema: dict[str, Any] | None = None,
        event_handler: EventHandler | None = None,
        model: str | None = None,
        on_behalf_of: Participant | None = None,
    ) -> Any:
        """Let the model answer what is in `context`, running the tools it asks for.

        What it said and did is appended to `context`, also when it fails half-way.

        Args:
            toolkits: What it may call.
            tool_adapter: Turns a tool's result into text for the model; None uses its JSON or text.
            output_schema: With one, the answer is data that fits it; without, text.
            event_handler: Hears of the answer as it comes; called in the event loop, must not block.
            on_behalf_of: For whom tools are called.

        Raises:
            ModelError: The model gave no answer, or not all of it.
        """
        raise NotImplementedError
