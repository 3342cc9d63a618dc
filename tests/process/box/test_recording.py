"""The last messages that came to a session, whole, for whoever wants to send them again."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from runtime.process.box.recording import MAX_MESSAGE_BYTES, RECORDING_BYTES
from runtime.process.plumbing import Box
from runtime.wire.room import Message, encode

pytestmark = pytest.mark.unit


@pytest.fixture
def box() -> Iterator[Box]:
    made = Box.create()
    yield made
    made.close()


def come(box: Box, *messages: Message) -> None:
    for message in messages:
        for packet in encode(message, slice_bytes=1000):
            box.recording.add(packet)


def chat(number: int, text: str = "hello") -> Message:
    return Message(
        number, "messaging.send", {"type": "chat", "message": {"text": text, "n": number}}, b"data"
    )


def test_messages_and_calls_of_tools_are_kept_and_nothing_else(box: Box) -> None:
    assert box.recording.messages() == []
    call = Message(2, "agent.tool_call.calc", {"name": "add"})
    come(
        box, chat(1), Message(5, "__response__", {"type": "json"}), call, Message(3, "room.sync", {}), chat(4)
    )
    assert box.recording.messages() == [chat(1), call, chat(4)]
    assert box.text() == ""


def test_the_last_ones_are_there_however_many_came(box: Box) -> None:
    for number in range(1000):
        come(box, chat(number, "x" * 3000))
        found = [message.id for message in box.recording.messages()]
        assert found == list(range(found[0], number + 1))
    assert 40 < len(found) < RECORDING_BYTES // 3000


def test_one_that_is_too_large_is_left_out_and_the_next_is_kept(box: Box) -> None:
    come(box, chat(1, "x" * (MAX_MESSAGE_BYTES + 1)), chat(2))
    assert box.recording.messages() == [chat(2)]


def test_the_message_that_killed_it_is_there(box: Box) -> None:
    child = os.fork()
    if child == 0:
        come(box, chat(1))
        os.kill(os.getpid(), 9)
    os.waitpid(child, 0)
    assert box.recording.messages() == [chat(1)]


def test_whatever_stands_there_can_be_read(box: Box) -> None:
    come(box, chat(1))
    for noise in (b"\xff", b"\x01", b"\x00\x00\x00\x10", bytes(range(256))):
        os.pwrite(box.fd, (noise * RECORDING_BYTES)[:RECORDING_BYTES], 4096 + (64 << 10))
        assert len(box.recording.messages()) < 1000
