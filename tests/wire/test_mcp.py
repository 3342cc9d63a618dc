"""What MCP servers say, read."""

from __future__ import annotations

import base64
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.errors import RemoteProtocolError, ToolFailed
from runtime.wire.content import FileContent, JsonContent, TextContent
from runtime.wire.internet.mcp import Events, allowed, content_of, read, result_of, tools_of

pytestmark = pytest.mark.unit

STREAM = (
    b": hello\n\nid: 1\ndata:\n\ndata: one\r\ndata:two\r\n\r\nevent: endpoint\rdata: three\r\rdata: cut off"
)


@given(st.lists(st.integers(0, len(STREAM)), max_size=8).map(sorted))
def test_events_are_read_however_they_are_cut(cuts: list[int]) -> None:
    events, edges = Events(), [0, *cuts, len(STREAM)]
    pieces = [STREAM[at:to] for at, to in pairwise(edges)]
    found = [event for piece in pieces for event in events.take(piece)]
    assert found == [("message", b"one\ntwo"), ("endpoint", b"three")]
    assert events.held_bytes == len(b"data: cut off")


def test_what_an_event_holds_is_counted_however_short_its_lines() -> None:
    events = Events()
    for _ in range(3):
        assert events.take(b"data:\n" * 1000) == []
    assert events.held_bytes >= 3000
    assert events.take(b"event: " + b"x" * 500 + b"\n") == []
    assert events.held_bytes >= 3500
    assert events.take(b"\n") == [("x" * 500, b"\n" * 2999)]
    assert events.held_bytes == 0


@pytest.mark.parametrize(
    ("result", "content"),
    [
        ({"content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}, TextContent("a\nb")),
        ({"content": [], "structuredContent": {"a": 1}}, JsonContent({"a": 1})),
        (
            {
                "content": [
                    {
                        "type": "resource",
                        "resource": {"uri": "x://y/a.bin", "blob": base64.b64encode(b"ab").decode()},
                    }
                ]
            },
            FileContent("a.bin", "application/octet-stream", b"ab"),
        ),
        (
            {"content": [{"type": "text", "text": "a"}, {"type": "resource_link", "uri": "x:"}]},
            JsonContent({"content": [{"type": "text", "text": "a"}, {"type": "resource_link", "uri": "x:"}]}),
        ),
    ],
)
def test_what_a_tool_answers_is_a_content(result: dict[str, Any], content: Any) -> None:
    assert content_of(result) == content


def test_what_failed_or_makes_no_sense_is_told() -> None:
    with pytest.raises(ToolFailed, match="no such page"):
        content_of({"isError": True, "content": [{"type": "text", "text": "no such page"}]})
    with pytest.raises(ToolFailed, match="refused: not now"):
        result_of({"error": {"code": -1, "message": "not now"}})
    for strange in ({"content": "x"}, {"content": [{"type": "image", "data": "?"}]}):
        with pytest.raises(RemoteProtocolError):
            content_of(strange)
    for data in (b"[" * 100_000, b"\xff", b"[]"):
        with pytest.raises(RemoteProtocolError):
            read(data)
    for listed in ({}, {"tools": [{"name": ""}]}, {"tools": ["x"]}):
        with pytest.raises(RemoteProtocolError):
            tools_of(listed)


def test_only_a_rule_that_is_read_only_leaves_out_what_changes_something() -> None:
    looks = {"name": "look", "annotations": {"readOnlyHint": True}}
    tools = tools_of({"tools": [looks, {"name": "write"}, {"name": "other"}]})
    named = {"tool_names": ["look", "write"]}
    for rule, left in ((named, 2), (named | {"read_only": False}, 2), (named | {"read_only": True}, 1)):
        assert len(allowed(tools, [rule])) == left
    assert allowed(tools, None) == tools
    assert allowed(tools, []) == []
