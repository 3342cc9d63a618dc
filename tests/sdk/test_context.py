"""What a model is told, and its bounds."""

from __future__ import annotations

import pytest

from runtime.model.contract import rules_of, rules_text
from runtime.sdk.context import AgentChatContext

pytestmark = pytest.mark.unit


def test_rules_are_one_system_text_in_the_protocols_form() -> None:
    context = AgentChatContext()
    context.append_rules(["be kind", "be brief"])
    assert context.messages == [{"role": "system", "content": "Rules:\n-be kind\n-be brief\n"}]
    assert rules_of(context.messages[0]["content"]) == ["be kind", "be brief"]
    assert rules_text([]) == ""


def test_replacing_rules_leaves_what_was_said() -> None:
    context = AgentChatContext(system_role="developer")
    context.append_rules(["old"])
    context.append_user_message("Rules:\n-mine\n")
    context.append_assistant_message("hello")
    context.replace_rules(["new"])
    assert context.messages[0] == {"role": "developer", "content": "Rules:\n-new\n"}
    assert [message["role"] for message in context.messages] == ["developer", "user", "assistant"]


def test_a_rule_cannot_smuggle_in_a_line_of_its_own() -> None:
    assert rules_text(["one\n-two"]) == "Rules:\n-one -two\n"


def test_the_oldest_messages_go_but_rules_stay() -> None:
    context = AgentChatContext(max_messages=4)
    context.append_rules(["stay"])
    for number in range(10):
        context.append_user_message(str(number))
    assert [message["content"] for message in context.messages] == ["Rules:\n-stay\n", "7", "8", "9"]


def test_an_output_never_outlives_its_call() -> None:
    context = AgentChatContext(max_messages=2)
    context.extend(
        [
            {"type": "function_call", "call_id": "1", "name": "add", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "1", "output": "3"},
        ]
    )
    context.append_user_message("next")
    assert [message.get("type", "text") for message in context.messages] == ["text"]


def test_a_long_text_is_cut_with_a_mark() -> None:
    context = AgentChatContext(max_text_chars=100)
    context.append_user_message("x" * 1000)
    assert len(context.messages[0]["content"]) == 100
    assert "1000 characters" in context.messages[0]["content"]


def test_copies_and_json_share_nothing() -> None:
    context = AgentChatContext()
    context.append_user_message("hi", name="ada")
    copy = AgentChatContext.from_json(context.copy().to_json())
    copy.append_user_message("more")
    copy.messages[0]["content"] = "changed"
    assert context.messages == [{"role": "user", "content": "ada said: hi"}]
