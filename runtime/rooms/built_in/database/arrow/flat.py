"""FlatBuffers, as far as Arrow's messages need them: tables that are read in place, and written.  Pure.

Reading never leaves the bytes: an offset that points outside raises, whatever it is of.  Nor does it go on
for ever: tables that point to each other are read as often as their message is long, and no more.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias

import msgspec

_READ_AGAIN, _READ_ANYWAY = 4, 4096
_TABLE_BYTES: Final = 64
"""What a table counts for at least: to read one takes as long, however small it is."""
_SIZES: Final = {"B": 1, "h": 2, "i": 4, "q": 8}


class Damaged(ValueError):
    """The bytes are not what they say."""


class Table:
    """A table within bytes, whose fields are asked for by number.

    Args:
        left: How many bytes of the message may still be read, all its tables together.
    """

    def __init__(self, data: memoryview, at: int, left: list[int]) -> None:
        self._data, self._at, self._left = data, at, left
        self._spend(_TABLE_BYTES)
        self._fields = at - _take(data, "i", at)
        self._size = _take(data, "H", self._fields)

    @classmethod
    def root(cls, data: memoryview) -> Table:
        """The table that the bytes are of."""
        return cls(data, _take(data, "I", 0), [_READ_AGAIN * len(data) + _READ_ANYWAY])

    def number(self, field: int, code: str, default: int = 0) -> int:
        """A number, ``code`` as `struct` has it."""
        at = self._place(field)
        return default if at is None else _take(self._data, code, at)

    def table(self, field: int) -> Table | None:
        """A table, or None."""
        at = self._target(field)
        return None if at is None else Table(self._data, at, self._left)

    def text(self, field: int) -> str:
        """A text; an absent one is empty."""
        at = self._target(field)
        if at is None:
            return ""
        size = _take(self._data, "I", at)
        if at + 4 + size > len(self._data):
            raise Damaged("a text is longer than its message")
        self._spend(size)
        return bytes(self._data[at + 4 : at + 4 + size]).decode("utf-8", "replace")

    def tables(self, field: int) -> list[Table]:
        """The tables of a vector."""

        def read(at: int) -> Table:
            return Table(self._data, at + _take(self._data, "I", at), self._left)

        return self._vector(field, 4, read)

    def pairs(self, field: int) -> list[tuple[int, int]]:
        """The pairs of 64-bit numbers of a vector."""
        return self._vector(
            field, 16, lambda at: (_take(self._data, "q", at), _take(self._data, "q", at + 8))
        )

    def has(self, field: int) -> bool:
        """Whether it says anything there."""
        return self._place(field) is not None

    def _spend(self, count: int) -> None:
        self._left[0] -= count
        if self._left[0] < 0:
            raise Damaged("its message says the same again and again")

    def _place(self, field: int) -> int | None:
        slot = 4 + 2 * field
        if slot + 2 > self._size:
            return None
        offset = _take(self._data, "H", self._fields + slot)
        return self._at + offset if offset else None

    def _target(self, field: int) -> int | None:
        at = self._place(field)
        return None if at is None else at + _take(self._data, "I", at)

    def _vector(self, field: int, size: int, read: Callable[[int], Any]) -> list[Any]:
        at = self._target(field)
        if at is None:
            return []
        count = _take(self._data, "I", at)
        if at + 4 + count * size > len(self._data):
            raise Damaged("a list is longer than its message")
        self._spend(count * size)
        return [read(at + 4 + number * size) for number in range(count)]


def _take(data: memoryview, code: str, at: int) -> int:
    if at < 0:
        raise Damaged("an offset points before its message")
    try:
        value: int = struct.unpack_from(f"<{code}", data, at)[0]
    except struct.error:
        raise Damaged("an offset points behind its message") from None
    return value


# ---- writing


class Number(msgspec.Struct, frozen=True):
    """A number of a table."""

    code: str
    value: int


class Pairs(msgspec.Struct, frozen=True):
    """A vector of pairs of 64-bit numbers."""

    values: Sequence[tuple[int, int]]


Value: TypeAlias = "Number | Pairs | str | Mapping[int, Value] | Sequence[Mapping[int, Value]]"
"""Of a field: a number, a text, a table by numbers of fields, a vector of tables, or one of pairs."""


def write(root: Mapping[int, Value]) -> bytes:
    """The bytes of a table."""
    out = bytearray(4)
    struct.pack_into("<I", out, 0, _table(out, root))
    return bytes(out)


def _table(out: bytearray, fields: Mapping[int, Value]) -> int:
    """Write a table and all it points to behind what is there; where it is."""
    # Large ones first: the table stands so that what follows its first word is aligned for them.
    order = sorted(fields, key=lambda field: -_size(fields[field]))
    offsets, size = {}, 4
    for field in order:
        offsets[field] = size
        size += _size(fields[field])
    slots = max(fields, default=-1) + 1
    _align(out, 2)
    described = len(out)
    out += struct.pack("<HH", 4 + 2 * slots, size)
    out += struct.pack(f"<{slots}H", *(offsets.get(field, 0) for field in range(slots)))
    _align(out, 8, 4)
    at = len(out)
    out += struct.pack("<i", at - described) + bytes(size - 4)
    for field, value in fields.items():
        place = at + offsets[field]
        if isinstance(value, Number):
            struct.pack_into(f"<{value.code}", out, place, value.value)
        else:
            target = _value(out, value)
            struct.pack_into("<I", out, place, target - place)
    return at


def _value(out: bytearray, value: Value) -> int:
    match value:
        case str():
            raw = value.encode()
            _align(out, 4)
            at = len(out)
            out += struct.pack("<I", len(raw)) + raw + b"\0"
        case Pairs(pairs):
            _align(out, 8, 4)
            at = len(out)
            out += struct.pack("<I", len(pairs)) + b"".join(struct.pack("<qq", *pair) for pair in pairs)
        case Mapping():
            at = _table(out, value)
        case _:
            assert not isinstance(value, Number)
            _align(out, 4)
            at = len(out)
            out += struct.pack("<I", len(value)) + bytes(4 * len(value))
            for number, one in enumerate(value):
                place = at + 4 + 4 * number
                target = _table(out, one)
                struct.pack_into("<I", out, place, target - place)
    return at


def _size(value: Value) -> int:
    return _SIZES[value.code] if isinstance(value, Number) else 4


def _align(out: bytearray, to: int, rest: int = 0) -> None:
    while len(out) % to != rest:
        out.append(0)
