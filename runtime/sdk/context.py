"""What a model is told: the messages of one chat, its rules among them, bounded."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any, Self

from runtime.model.contract import RULES_HEADING, Message, rules_text

MAX_MESSAGES = 200
MAX_TEXT_CHARS = 32_000


def cut(text: str, limit_chars: int = MAX_TEXT_CHARS) -> str:
    """`text`, shortened to at most `limit_chars` with a mark that says so."""
    if len(text) <= limit_chars:
        return text
    mark = f"… [cut, {len(text)} characters]"
    return text[: max(0, limit_chars - len(mark))] + mark


class AgentChatContext:
    """The messages of one chat, oldest first.

    Bounded: beyond `max_messages` the oldest messages that are not system messages are dropped, and a single
    text is cut at `max_text_chars`.

    Args:
        messages: To start from; copied.
        system_role: The role under which rules are written (``system``; some models want ``developer``).
    """

    def __init__(
        self,
        *,
        messages: Sequence[Mapping[str, Any]] | None = None,
        system_role: str = "system",
        max_messages: int = MAX_MESSAGES,
        max_text_chars: int = MAX_TEXT_CHARS,
    ) -> None:
        self.messages: list[Message] = [copy.deepcopy(dict(message)) for message in messages or ()]
        self.system_role = system_role
        self.max_messages = max_messages
        self.max_text_chars = max_text_chars
        self._bound()

    def append_user_message(self, message: str, *, name: str | None = None) -> None:
        """Add what a person said; `name` is put before the text, as the API has no field for it."""
        said = cut(message, self.max_text_chars)
        self.append({"role": "user", "content": f"{name} said: {said}" if name else said})

    def append_assistant_message(self, message: str) -> None:
        self.append({"role": "assistant", "content": cut(message, self.max_text_chars)})

    def append_rules(self, rules: Sequence[str]) -> None:
        """Add rules as one system message; nothing for no rules."""
        text = rules_text(rules)
        if text:
            self.append({"role": self.system_role, "content": cut(text, self.max_text_chars)})

    def replace_rules(self, rules: Sequence[str]) -> None:
        """Make `rules` the only rules.  They stand first."""
        self.messages = [message for message in self.messages if not is_rules(message)]
        text = rules_text(rules)
        if text:
            self.messages.insert(0, {"role": self.system_role, "content": cut(text, self.max_text_chars)})
        self._bound()

    def append(self, message: Message) -> None:
        """Add one input item as it is."""
        self.messages.append(message)
        self._bound()

    def extend(self, messages: Sequence[Message]) -> None:
        """Add items that belong together, such as a tool call and its output."""
        self.messages.extend(messages)
        self._bound()

    def copy(self) -> Self:
        return type(self)(
            messages=self.messages,
            system_role=self.system_role,
            max_messages=self.max_messages,
            max_text_chars=self.max_text_chars,
        )

    def to_json(self) -> dict[str, Any]:
        return {"messages": copy.deepcopy(self.messages), "system_role": self.system_role}

    @classmethod
    def from_json(cls, json: Mapping[str, Any]) -> Self:
        return cls(messages=json["messages"], system_role=json.get("system_role", "system"))

    def _bound(self) -> None:
        excess = len(self.messages) - self.max_messages
        if excess <= 0:
            return
        kept: list[Message] = []
        for message in self.messages:
            if excess > 0 and message.get("role") not in ("system", "developer"):
                excess -= 1
            else:
                kept.append(message)
        # An output whose call was just dropped makes the API refuse the whole request.
        called = {message["call_id"] for message in kept if message.get("type") == "function_call"}
        self.messages = [
            message
            for message in kept
            if message.get("type") != "function_call_output" or message["call_id"] in called
        ][-max(1, self.max_messages) :]


def is_rules(message: Mapping[str, Any]) -> bool:
    """Whether a message is one of those that `AgentChatContext.append_rules` writes."""
    content = message.get("content")
    return isinstance(content, str) and content.startswith(RULES_HEADING) and message.get("role") != "user"
