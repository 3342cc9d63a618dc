"""A thread document, also when others have written nonsense into it."""

from __future__ import annotations

import pytest

from runtime.sdk.chat.thread import MAX_TEXT_CHARS, Thread
from runtime.sdk.room.document import Document

pytestmark = pytest.mark.unit


def test_messages_are_read_as_they_were_written() -> None:
    thread = Thread(Document(), wall=lambda: 0.0)
    thread.append_message(author_name="ada", text="hi", id="m1", turn_id="t")
    answer = thread.append_message(author_name="bot", text="hel", role="agent")
    answer.set_text("hello")
    first, second = thread.messages
    assert (first.id, first.author_name, first.text, first.role, first.turn_id) == (
        "m1",
        "ada",
        "hi",
        "user",
        "t",
    )
    assert first.created_at == "1970-01-01T00:00:00.000Z"
    assert (second.text, second.role, second.id) == ("hello", "agent", answer.id)


def test_a_member_is_a_member_once() -> None:
    thread = Thread(Document())
    for name in ("ada", "bob", "ada", ""):
        thread.add_member(name)
    assert thread.members == ["ada", "bob"]


def test_the_containers_of_the_room_are_used() -> None:
    document = Document()
    members, messages = document.append_child("members"), document.append_child("messages")
    thread = Thread(document)
    thread.add_member("ada")
    thread.append_message(author_name="ada", text="hi")
    assert len(document.get_children()) == 2
    assert (len(members.get_children()), len(messages.get_children())) == (1, 1)


def test_clearing_keeps_members_and_ends_what_is_being_written() -> None:
    thread = Thread(Document())
    thread.add_member("ada")
    message = thread.append_message(author_name="bot", text="hal")
    thread.clear()
    message.set_text("half")
    assert (thread.messages, thread.members, message.is_there()) == ([], ["ada"], False)


def test_nonsense_of_others_is_passed_over() -> None:
    document = Document()
    thread = Thread(document)
    messages = document.append_child("messages")
    messages.append_child("message")
    messages.append_child("message", {"text": 7, "author_name": None})
    messages.append_child("reasoning", {"summary": "hm"})
    document.append_child("members").append_child("member", {"name": 3})
    thread.append_message(author_name="ada", text="hi")
    assert [message.text for message in thread.messages] == ["hi"]
    assert thread.members == []


def test_the_tail_of_a_thread() -> None:
    thread = Thread(Document())
    for number in range(5):
        thread.append_message(author_name="ada", text=str(number))
    assert [message.text for message in thread.tail(2)] == ["3", "4"]
    assert [message.text for message in thread.tail(9)] == ["0", "1", "2", "3", "4"]


def test_a_text_is_bounded() -> None:
    thread = Thread(Document())
    message = thread.append_message(author_name="ada", text="x" * (MAX_TEXT_CHARS + 1))
    assert len(message.text) == MAX_TEXT_CHARS
    message.set_text("y" * (MAX_TEXT_CHARS + 1))
    assert len(message.text) == MAX_TEXT_CHARS
