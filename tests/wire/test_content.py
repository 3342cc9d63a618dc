"""Contents survive the wire, and a malformed one is a protocol error."""

from __future__ import annotations

import pytest

from runtime.errors import RemoteProtocolError
from runtime.wire.content import (
    BinaryContent,
    Content,
    ControlContent,
    EmptyContent,
    ErrorContent,
    FileContent,
    JsonContent,
    LinkContent,
    RawContent,
    TextContent,
    from_header,
)

pytestmark = pytest.mark.unit

ALL: list[Content] = [
    EmptyContent(),
    JsonContent({"a": [1, None]}),
    TextContent("hi"),
    FileContent("a.bin", "application/octet-stream", b"\x00\x01"),
    LinkContent("home", "http://localhost/"),
    ErrorContent("no", 1003),
    ErrorContent("no"),
    BinaryContent({"kind": "data"}, b"abc"),
    ControlContent("open"),
    ControlContent("close", 1008, "broken"),
    RawContent([{"x": 1}]),
]


@pytest.mark.parametrize("content", ALL, ids=lambda content: type(content).__name__)
def test_written_and_read_again_it_is_the_same(content: Content) -> None:
    assert from_header(content.to_header(), content.data) == content


def test_keys_of_older_and_newer_peers_are_ignored() -> None:
    assert from_header({"type": "text", "text": "a", "usage": None}) == TextContent("a")
    assert from_header({"type": "binary"}, b"x") == BinaryContent({}, b"x")


@pytest.mark.parametrize(
    "header",
    [
        None,
        [],
        "text",
        {},
        {"type": 3},
        {"type": "json"},
        {"type": "text", "text": 1},
        {"type": "file", "name": "a"},
        {"type": "control", "method": "pause"},
        {"type": "raw", "outputs": None},
        {"type": "surprise"},
    ],
)
def test_what_is_no_content_is_refused(header: object) -> None:
    with pytest.raises(RemoteProtocolError):
        from_header(header)


def test_a_close_says_whether_it_is_an_error() -> None:
    assert not ControlContent("close").is_error
    assert not ControlContent("close", 1000).is_error
    assert ControlContent("close", 1008).is_error
    assert not ControlContent("open").is_error
