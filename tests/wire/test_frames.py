"""Frames survive any split of the stream, and no peer can make us hold more than a frame."""

from __future__ import annotations

import gc
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.errors import LocalProtocolError, RemoteProtocolError
from runtime.wire import frames
from runtime.wire.frames import HEADER_BYTES, FrameDecoder, encode_frame

pytestmark = pytest.mark.unit


@given(st.lists(st.binary(max_size=200), max_size=8), st.data())
def test_frames_survive_any_split_of_the_stream(payloads: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(encode_frame(payload, max_frame_bytes=200) for payload in payloads)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=12)))
    decoder = FrameDecoder(max_frame_bytes=200)
    found: list[bytes] = []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        decoder.feed(stream[start:end], found)
    assert found == payloads
    assert decoder.pending_bytes == 0


@given(st.binary(max_size=400))
def test_junk_raises_nothing_but_a_protocol_error_and_is_not_hoarded(junk: bytes) -> None:
    decoder = FrameDecoder(max_frame_bytes=64)
    try:
        decoder.feed(junk, [])
    except RemoteProtocolError:
        with pytest.raises(RemoteProtocolError):
            decoder.feed(b"", [])
    assert decoder.pending_bytes <= 64 + HEADER_BYTES


def test_a_frame_over_the_limit_is_refused_before_it_arrives() -> None:
    with pytest.raises(RemoteProtocolError, match="4294967295"):
        FrameDecoder(max_frame_bytes=100).feed(b"\xff\xff\xff\xff", [])
    with pytest.raises(LocalProtocolError, match="101"):
        encode_frame(b"x" * 101, max_frame_bytes=100)


def test_what_was_whole_before_an_error_is_there() -> None:
    found: list[bytes] = []
    with pytest.raises(RemoteProtocolError):
        FrameDecoder(max_frame_bytes=100).feed(
            encode_frame(b"one", max_frame_bytes=100) + b"\xff\xff\xff\xff", found
        )
    assert found == [b"one"]


def test_incomplete_frames_of_all_streams_have_one_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames, "MAX_UNFINISHED_BYTES", 32 << 20)
    gc.collect()
    before = FrameDecoder.all_bytes, FrameDecoder.all_count
    half = encode_frame(b"x" * (8 << 20), max_frame_bytes=8 << 20)[: 7 << 20]
    small, broken = FrameDecoder(max_frame_bytes=8 << 20), 0
    decoders = [FrameDecoder(max_frame_bytes=8 << 20) for _ in range(50)]
    for decoder in decoders:
        with suppress(RemoteProtocolError):
            decoder.feed(half, [])
        broken += not decoder.pending_bytes
        assert FrameDecoder.all_bytes <= 32 << 20
        found: list[bytes] = []
        small.feed(encode_frame(b"y" * 1000, max_frame_bytes=2000), found)
        assert found == [b"y" * 1000]
    assert broken >= 50 - (32 << 20) // len(half)
    with pytest.raises(RemoteProtocolError, match="all of those together"):
        decoders[-1].feed(b"more", [])
    whole = decoders[0]
    found = []
    whole.feed(b"x" * (1 << 20) + b"x" * 4, found)
    assert len(found) == 1
    del decoder, decoders, whole
    gc.collect()
    assert (FrameDecoder.all_bytes, FrameDecoder.all_count) == before
