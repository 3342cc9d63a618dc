"""From columns and rows to a stream of Arrow.  Pure."""

from __future__ import annotations

import base64
import struct
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, date, datetime
from typing import Any, Final

from runtime.rooms.built_in.database.arrow import flat
from runtime.rooms.built_in.database.arrow.flat import Number, Pairs, Value
from runtime.rooms.built_in.database.arrow.kind import arrow_kind, inner_types, written_field
from runtime.rooms.built_in.tables.column import ColumnType

MIME_TYPE: Final = "application/vnd.apache.arrow.stream"
_VERSION: Final = Number("h", 4)
_SCHEMA, _BATCH = 1, 3
_END: Final = struct.pack("<II", 0xFFFFFFFF, 0)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST_DAY: Final = date(1970, 1, 1).toordinal()


def write_stream(
    names: Sequence[str], types: Sequence[ColumnType], rows: Sequence[Sequence[Any]] | None = None
) -> bytes:
    """A whole stream: the schema, and one batch of rows unless they are None."""
    fields = [written_field(name, type) for name, type in zip(names, types, strict=True)]
    parts = [_message(_SCHEMA, {1: fields}, b"")]
    if rows is not None:
        batch = _Written()
        for at, type in enumerate(types):
            batch.column(type, [row[at] for row in rows])
        header: dict[int, Value] = {
            0: Number("q", len(rows)), 1: Pairs(batch.nodes), 2: Pairs(batch.buffers)
        }  # fmt: skip
        parts.append(_message(_BATCH, header, bytes(batch.body)))
    return b"".join([*parts, _END])


def _message(kind: int, header: dict[int, Value], body: bytes) -> bytes:
    head = flat.write({0: _VERSION, 1: Number("B", kind), 2: header, 3: Number("q", len(body))})
    head += bytes(-len(head) % 8)
    return struct.pack("<II", 0xFFFFFFFF, len(head)) + head + body


class _Written:
    """A batch as it grows."""

    def __init__(self) -> None:
        self.body = bytearray()
        self.nodes: list[tuple[int, int]] = []
        self.buffers: list[tuple[int, int]] = []

    def column(self, type: ColumnType, values: list[Any]) -> None:
        """Add a column, with those within it."""
        missing = sum(value is None for value in values)
        self.nodes.append((len(values), missing))
        self._add(_bits([value is not None for value in values]) if missing else b"")
        arrow, width = arrow_kind(type)
        match arrow:
            case "vector":
                empty = [0.0] * type.size
                items = [number for value in values for number in (empty if value is None else value)]
                self.column(inner_types(type)[0][1], items)
            case "list":
                self._add(_offsets("i", (len(value or ()) for value in values)))
                self.column(inner_types(type)[0][1], [item for value in values for item in (value or ())])
            case "struct":
                for name, inner in inner_types(type):
                    self.column(inner, [(value or {}).get(name) for value in values])
            case "text" | "binary" | "large_text" | "large_binary":
                packed = [_packed(value) for value in values]
                self._add(_offsets("q" if arrow.startswith("large") else "i", map(len, packed)))
                self._add(b"".join(packed))
            case "fixed_binary":
                self._add(b"".join(_packed(value)[:width].ljust(width, b"\0") for value in values))
            case "bool":
                self._add(_bits(values))
            case _:
                code, made = ("f", float) if type.kind == "float" and type.size else _NUMBERS[type.kind]
                numbers = [0 if value is None else made(value) for value in values]
                self._add(struct.pack(f"<{len(numbers)}{code}", *numbers))

    def _add(self, data: bytes) -> None:
        self.buffers.append((len(self.body), len(data)))
        self.body += data + bytes(-len(data) % 8)


def _bits(values: Sequence[Any]) -> bytes:
    bits = bytearray((len(values) + 7) // 8)
    for at, value in enumerate(values):
        if value:
            bits[at >> 3] |= 1 << (at & 7)
    return bytes(bits)


def _offsets(code: str, lengths: Iterable[int]) -> bytes:
    offsets = [0]
    for length in lengths:
        offsets.append(offsets[-1] + length)
    return struct.pack(f"<{len(offsets)}{code}", *offsets)


def _packed(value: Any) -> bytes:
    match value:
        case None:
            return b""
        case bytes():
            return value
        case {"encoding": "base64", "data": str(data)}:  # within a list or struct
            return base64.b64decode(data)
    return str(value).encode()


def _micros(text: str) -> int:
    passed = datetime.fromisoformat(text) - _EPOCH
    return (passed.days * 86_400 + passed.seconds) * 1_000_000 + passed.microseconds


_NUMBERS: Final[dict[str, tuple[str, Callable[[Any], Any]]]] = {
    "int": ("q", int),
    "float": ("d", float),
    "date": ("i", lambda text: date.fromisoformat(text).toordinal() - _FIRST_DAY),
    "timestamp": ("q", _micros),
}
