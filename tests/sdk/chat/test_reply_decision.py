"""Whether to answer among several people."""

from __future__ import annotations

from typing import Any

import pytest

from runtime.model.contract import ModelError
from runtime.sdk.chat.reply_decision import Question, decide, decide_by_position, decide_by_rule
from runtime.sdk.chat.thread import ThreadMessage
from runtime.sdk.llm.adapter import LLMAdapter

pytestmark = pytest.mark.unit


def question(
    text: str, *, others: tuple[str, ...] = ("bob",), recent: tuple[tuple[str, str], ...] = ()
) -> Question:
    messages = [
        ThreadMessage(id=str(n), author_name=author, text=said) for n, (author, said) in enumerate(recent)
    ]
    return Question("chatbot", ["Simple Chatbot"], "ada", text, others, messages)


@pytest.mark.parametrize(
    ("text", "others", "decision"),
    [
        ("hello", (), True),
        ("@chatbot hello", ("bob",), True),
        ("what does the simple chatbot think?", ("bob",), True),
        ("ChatBot, and bob: hello", ("bob",), True),
        ("bob, hello", ("bob",), False),
        ("@bob", ("bob",), False),
        ("my chatbots and bobsleds", ("bob",), None),
        ("hello", ("bob",), None),
    ],
)
def test_by_rule(text: str, others: tuple[str, ...], decision: bool | None) -> None:
    assert decide_by_rule(question(text, others=others)) is decision


@pytest.mark.parametrize(
    ("recent", "decision"),
    [
        ((("ada", "x"), ("chatbot", "y")), True),
        ((("bob", "x"), ("chatbot", "y")), False),
        ((("chatbot", "x"), ("bob", "y")), False),
        ((), False),
    ],
)
def test_by_position(recent: tuple[tuple[str, str], ...], decision: bool) -> None:
    assert decide_by_position(question("go on", recent=recent)) is decision


class Judge(LLMAdapter):
    def __init__(self, verdict: Any) -> None:
        self.verdict = verdict
        self.told: list[dict[str, Any]] = []

    async def next(self, *, context: Any, **options: Any) -> Any:
        self.told.append({"messages": context.messages, **options})
        if isinstance(self.verdict, Exception):
            raise self.verdict
        return self.verdict


@pytest.mark.asyncio
async def test_what_the_rule_leaves_open_is_asked_of_the_model() -> None:
    judge = Judge({"reply": True})
    asked = question("what do you think?", recent=(("bob", "nice day"),))
    assert await decide(asked, adapter=judge, room=None, model="small")  # type: ignore[arg-type]
    assert judge.told[0]["model"] == "small"
    assert judge.told[0]["messages"][-1]["content"] == "bob: nice day\nada: what do you think?"
    judge.verdict = {"reply": False}
    assert not await decide(asked, adapter=judge, room=None, model=None)  # type: ignore[arg-type]
    assert not await decide(question("bob?"), adapter=judge, room=None, model=None)  # type: ignore[arg-type]
    assert len(judge.told) == 2


@pytest.mark.asyncio
@pytest.mark.parametrize("verdict", [ModelError("no"), "yes", {}])
async def test_a_model_that_cannot_judge_leaves_it_to_the_position(verdict: Any) -> None:
    asked = question("go on", recent=(("bob", "x"), ("chatbot", "y")))
    assert not await decide(asked, adapter=Judge(verdict), room=None, model=None)  # type: ignore[arg-type]
