"""Packets and envelopes: what goes in comes out, and nothing else ever happens."""

from __future__ import annotations

import json
import struct
import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.errors import LocalProtocolError, RemoteProtocolError
from runtime.wire import room as wire
from runtime.wire.room import MAX_LISTS, Assembler, Message, Unread, encode

pytestmark = pytest.mark.unit

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
names = st.text(max_size=8).filter(lambda key: key != "__meshagent__")
headers = st.dictionaries(names, json_values, max_size=4)
messages = st.builds(
    Message,
    id=st.integers(0, 2**64 - 1),
    type=st.text(alphabet=st.characters(codec="utf-8"), min_size=1, max_size=40),
    header=headers,
    data=st.binary(max_size=300),
)


def assemble(packets: list[bytes], **bounds: int) -> list[Message]:
    assembler = Assembler(**bounds)
    return [message for packet in packets if (message := assembler.receive(packet)) is not None]


def test_the_bytes_of_messaging_enable_as_a_real_client_sends_them() -> None:
    first, second = encode(Message(1, "messaging.enable", {}))
    assert first == bytes.fromhex("0000000000000001 00000000 00000001") + b"messaging.enable"
    assert second == bytes.fromhex("0000000000000001 00000001 0000000000000002") + b"{}"


@given(st.lists(messages, max_size=4), st.integers(1, 400))
def test_any_slicing_gives_the_messages_back(sent: list[Message], slice_bytes: int) -> None:
    packets = [packet for message in sent for packet in encode(message, slice_bytes=slice_bytes)]
    assert assemble(packets) == sent


@given(st.lists(st.binary(max_size=64), max_size=20))
def test_junk_raises_nothing_but_a_protocol_error_and_leaves_no_buffer(packets: list[bytes]) -> None:
    assembler = Assembler(max_message_bytes=128)
    for packet in packets:
        try:
            assembler.receive(packet)
        except RemoteProtocolError:
            assert assembler.pending_bytes == 0
        assert assembler.pending_bytes <= 128


@given(messages, st.data())
def test_one_damaged_packet_never_spoils_the_next_message(message: Message, data: st.DataObject) -> None:
    packets = encode(message, slice_bytes=50)
    which = data.draw(st.integers(0, len(packets) - 1))
    packets[which] = data.draw(st.binary(max_size=80))
    assembler = Assembler()
    for packet in packets:
        try:
            assembler.receive(packet)
        except RemoteProtocolError:
            break
    else:
        return
    after = Message(7, "after", {"ok": True}, b"x")
    assert [got for packet in encode(after) if (got := assembler.receive(packet))] == [after]


def test_a_message_without_data_packets_is_an_empty_message() -> None:
    assert assemble([struct.pack(">QII", 3, 0, 0) + b"ping"]) == [Message(3, "ping")]


def test_the_trace_context_is_stripped() -> None:
    sent = Message(1, "x", {"a": 1, "__meshagent__": {"v": 1, "otel": {"traceparent": "00-…"}}})
    assert assemble(encode(sent)) == [Message(1, "x", {"a": 1})]


def payload(raw_header: bytes) -> list[bytes]:
    return [
        struct.pack(">QII", 1, 0, 1) + b"x",
        struct.pack(">QIQ", 1, 1, len(raw_header)) + raw_header,
    ]


@pytest.mark.parametrize(
    ("packets", "words"),
    [
        ([b"short"], "too short"),
        ([struct.pack(">QI", 1, 0)], "header packet is too short"),
        ([struct.pack(">QI", 1, 1) + b"data"], "without a header packet"),
        ([struct.pack(">QII", 1, 0, 2) + b"a", struct.pack(">QII", 2, 0, 1) + b"b"], "begins inside"),
        ([struct.pack(">QII", 1, 0, 2) + b"a", struct.pack(">QI", 2, 1)], "inside message 1"),
        ([struct.pack(">QII", 1, 0, 2) + b"a", struct.pack(">QI", 1, 2)], "where 1 was expected"),
        ([struct.pack(">QII", 1, 0, 1) + b"\xff"], "not UTF-8"),
        ([struct.pack(">QII", 1, 0, 1) + b"t" * 513], "longer than 512"),
        ([struct.pack(">QII", 1, 0, 2**32 - 1) + b"t"], "announces"),
        ([struct.pack(">QII", 1, 0, 1) + b"x", struct.pack(">QIQ", 1, 1, 99) + b"{}"], "header of 99 bytes"),
        ([struct.pack(">QII", 1, 0, 1) + b"x", struct.pack(">QI", 1, 1) + b"abc"], "shorter than"),
        (payload(b"[1]"), "not a JSON object"),
        (payload(b"{nope"), "not JSON"),
        (payload(b"\xff\xfe\x00"), "not JSON"),
        (payload(b'{"a": NaN}'), "not JSON"),
        (payload(b'{"a": [1e999]}'), "not JSON"),
        (payload(b'{"a":' + b"[" * 200 + b"]" * 200 + b"}"), "nested deeper"),
        (payload(b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}"), "not JSON"),
    ],
)
def test_a_broken_packet_is_named(packets: list[bytes], words: str) -> None:
    with pytest.raises(RemoteProtocolError, match=words):
        assemble(packets)


def test_a_message_larger_than_the_bound_is_refused_before_it_is_held() -> None:
    packets = encode(Message(1, "big", {}, b"x" * 1000), slice_bytes=100)
    with pytest.raises(RemoteProtocolError, match="larger than 500 bytes"):
        assemble(packets, max_message_bytes=500)
    assert assemble(packets, max_message_bytes=2000)[0].data == b"x" * 1000


@pytest.mark.parametrize(
    "message",
    [
        Message(-1, "x"),
        Message(2**64, "x"),
        Message(1, "x" * 600),
        Message(1, "\ud800"),
        Message(1, "x", {"a": float("nan")}),
        Message(1, "x", {"a": object()}),
    ],
)
def test_what_cannot_be_encoded_is_our_own_error(message: Message) -> None:
    with pytest.raises(LocalProtocolError):
        encode(message)


def test_of_many_lists_the_reader_lets_others_go_on_and_of_more_nothing_is_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def unread(count: int) -> Unread:
        assembler, written = Assembler(), b'{"x":[' + b"[]," * count + b'{"y":1.5}]}'
        *_, last = (assembler.take(packet) for packet in encode(Message(1, "x", {}, written=written)))
        assert last is not None
        return last

    turns, over, when_read = [0], threading.Event(), []

    def other() -> None:
        while not over.wait(0.0001):
            turns[0] += 1

    monkeypatch.setattr(wire, "_is_shallow", lambda header: when_read.append(turns[0]) or True)
    many, thread = unread(300_000), threading.Thread(target=other)
    thread.start()
    try:
        before = turns[0]
        header = many.read().header
    finally:
        over.set()
        thread.join()
    assert header == {"x": [*([[]] * 300_000), {"y": 1.5}]}
    assert when_read[0] - before > 5  # the reader in C lets nobody go on
    with pytest.raises(RemoteProtocolError, match="more than 2000000 lists"):
        unread(MAX_LISTS).read()


def test_a_lone_surrogate_in_text_can_be_sent() -> None:
    header: dict[str, Any] = json.loads('{"text": "\\ud800"}')
    assert assemble(encode(Message(1, "x", header))) == [Message(1, "x", header)]
