"""Questions for names as resolvers send them, and answers that they read."""

from __future__ import annotations

import struct
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.errors import RemoteProtocolError
from runtime.wire.internet import dns

pytestmark = pytest.mark.unit


def question(name: str, kind: int = dns.A, number: int = 7) -> bytes:
    labels = b"".join(bytes((len(label),)) + label.encode() for label in name.split("."))
    extra = b"\0\0\x29\x04\xd0\0\0\0\0\0\0"  # EDNS, as glibc sends it
    return (
        struct.pack(">6H", number, 0x0100, 1, 0, 0, 1) + labels + b"\0" + struct.pack(">2H", kind, 1) + extra
    )


def test_addresses_of_the_family_that_was_asked_for_are_told() -> None:
    asked = dns.parse(question("API.example.com", dns.AAAA))
    assert (asked.number, asked.name, asked.kind) == (7, "api.example.com", dns.AAAA)
    said = dns.answer(asked, [ip_address("192.0.2.1"), ip_address("2001:db8::1")], ttl_s=60)
    number, flags, questions, answers, *_ = struct.unpack_from(">6H", said)
    assert (number, flags, questions, answers) == (7, 0x8180, 1, 1)
    assert said.endswith(
        struct.pack(">HHHIH", 0xC00C, dns.AAAA, 1, 60, 16) + ip_address("2001:db8::1").packed
    )


def test_a_refusal_repeats_the_question() -> None:
    asked = dns.parse(question("nowhere.test"))
    said = dns.refusal(asked, dns.NO_SUCH_NAME)
    assert struct.unpack_from(">6H", said) == (7, 0x8183, 1, 0, 0, 0)
    assert said[12:] == asked.raw


@given(st.binary(max_size=200))
def test_whatever_comes_is_a_question_or_refused(message: bytes) -> None:
    try:
        asked = dns.parse(message)
    except RemoteProtocolError:
        return
    assert len(asked.name) <= 253


@pytest.mark.parametrize(
    "message", [b"", question("a")[:10], b"\xff" * 40, question("x" * 63 + ("." + "x" * 63) * 4)]
)
def test_half_a_question_is_none(message: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        dns.parse(message)
