"""What travels on the pipes: data that either reads back the same or is refused."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.errors import RemoteProtocolError
from runtime.settings import knobs
from runtime.wire import by_pipe, control, room
from runtime.wire.frames import encode_frame

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    "message",
    [
        control.Start("s_1", 1, "/x", "x", "r", arguments={"a": [1, None]}, limits={"files": 4}),
        control.Stop("stopped", 2.5),
        control.Ping(7),
        control.Fault("raise"),
        control.Packet(b"\x00\xff"),
        control.RelayClosed(),
    ],
)
def test_messages_to_a_worker_read_back_the_same(message: control.ToWorker) -> None:
    assert control.decode(control.to_worker, control.encode(message)) == message


OPENED = control.Opened("thread", "thread 't'", "main.py:1", name="t")


def test_messages_of_a_worker_and_a_zygote_read_back_the_same() -> None:
    failed = control.Failed("start", "ValueError", "no", "x.py:1 in f", "Traceback")
    assert control.decode(control.from_worker, control.encode(failed)) == failed
    described = control.Described([control.EndpointDecl("/x", "x", "X", limits={"cpu": 1})], [OPENED])
    assert control.decode(control.from_zygote, control.encode(described)) == described


@given(st.binary(max_size=200))
def test_a_hostile_worker_can_only_cause_a_protocol_error(junk: bytes) -> None:
    try:
        control.decode(control.from_worker, junk)
    except RemoteProtocolError:
        pass


def test_a_worker_cannot_speak_for_the_front_or_the_zygote() -> None:
    with pytest.raises(RemoteProtocolError):
        control.decode(control.from_worker, control.encode(control.Stop("stopped", 1)))
    with pytest.raises(RemoteProtocolError):
        control.decode(control.from_worker, control.encode(control.Reaped(1, 0)))


def test_unknown_fields_are_ignored_and_odd_values_become_text() -> None:
    import msgspec

    newer = msgspec.msgpack.encode({"t": "hello", "pid": 3, "mood": "good"})
    assert control.decode(control.from_worker, newer) == control.Hello(3)
    sent = control.encode(control.StatusNow({"where": Path("/a")}))
    assert control.decode(control.from_worker, sent) == control.StatusNow({"where": "/a"})


def test_what_a_worker_says_besides_packets_is_small_and_plain() -> None:
    """Eight million empty lists in one status held the front for four seconds, and took half a gigabyte."""
    packet = control.Packet(b"x" * (4 << 20))
    assert control.decode(control.from_worker, control.encode(packet)) == packet
    lists = msgspec.msgpack.encode({"t": "status", "values": {"a": [[]] * 1000}})
    for said in (lists, control.encode(control.Imported({"f": ["m.py"] * 300_000}))):
        with pytest.raises(RemoteProtocolError):
            control.decode(control.from_worker, said)


def test_the_smallest_frame_that_may_be_set_takes_all_that_is_carried() -> None:
    limit = next(item for key, item in knobs() if key == "supervisor.max_frame_bytes").metadata["minimum"]
    packet = max(room.encode(room.Message(1, "x", {}, b"x" * 200_000)), key=len)
    for carried in (control.Packet(packet), by_pipe.ModelPiece(1, b"x" * by_pipe.MAX_PIECE_BYTES)):
        encode_frame(control.encode(carried), max_frame_bytes=limit)
