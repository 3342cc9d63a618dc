"""A shared document: what one side writes the other reads, and nothing comes back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.errors import RemoteProtocolError
from runtime.sdk.room.document import Document

pytestmark = pytest.mark.unit


def wired(one: Document, other: Document) -> list[bytes]:
    """Pipe both documents' updates into each other; returns everything that was sent."""
    sent: list[bytes] = []

    def pipe(to: Document):  # type: ignore[no-untyped-def]
        def send(update: bytes) -> None:
            sent.append(update)
            assert len(sent) < 1000, "updates go round in circles"
            to.apply(update)

        return send

    one.on_update(pipe(other))
    other.on_update(pipe(one))
    return sent


def test_elements_attributes_and_text_reach_the_other_side_as_one_update_each() -> None:
    ada, bob = Document(), Document()
    sent = wired(ada, bob)
    messages = ada.append_child("messages")
    message = messages.append_child("message", {"text": "ahoy", "count": 3, "done": True, "none": None})
    message.append_text("rich ")
    message.append_text("text")
    assert len(sent) == 4
    seen = bob.child("messages").get_children_by_tag_name("message")[0]
    assert seen.attributes == {"text": "ahoy", "count": 3.0, "done": True, "none": None}
    assert seen.text == "rich text"
    assert seen.id == message.id != ""
    assert bob.child("messages").id == messages.id


def test_what_was_applied_is_not_sent_again() -> None:
    ada, bob = Document(), Document()
    heard: list[bytes] = []
    bob.on_update(heard.append)
    ada.on_update(bob.apply)
    ada.append_child("members").append_child("member", {"name": "ada"})
    assert heard == []
    bob.child("members").append_child("member", {"name": "bob"})
    assert len(heard) == 1


def test_changes_inside_a_transaction_are_one_update() -> None:
    document = Document()
    heard: list[bytes] = []
    document.on_update(heard.append)
    with document.transaction():
        thread = document.append_child("messages")
        thread.append_child("message", {"text": "a"})
        thread.append_child("message", {"text": "b"})
    assert len(heard) == 1


def test_deleting_and_clearing() -> None:
    document = Document()
    messages = document.append_child("messages")
    first, second = messages.append_child("message"), messages.append_child("message")
    first.delete()
    assert messages.get_children() == [second]
    first_again = messages.append_child("message")
    assert first_again != second
    messages.delete_children()
    assert messages.get_children() == []


def test_a_change_is_heard_until_the_listener_stops() -> None:
    document = Document()
    heard: list[int] = []
    stop = document.on_change(lambda: heard.append(1))
    document.append_child("a")
    stop()
    stop()
    document.append_child("b")
    assert heard == [1]


def test_a_listener_may_read_and_write_the_document() -> None:
    document = Document()
    heard: list[int] = []

    def listener() -> None:
        heard.append(len(document.get_children()))
        if len(heard) == 1:
            document.append_child("more")

    document.on_change(listener)
    document.append_child("first")
    copy = Document()
    copy.append_child("theirs")
    document.apply(copy.state())
    assert heard == [1, 2, 3]


def test_bytes_that_are_no_update_are_refused_and_change_nothing() -> None:
    document = Document()
    document.append_child("members")
    before = document.state()
    with pytest.raises(RemoteProtocolError):
        document.apply(b"\xff\x00garbage")
    assert document.state() == before


def test_a_state_relative_to_a_vector_brings_a_copy_up_to_date() -> None:
    document = Document()
    document.append_child("members")
    copy = Document(document.state())
    vector = copy.vector()
    document.append_child("messages")
    copy.apply(document.state(vector))
    assert [child.tag for child in copy.get_children()] == ["members", "messages"]


@given(st.lists(st.tuples(st.booleans(), st.text(max_size=20)), max_size=20))
def test_two_sides_that_write_at_once_end_up_the_same(writes: list[tuple[bool, str]]) -> None:
    ada, bob = Document(), Document()
    ada.append_child("messages")
    bob.apply(ada.state())
    for by_ada, text in writes:
        (ada if by_ada else bob).child("messages").append_child("message", {"text": text})
    ada.apply(bob.state())
    bob.apply(ada.state())
    texts = [element.get_attribute("text") for element in ada.child("messages").get_children()]
    assert texts == [element.get_attribute("text") for element in bob.child("messages").get_children()]
    assert sorted(texts, key=str) == sorted((text for _, text in writes), key=str)


def test_text_that_is_no_utf8_is_replaced_wherever_it_comes_in() -> None:
    bad, good = "a\udcffb", "a\ufffdb"
    ada, bob = Document(), Document()
    wired(ada, bob)
    one = ada.append_child(bad, {bad: bad})
    one.set_attribute("x" + bad, bad)
    one.append_text(bad)
    one.append_text(bad)
    (seen,) = bob.get_children()
    assert (seen.tag, seen.text) == (good, good + good)
    assert seen.attributes == {good: good, "x" + good: good}
    assert one.get_attribute(bad) == good


def test_its_id_fits_into_the_32_bits_that_older_yjs_keep() -> None:
    document = Document()
    document.append_child("card")
    count, *digits = document.vector()
    assert count == 1
    client = 0
    for place, digit in enumerate(digits):  # seven bits a byte, the lowest first
        client |= (digit & 0x7F) << (7 * place)
        if digit < 0x80:
            break
    assert 0 < client < 1 << 32
