from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.errors import EnvelopeInvalid
from runtime.wire.webhook import (
    RoomCall,
    RoomEnded,
    RoomStarted,
    UnknownEvent,
    check_id,
    check_own_room,
    encode,
    parse,
    payload_of,
    unread_type,
)

pytestmark = pytest.mark.unit


def test_a_call_with_everything() -> None:
    data = {"room_name": "r", "room_url": "ws://h/rooms/r", "token": "t", "arguments": {"a": 1}, "later": 2}
    assert parse(json.dumps({"event": "room.call", "data": data, "more": 1}).encode()) == RoomCall(
        room_name="r", room_url="ws://h/rooms/r", token="t", arguments={"a": 1}
    )


def test_a_call_needs_only_a_room() -> None:
    assert parse(b'{"event":"room.call","data":{"room_name":"r","arguments":null}}') == RoomCall(
        room_name="r"
    )


def test_arguments_may_come_as_their_text() -> None:
    call = b'{"event":"room.call","data":{"room_name":"r","arguments":"{\\"a\\": 1}"}}'
    assert parse(call) == RoomCall(room_name="r", arguments={"a": 1})


def test_a_token_is_not_in_the_repr() -> None:
    assert "hush" not in repr(RoomCall(room_name="r", token="hush"))


def test_the_other_events() -> None:
    assert parse(encode("room.started", {"room_name": "r", "room_url": "http://h"})) == RoomStarted(
        room_name="r", room_url="http://h"
    )
    assert parse(encode("room.ended", {"room_name": "r"})) == RoomEnded(room_name="r")
    assert parse(b'{"event":"room.renamed"}') == UnknownEvent(name="room.renamed")


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"{}",
        b'{"event":7}',
        b'{"event":""}',
        b'{"event":"room.call"}',
        b'{"event":"room.call","data":[]}',
        b'{"event":"room.call","data":{}}',
        b'{"event":"room.call","data":{"room_name":3}}',
        b'{"event":"room.call","data":{"room_name":""}}',
        b'{"event":"room.call","data":{"room_name":"a\\nb"}}',
        b'{"event":"room.call","data":{"room_name":"\\ud800"}}',
        b'{"event":"room.call","data":{"room_name":"r","arguments":[1]}}',
        b'{"event":"room.call","data":{"room_name":"r","arguments":"[1]"}}',
        b'{"event":"room.call","data":{"room_name":"r","arguments":"x"}}',
        b'{"event":"room.call","data":{"room_name":"r","arguments":{"a":"\\ud800"}}}',
        b'{"event":"room.call","data":{"room_name":"r","arguments":{"n":18446744073709551616}}}',
        b'{"event":"room.call","data":{"room_name":"r","token":1}}',
        b'{"event":"room.call","data":{"room_name":"r","room_url":"file:///etc/passwd"}}',
        b'{"event":"room.call","data":{"room_name":"r","room_url":"ws://[::1"}}',
        b'{"event":"room.call","data":{"room_name":"r","room_url":"ws://h:99999/"}}',
        b'{"event":"room.ended","data":{}}',
        b'{"a":' * 100_000,
        b'{"event":"room.call","data":{"room_name":"' + b"r" * 257 + b'"}}',
        b'{"n":' + b"9" * 5000 + b"}",
        b"\xff\xfe\x00",
    ],
)
def test_what_cannot_be_meant_is_refused(payload: bytes) -> None:
    with pytest.raises(EnvelopeInvalid):
        parse(payload)


@given(st.binary(max_size=300))
def test_no_bytes_raise_anything_else(payload: bytes) -> None:
    try:
        parse(payload)
    except EnvelopeInvalid:
        pass


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    )
)
def test_no_json_raises_anything_else(data: Any) -> None:
    for event in ("room.call", "room.started", "room.ended"):
        try:
            parse(encode(event, data))
        except EnvelopeInvalid:
            pass


def test_a_header_wins_over_the_body() -> None:
    headers = {"meshagent-webhook": '{"event":"x"}', "content-type": "application/json"}
    assert payload_of(headers, b'{"event":"y"}') == b'{"event":"x"}'


def test_a_header_in_utf_8_comes_through() -> None:
    text = '{"event":"café"}'
    assert payload_of({"meshagent-webhook": text.encode().decode("latin-1")}, b"") == text.encode()


@pytest.mark.parametrize(
    ("kind", "counts"),
    [
        ("application/json", True),
        ("Application/JSON; charset=utf-8", True),
        ("application/vnd.x+json", True),
        ("", True),
        ("application/x-www-form-urlencoded", True),
        ("text/plain", False),
        ("multipart/form-data; boundary=x", False),
    ],
)
def test_the_type_of_the_body_decides_whether_it_counts(kind: str, counts: bool) -> None:
    headers = {"content-type": kind} if kind else {}
    assert payload_of(headers, b"body") == (b"body" if counts else b"{}")
    assert unread_type(headers) == ("" if counts else kind.partition(";")[0])


def test_a_body_that_was_not_read_for_its_type_is_told_so() -> None:
    with pytest.raises(EnvelopeInvalid, match=r"'text/plain' is not JSON.*Send .* as application/json"):
        parse(b"{}", unread="text/plain")
    header = {"meshagent-webhook": '{"event":"x"}', "content-type": "text/plain"}
    assert unread_type(header) == ""


def test_a_call_into_a_room_that_there_cannot_be_is_refused_with_the_rule() -> None:
    for name in ("../../etc", "a/b", "..", "x" * 201):
        with pytest.raises(EnvelopeInvalid, match="no slash"):
            check_own_room(RoomCall(room_name=name))
        check_own_room(RoomCall(room_name=name, room_url="ws://elsewhere/rooms/x"))
    check_own_room(RoomCall(room_name="my room"))


def test_any_address_of_a_room_may_be_http_too() -> None:
    call = {"room_name": "r", "room_url": "https://h/rooms/r"}
    assert parse(encode("room.call", call)) == RoomCall(**call)
    with pytest.raises(EnvelopeInvalid, match="http:// or https://"):
        parse(encode("room.call", call | {"room_url": "ftp://h"}))


def test_ids_are_bounded() -> None:
    assert check_id("x" * 256)
    for bad in ("x" * 257, "a\nb", "\x00"):
        with pytest.raises(EnvelopeInvalid):
            check_id(bad)
