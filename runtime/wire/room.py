"""Packets and envelopes of the room protocol, without IO.

One message is a header packet and the data packets it announces, contiguous on the socket::

    header packet   8 bytes message id | 4 bytes 0 | 4 bytes N | UTF-8 type name
    data packet i   8 bytes message id | 4 bytes i (1..N)      | a slice of the payload
    payload         8 bytes header length | JSON header | raw bytes

Integers are big-endian and unsigned.  Each packet travels as one binary websocket message.  Two
messages never interleave on a connection, so one ``Assembler`` per connection is enough, and one
writer per socket is required.
"""

from __future__ import annotations

import json
import math
import struct
from typing import Any, Final, NoReturn

import msgspec

from runtime.errors import LocalProtocolError, RemoteProtocolError

SLICE_BYTES: Final = 65_536
"""Payload bytes per data packet when we send; receivers take any size below 4 MiB."""

MAX_MESSAGE_BYTES: Final = 32 * 1024 * 1024
"""Default bound of one assembled payload."""

MAX_LISTS: Final = 2_000_000
"""In one header: to forget more of them at once takes longer than others can wait."""
_MANY_LISTS: Final = 20_000

MAX_SENT_BYTES: Final = 16 * 1024 * 1024
"""Payload that a room takes from a participant: who sends more is thrown out, so a client refuses to."""

MAX_TYPE_BYTES: Final = 512
MAX_DEPTH: Final = 128
"""Nesting of a header; one that is deeper could be read by us and then written by nobody."""

MAX_ID: Final = 2**64 - 1

_TRACE_KEY: Final = "__meshagent__"
_PREFIX: Final = struct.Struct(">QI")
_COUNT: Final = struct.Struct(">I")
_LENGTH: Final = struct.Struct(">Q")


class Message(msgspec.Struct, frozen=True):
    """One message as both ends mean it.

    Attributes:
        id: Chosen by the sender, counting from 1 per connection; a response repeats the request's.
        type: What kind of message, for example ``messaging.send`` or ``__response__``.
        header: A JSON object.
        data: Raw bytes that come with it (an attachment, a file, a document update).
        written: The header as JSON already, where it was written elsewhere; then ``header`` is not sent.
    """

    id: int
    type: str
    header: dict[str, Any] = msgspec.field(default_factory=dict)
    data: bytes = b""
    written: bytes = b""


def encode(message: Message, *, slice_bytes: int = SLICE_BYTES) -> list[bytes]:
    """Return the packets of a message, to be sent in this order with nothing between them.

    Raises:
        LocalProtocolError: The id or type does not fit the format, or the header is not JSON.
    """
    if slice_bytes < 1:
        raise LocalProtocolError("slice_bytes must be at least 1")
    if not 0 <= message.id <= MAX_ID:
        raise LocalProtocolError(f"message id {message.id} does not fit 64 bits")
    try:
        name = message.type.encode("utf-8")
    except UnicodeEncodeError as error:
        raise LocalProtocolError("message type is not valid text") from error
    if len(name) > MAX_TYPE_BYTES:
        raise LocalProtocolError(f"message type is longer than {MAX_TYPE_BYTES} bytes")
    try:
        # ASCII escapes: a lone surrogate in somebody's text must not make a message unsendable.
        header = message.written or json.dumps(message.header, separators=(",", ":"), allow_nan=False).encode(
            "ascii"
        )
    except (TypeError, ValueError, RecursionError) as error:
        raise LocalProtocolError(f"header of {message.type!r} is not JSON: {error}") from error
    payload = b"".join((_LENGTH.pack(len(header)), header, message.data))
    starts = range(0, len(payload), slice_bytes)
    packets = [_PREFIX.pack(message.id, 0) + _COUNT.pack(len(starts)) + name]
    packets += [
        _PREFIX.pack(message.id, index) + payload[start : start + slice_bytes]
        for index, start in enumerate(starts, start=1)
    ]
    return packets


class Unread(msgspec.Struct, frozen=True):
    """A message that is here whole; reading a large header takes time."""

    id: int
    type: str
    header: bytes = b""
    data: bytes = b""

    def read(self) -> Message:
        """The message.  Raises RemoteProtocolError."""
        return Message(self.id, self.type, _header(self.header), self.data)


class Assembler:
    """Turn one connection's packets back into messages.

    After a `RemoteProtocolError` the unfinished message is forgotten, so the next header packet
    starts clean; whether the connection is worth keeping is the caller's decision.

    Args:
        max_message_bytes: Bound of one assembled payload (header and raw bytes together).
    """

    def __init__(self, *, max_message_bytes: int = MAX_MESSAGE_BYTES) -> None:
        self._max_message_bytes = max_message_bytes
        self._buffer = bytearray()
        self._type: str | None = None
        self._id = 0
        self._expected = 0
        self._seen = 0

    @property
    def pending_bytes(self) -> int:
        """Payload bytes held for a message that is not complete yet."""
        return len(self._buffer)

    def receive(self, packet: bytes) -> Message | None:
        """Take the next packet; return a message when it completes one.

        Raises:
            RemoteProtocolError: The packet breaks the format or a bound; the text says how.
        """
        unread = self.take(packet)
        return None if unread is None else unread.read()

    def take(self, packet: bytes) -> Unread | None:
        """As `receive`, with the header still to be read, for who does so elsewhere when it is large.

        Raises:
            RemoteProtocolError: The packet breaks the format or a bound; the text says how.
        """
        if len(packet) < _PREFIX.size:
            self._fail(f"packet of {len(packet)} bytes is too short")
        message_id, index = _PREFIX.unpack_from(packet)
        if self._type is None:
            if index != 0:
                self._fail(f"data packet {index} without a header packet")
            return self._open(message_id, packet)
        if index == 0:
            self._fail(f"message {message_id} begins inside message {self._id}")
        if message_id != self._id:
            self._fail(f"packet of message {message_id} inside message {self._id}")
        if index != self._seen + 1:
            self._fail(f"data packet {index} where {self._seen + 1} was expected")
        if len(self._buffer) + len(packet) - _PREFIX.size > self._max_message_bytes:
            self._fail(f"message is larger than {self._max_message_bytes} bytes")
        self._buffer += memoryview(packet)[_PREFIX.size :]
        self._seen = index
        return self._close() if index == self._expected else None

    def _open(self, message_id: int, packet: bytes) -> Unread | None:
        if len(packet) < _PREFIX.size + _COUNT.size:
            self._fail("header packet is too short")
        name = packet[_PREFIX.size + _COUNT.size :]
        if len(name) > MAX_TYPE_BYTES:
            self._fail(f"message type is longer than {MAX_TYPE_BYTES} bytes")
        (expected,) = _COUNT.unpack_from(packet, _PREFIX.size)
        if expected > self._max_message_bytes:
            self._fail(f"message announces {expected} packets; more than {self._max_message_bytes} bytes")
        try:
            kind = name.decode("utf-8")
        except UnicodeDecodeError:
            self._fail("message type is not UTF-8")
        if expected == 0:
            return Unread(message_id, kind)
        self._type, self._id, self._expected, self._seen = kind, message_id, expected, 0
        return None

    def _close(self) -> Unread:
        kind, message_id, payload = self._type or "", self._id, bytes(self._buffer)
        self._reset()
        if not payload:
            return Unread(message_id, kind)
        if len(payload) < _LENGTH.size:
            self._fail("payload is shorter than its header length")
        (length,) = _LENGTH.unpack_from(payload)
        end = _LENGTH.size + length
        if end > len(payload):
            self._fail(f"header of {length} bytes in a payload of {len(payload)}")
        return Unread(message_id, kind, payload[_LENGTH.size : end], payload[end:])

    def _fail(self, reason: str) -> NoReturn:
        self._reset()
        _refuse(reason)

    def _reset(self) -> None:
        self._buffer = bytearray()
        self._type, self._id, self._expected, self._seen = None, 0, 0, 0


def _header(raw: bytes) -> dict[str, Any]:
    if not raw:
        return {}
    lists = raw.count(b"[")
    if lists > MAX_LISTS:
        _refuse(f"header has more than {MAX_LISTS} lists")
    try:
        header = (_HEADER if lists <= _MANY_LISTS else _OF_LISTS).decode(raw.decode())
    except (ValueError, RecursionError) as error:
        _refuse(f"header is not JSON: {error}")
    if not isinstance(header, dict):
        _refuse("header is not a JSON object")
    if not _is_shallow(header):
        _refuse(f"header is nested deeper than {MAX_DEPTH}")
    header.pop(_TRACE_KEY, None)  # trace context: allowed, not part of the message
    return header


def _refuse(reason: str) -> NoReturn:
    raise RemoteProtocolError(f"room packet refused: {reason}")


def _refuse_constant(name: str) -> NoReturn:
    # Python reads NaN and Infinity, which are not JSON and which other peers could not read back.
    raise ValueError(f"{name} is not JSON")


def _finite(text: str) -> float:
    # 1e999 is JSON, yet Python reads it as an infinity, which it could not write as JSON again.
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("a number is too large")
    return number


def _is_shallow(header: dict[str, Any]) -> bool:
    level: list[Any] = [header]
    for _ in range(MAX_DEPTH):
        level = [
            child
            for node in level
            for child in (node.values() if isinstance(node, dict) else node)
            if isinstance(child, dict | list)
        ]
        if not level:
            return True
    return False


def _whole(text: str) -> int:
    return int(text)


def _object(read: dict[str, Any]) -> dict[str, Any]:
    return read


# The last two are functions of Python's for the sake of other threads: the reader in C lets them go on while
# it calls one, and at no other time.
_HEADER: Final = json.JSONDecoder(
    parse_constant=_refuse_constant, parse_float=_finite, parse_int=_whole, object_hook=_object
)
# And of lists it calls none: many of them are read by Python's own, which is slower and lets others go on.
_OF_LISTS: Final = json.JSONDecoder(
    parse_constant=_refuse_constant, parse_float=_finite, parse_int=_whole, object_hook=_object
)
_OF_LISTS.scan_once = json.scanner.py_make_scanner(_OF_LISTS)  # type: ignore[attr-defined]
