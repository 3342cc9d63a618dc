"""Frames survive any split of the stream, and no peer can make us hold more than a frame."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.errors import LocalProtocolError, RemoteProtocolError
from runtime.wire.frames import HEADER_BYTES, FrameDecoder, encode_frame

pytestmark = pytest.mark.unit


@given(st.lists(st.binary(max_size=200), max_size=8), st.data())
def test_frames_survive_any_split_of_the_stream(payloads: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(encode_frame(payload, max_frame_bytes=200) for payload in payloads)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=12)))
    decoder = FrameDecoder(max_frame_bytes=200)
    found = []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        found += decoder.feed(stream[start:end])
    assert found == payloads
    assert decoder.pending_bytes == 0


@given(st.binary(max_size=400))
def test_junk_raises_nothing_but_a_protocol_error_and_is_not_hoarded(junk: bytes) -> None:
    decoder = FrameDecoder(max_frame_bytes=64)
    try:
        decoder.feed(junk)
    except RemoteProtocolError:
        with pytest.raises(RemoteProtocolError):
            decoder.feed(b"")
    assert decoder.pending_bytes <= 64 + HEADER_BYTES


def test_a_frame_over_the_limit_is_refused_before_it_arrives() -> None:
    with pytest.raises(RemoteProtocolError, match="4294967295"):
        FrameDecoder(max_frame_bytes=100).feed(b"\xff\xff\xff\xff")
    with pytest.raises(LocalProtocolError, match="101"):
        encode_frame(b"x" * 101, max_frame_bytes=100)
