"""As much of DNS as a session without a network needs: one question, and the addresses that answer it.  Pure.

Source: RFC 1035, section 4; RFC 3596 for addresses of IPv6.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address
from typing import Final

import msgspec

from runtime.errors import RemoteProtocolError

MAX_BYTES: Final = 1024
"""Of a question; one name fits four times."""

A: Final = 1
AAAA: Final = 28
NO_SUCH_NAME: Final = 3
_HEADER: Final = struct.Struct(">6H")
_TAIL: Final = struct.Struct(">2H")
_RECORD: Final = struct.Struct(">3HIH")
_IS_ANSWER, _RECURSION, _OPCODE, _WANTED = 0x8000, 0x0080, 0x7800, 0x0100
_THE_NAME_ASKED: Final = 0xC00C
_MAX_RECORDS: Final = 16


class Question(msgspec.Struct, frozen=True):
    """What was asked.

    Attributes:
        name: In small letters, without a dot at its end.
        kind: `A`, `AAAA`, or any other type of record.
    """

    number: int
    name: str
    kind: int
    flags: int
    raw: bytes


def parse(message: bytes) -> Question:
    """Read a message with one question.

    Raises:
        RemoteProtocolError: It is none.
    """
    try:
        number, flags, questions, *_ = _HEADER.unpack_from(message)
        if flags & (_IS_ANSWER | _OPCODE) or questions != 1:
            raise ValueError
        at, labels = _HEADER.size, list[str]()
        while length := message[at]:
            if length > 63:
                raise ValueError
            labels.append(message[at + 1 : at + 1 + length].decode("ascii").lower())
            at += 1 + length
        kind, _ = _TAIL.unpack_from(message, at + 1)
    except (struct.error, IndexError, ValueError):
        raise RemoteProtocolError("not a question for a name") from None
    name = ".".join(labels)
    if len(name) > 253:
        raise RemoteProtocolError("the name asked for is too long")
    return Question(number, name, kind, flags, message[_HEADER.size : at + 1 + _TAIL.size])


def answer(question: Question, addresses: Iterable[IPv4Address | IPv6Address], *, ttl_s: int) -> bytes:
    """The message that answers; addresses of the other family are left out."""
    fitting = [one for one in addresses if (one.version, question.kind) in ((4, A), (6, AAAA))][:_MAX_RECORDS]
    records = b"".join(
        _RECORD.pack(_THE_NAME_ASKED, question.kind, 1, ttl_s, len(one.packed)) + one.packed
        for one in fitting
    )
    return _head(question, 0, len(fitting)) + question.raw + records


def refusal(question: Question, code: int) -> bytes:
    """The message that says that there is no answer."""
    return _head(question, code, 0) + question.raw


def _head(question: Question, code: int, count: int) -> bytes:
    flags = _IS_ANSWER | _RECURSION | (question.flags & _WANTED) | code
    return _HEADER.pack(question.number, flags, 1, count, 0, 0)
