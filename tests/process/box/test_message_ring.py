"""Which messages went between a session and its room, without what was in them."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from runtime.process.box.message_ring import IN, KEPT, OUT, RING_BYTES, MessageRing
from runtime.process.plumbing import Box
from runtime.wire.room import Message, encode

pytestmark = pytest.mark.unit


@pytest.fixture
def box() -> Iterator[Box]:
    made = Box.create()
    yield made
    made.close()


def pass_on(
    ring: MessageRing, direction: int, kind: str, header: dict[str, object], data: bytes = b""
) -> int:
    packets = encode(Message(1, kind, header, data))
    for packet in packets:
        ring.note(direction, packet)
    return sum(map(len, packets))


def seen(box: Box) -> list[tuple[str, str, int]]:
    return [(one.direction, one.kind, one.count) for one in box.messages.last()]


def test_kind_size_and_direction_are_kept_and_nothing_else(box: Box) -> None:
    header = {"from_participant_id": "p", "type": "chat", "message": {"text": "very-secret"}}
    in_bytes = pass_on(box.messages, IN, "messaging.send", header)
    out_bytes = pass_on(
        box.messages, OUT, "room.invoke_tool", {"toolkit": "t", "tool": "ask", "x": 1}, b"y" * 200_000
    )
    first, second = box.messages.last()
    assert (first.direction, first.kind, first.count) == ("in", "messaging.send chat", 1)
    assert (second.direction, second.kind, second.count) == ("out", "room.invoke_tool ask", 1)
    assert (first.bytes_count, second.bytes_count) == (in_bytes, out_bytes)
    assert second.at >= first.at > 1.6e9
    assert b"very-secret" not in os.pread(box.fd, 1 << 20, 0)


def test_a_word_within_the_message_is_not_taken_for_its_kind(box: Box) -> None:
    pass_on(box.messages, IN, "messaging.send", {"message": {"type": "secret"}, "type": "chat"})
    pass_on(box.messages, OUT, "messaging.send", {"type": "two words"})
    pass_on(box.messages, IN, "storage.upload", {"type": "secret"})
    assert [kind for _, kind, _ in seen(box)] == ["messaging.send", "messaging.send", "storage.upload"]


def test_several_of_a_kind_in_a_row_are_one_and_a_long_answer_leaves_the_question(box: Box) -> None:
    pass_on(box.messages, IN, "messaging.send", {"type": "chat"})
    for number in range(1000):
        pass_on(box.messages, OUT, "messaging.send", {"type": f"delta{number // 10}"})
    found = seen(box)
    assert found[0] == ("in", "messaging.send chat", 1)
    assert found[1:] == [("out", f"messaging.send delta{number}", 10) for number in range(100 - KEPT, 100)]


def test_the_other_end_reads_it_after_the_writer_is_gone(box: Box) -> None:
    child = os.fork()
    if child == 0:
        pass_on(box.messages, IN, "room_ready", {})
        os._exit(0)
    os.waitpid(child, 0)
    assert seen(box) == [("in", "room_ready", 1)]


def test_whatever_stands_there_can_be_read(box: Box) -> None:
    assert box.messages.last() == []
    for fill in (b"\xff", b"\x01", bytes(range(256))):
        raw = fill * (RING_BYTES // len(fill))
        os.pwrite(box.fd, raw, 4096 - RING_BYTES)
        for one in box.messages.last():
            assert one.kind.isprintable()
            assert len(one.kind) <= 43
    for odd in (b"", b"x", b"\0" * 12, b"\0" * 16, b"\0" * 8 + b"\0\0\0\x05"):
        box.messages.note(IN, odd)


def test_the_pulse_is_not_touched(box: Box) -> None:
    box.beat(12.5, 0.0)
    for number in range(3 * KEPT):
        pass_on(box.messages, OUT, f"kind{number}", {})
    beat = box.heartbeat()
    assert beat is not None
    assert beat.at == 12.5
    assert box.text() == ""
