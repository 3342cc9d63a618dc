"""From a stream of Arrow to columns and rows.  Pure; whatever the bytes, it ends with rows or an error."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any, Final

import msgspec

from runtime.errors import InvalidRequest
from runtime.rooms.built_in.database.arrow.flat import Damaged, Table
from runtime.rooms.built_in.database.arrow.kind import Field, read_field
from runtime.rooms.built_in.tables.column import MAX_FIELDS, ColumnType

MAX_VALUES: Final = 4_000_000
"""Of all columns together: those that are not there take no byte of the stream."""
_MAX_HEAD_BYTES: Final = 1 << 20
_SCHEMA, _BATCH = 1, 3
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_UNITS: Final = (1_000_000_000, 1_000_000, 1000, 1)
_CODES: Final = {8: "b", 16: "h", 32: "i", 64: "q"}
_FLOATS: Final = ("e", "f", "d")

Row = dict[str, Any]


class _Batch(msgspec.Struct):
    """A batch that is being read: what is left of its nodes and buffers.

    Attributes:
        values: How many entries may still come; `bytes` is the same for what buffers have.
    """

    body: memoryview
    nodes: Iterator[tuple[int, int]]
    buffers: Iterator[tuple[int, int]]
    values: int
    bytes: int

    def node(self) -> int:
        """The number of entries of the next column."""
        count, _ = next(self.nodes, (-1, 0))
        if not 0 <= count <= self.values:
            raise Damaged(f"a column has {count} entries, and all together at most {MAX_VALUES}")
        self.values -= count
        return count

    def buffer(self) -> memoryview:
        """The bytes of the next buffer."""
        at, size = next(self.buffers, (-1, 0))
        if at < 0 or size < 0 or at + size > len(self.body):
            raise Damaged("a buffer is not within its batch")
        self.bytes -= size
        if self.bytes < 0:
            raise Damaged("its buffers are the same again and again")
        return self.body[at : at + size]

    def numbers(self, code: str, count: int) -> tuple[Any, ...]:
        """So many numbers of the next buffer."""
        data, size = self.buffer(), struct.calcsize(code) * count
        if size > len(data):
            raise Damaged("a buffer is shorter than its column")
        return struct.unpack_from(f"<{count}{code}", data)

    def offsets(self, code: str, count: int) -> tuple[int, ...]:
        """Where each entry of the next buffer begins, and the last one ends."""
        if count == 0:
            self.buffer()
            return (0,)
        found = self.numbers(code, count + 1)
        if found[0] < 0 or any(one > after for one, after in pairwise(found)):
            raise Damaged("offsets go backwards")
        return found


def read_stream(data: bytes) -> tuple[dict[str, ColumnType], list[Row]]:
    """The columns of a stream, and its rows as JSON values and bytes.

    Raises:
        InvalidRequest: It is none, or has a type that tables do not have.
    """
    fields: list[Field] | None = None
    rows: list[Row] = []
    left = MAX_VALUES
    try:
        for message, body in _messages(memoryview(data)):
            header, kind = message.table(2), message.number(1, "B")
            if header is None or kind not in (_SCHEMA, _BATCH):
                raise Damaged("there is a message that is neither schema nor rows")
            if kind == _SCHEMA and fields is None:
                fields = [read_field(field) for field in header.tables(1)]
            elif kind == _BATCH and fields is not None:
                _refuse_width(fields)
                found, left = _rows(fields, header, body, left)
                rows += found
    except Damaged as error:
        raise InvalidRequest(f"the Arrow stream cannot be read: {error}") from None
    if fields is None:
        raise InvalidRequest("the Arrow stream has no schema")
    _refuse_width(fields)
    return {field.name: field.type for field in fields}, rows


def _refuse_width(fields: list[Field]) -> None:
    if len({field.name for field in fields}) != len(fields) or not 0 < len(fields) <= MAX_FIELDS:
        raise InvalidRequest(f"a table has 1 to {MAX_FIELDS} columns, each with a name of its own")


def read_schema(data: bytes) -> dict[str, ColumnType]:
    """The columns of a stream, whose rows are not looked at.  Raises InvalidRequest."""
    size = struct.unpack_from("<Ii", data)[1] if len(data) >= 8 else 0
    return read_stream(data[: 8 + max(size, 0)])[0]


def _messages(data: memoryview) -> Iterator[tuple[Table, memoryview]]:
    at = 0
    while at + 8 <= len(data):
        mark, size = struct.unpack_from("<Ii", data, at)
        if mark != 0xFFFFFFFF:
            raise Damaged("a message does not begin as one")
        if size == 0:
            return
        if size > _MAX_HEAD_BYTES:
            raise Damaged(f"what is said of columns and rows is longer than {_MAX_HEAD_BYTES} bytes")
        head = data[at + 8 : at + 8 + max(size, 0)]
        if len(head) != size:
            raise Damaged("a message is cut off")
        message = Table.root(head)
        length = message.number(3, "q")
        begin = at + 8 + size
        if not 0 <= length <= len(data) - begin:
            raise Damaged("the body of a message is cut off")
        yield message, data[begin : begin + length]
        at = begin + length


def _rows(fields: list[Field], header: Table, body: memoryview, left: int) -> tuple[list[Row], int]:
    count = header.number(0, "q")
    if header.has(3):
        raise InvalidRequest("the Arrow stream is compressed", cure="Send it as it is.")
    batch = _Batch(body, iter(header.pairs(1)), iter(header.pairs(2)), left, 2 * len(body))
    columns = [_column(field, batch) for field in fields]
    if any(len(column) != count for column in columns):
        raise Damaged("columns are of different lengths")
    names = [field.name for field in fields]
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)], batch.values


def _column(field: Field, batch: _Batch) -> list[Any]:
    count = batch.node()
    if field.arrow == "null":
        return [None] * count
    valid = batch.buffer()
    values = _values(field, batch, count)
    if not len(valid):
        return values
    if len(valid) * 8 < count:
        raise Damaged("the buffer of what is there is too short")
    return [value if valid[at >> 3] >> (at & 7) & 1 else None for at, value in enumerate(values)]


def _values(field: Field, batch: _Batch, count: int) -> list[Any]:
    width = field.width
    match field.arrow:
        case "int":
            code = _CODES.get(width)
            if code is None:
                raise Damaged(f"numbers of {width} bits")
            return list(batch.numbers(code if field.is_signed else code.upper(), count))
        case "float":
            if not 0 <= width < len(_FLOATS):
                raise Damaged("numbers of no precision")
            return list(batch.numbers(_FLOATS[width], count))
        case "bool":
            bits = batch.buffer()
            if len(bits) * 8 < count:
                raise Damaged("a buffer is shorter than its column")
            return [bool(bits[at >> 3] >> (at & 7) & 1) for at in range(count)]
        case "date":
            days = width == 0
            return [
                _day(one if days else one // 86_400_000) for one in batch.numbers("i" if days else "q", count)
            ]
        case "timestamp":
            if not 0 <= width < len(_UNITS):
                raise Damaged("moments of no unit")
            return [_moment(one * _UNITS[width]) for one in batch.numbers("q", count)]
        case "text" | "large_text":
            return [
                one.decode("utf-8", "replace")
                for one in _cut(batch, "i" if field.arrow == "text" else "q", count)
            ]
        case "binary" | "large_binary":
            return list(_cut(batch, "i" if field.arrow == "binary" else "q", count))
        case "fixed_binary":
            data = batch.buffer()
            if width < 0 or width * count > len(data):
                raise Damaged("a buffer is shorter than its column")
            return [bytes(data[at * width : (at + 1) * width]) for at in range(count)]
    return _nested(field, batch, count)


def _nested(field: Field, batch: _Batch, count: int) -> list[Any]:
    if field.arrow == "struct":
        columns = [_column(child, batch) for child in field.children]
        if any(len(column) < count for column in columns):
            raise Damaged("columns within one are shorter than it")
        names = [child.name for child in field.children]
        return [dict(zip(names, (column[at] for column in columns), strict=True)) for at in range(count)]
    if field.arrow == "vector":
        starts: Any = [at * field.width for at in range(count + 1)]
    else:
        starts = batch.offsets("i" if field.arrow == "list" else "q", count)
    items = _column(field.children[0], batch)
    if field.width < 0 or starts[-1] > len(items):
        raise Damaged("a list is longer than what is in it")
    return [items[starts[at] : starts[at + 1]] for at in range(count)]


def _cut(batch: _Batch, code: str, count: int) -> Iterator[bytes]:
    starts, data = batch.offsets(code, count), batch.buffer()
    if starts[-1] > len(data):
        raise Damaged("a buffer is shorter than its column")
    return (bytes(data[starts[at] : starts[at + 1]]) for at in range(count))


def _day(days: int) -> str | None:
    # What is not there may be anything, and is left out later.
    return _moment(days * 86_400_000_000_000, day=True)


def _moment(nanoseconds: int, *, day: bool = False) -> str | None:
    try:
        moment = _EPOCH + timedelta(microseconds=nanoseconds // 1000)
    except OverflowError:
        return None
    return (moment.date() if day else moment).isoformat()
