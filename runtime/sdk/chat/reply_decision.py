"""Whether a chatbot should answer a message in a thread with several people.

The rule costs nothing and is sure: a bot that is named answers, one whose reader names somebody else does
not.  What the rule leaves open is asked of the model, if there is one that can judge.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from runtime.model.contract import ModelError
from runtime.sdk.chat.thread import ThreadMessage
from runtime.sdk.context import AgentChatContext, cut

if TYPE_CHECKING:
    from runtime.sdk.llm.adapter import LLMAdapter
    from runtime.sdk.room.client import RoomClient

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"reply": {"type": "boolean"}},
    "required": ["reply"],
    "additionalProperties": False,
}
LOOK_BACK = 10
QUOTE_CHARS = 500

_log = logging.getLogger("chat")


class Question(msgspec.Struct, frozen=True):
    """A message, and who is in the thread with it."""

    bot: str
    titles: Sequence[str]
    """Other names that the bot listens to."""
    author: str
    text: str
    others: Sequence[str]
    """The other people in the thread; the author and the bot are not among them."""
    recent: Sequence[ThreadMessage]
    """What was said before, oldest first."""


def decide_by_rule(question: Question) -> bool | None:
    """True or False where the text alone says so, else None."""
    if any(_names(question.text, name) for name in (question.bot, *question.titles)):
        return True
    if not question.others:
        return True
    if any(_names(question.text, name) for name in question.others):
        return False
    return None


def decide_by_position(question: Question) -> bool:
    """Answer one who goes on talking right after the bot answered that same person."""
    before = [message for message in question.recent if message.text][-2:]
    return (
        len(before) == 2
        and before[1].author_name == question.bot
        and before[0].author_name == question.author
    )


async def decide(question: Question, *, adapter: LLMAdapter, room: RoomClient, model: str | None) -> bool:
    """Rule, then model; position where there is no model that can judge, or it fails."""
    ruled = decide_by_rule(question)
    if ruled is not None:
        return ruled
    if adapter.is_offline():
        return decide_by_position(question)
    context = AgentChatContext()
    context.append_rules(
        [
            f"Decide whether the assistant {question.bot} should reply to the last message of a group chat.",
            "Reply true when the message is meant for the assistant, or when nobody else is addressed.",
            "Reply false when people talk among themselves.",
        ]
    )
    lines = [
        f"{message.author_name}: {cut(message.text, QUOTE_CHARS)}" for message in question.recent[-LOOK_BACK:]
    ]
    lines.append(f"{question.author}: {cut(question.text, QUOTE_CHARS)}")
    context.append_user_message("\n".join(lines))
    try:
        answer = await adapter.next(
            context=context, room=room, toolkits=[], output_schema=SCHEMA, model=model
        )
    except ModelError as error:
        _log.warning("the decision whether to reply fell back to a rule: %s", error)
        return decide_by_position(question)
    return bool(answer.get("reply")) if isinstance(answer, dict) else decide_by_position(question)


def _names(text: str, name: str) -> bool:
    """Whether a text speaks to a name: the whole name as words, with or without an @."""
    return bool(name) and re.search(rf"(?<!\w)@?{re.escape(name)}(?!\w)", text, re.I) is not None
