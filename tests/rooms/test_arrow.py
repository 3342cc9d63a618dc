"""Streams of Arrow: what is written is read, and whatever else is sent ends with a word about it."""

from __future__ import annotations

import struct
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from runtime.errors import InvalidRequest
from runtime.rooms.built_in.database.arrow import flat, reading
from runtime.rooms.built_in.database.arrow.flat import Damaged, Number, Pairs, Table
from runtime.rooms.built_in.database.arrow.kind import guessed
from runtime.rooms.built_in.database.arrow.reading import read_schema, read_stream
from runtime.rooms.built_in.database.arrow.writing import write_stream
from runtime.rooms.built_in.tables.column import BINARY, FLOAT, INT, TEXT, ColumnType

pytestmark = pytest.mark.unit

DATE, TIME, BOOL = ColumnType("date"), ColumnType("timestamp"), ColumnType("bool")
LIST = ColumnType("list", element=TEXT)
STRUCT = ColumnType("struct", fields=(("a", INT), ("l", ColumnType("list", element=DATE))))
VECTOR = ColumnType("vector", size=2, element=FLOAT)
LARGE = ColumnType("text", nullable=False, metadata={"arrow.type": "large_text", "made": "here"})
UUID = ColumnType("binary", metadata={"arrow.type": "fixed_binary:4", "ARROW:extension:name": "x"})

_VALUES: dict[ColumnType, st.SearchStrategy[Any]] = {
    INT: st.integers(-(2**63), 2**63 - 1),
    FLOAT: st.floats(allow_nan=False),
    BOOL: st.booleans(),
    TEXT: st.text(),
    LARGE: st.text(),
    DATE: st.dates().map(lambda day: day.isoformat()),
    TIME: st.datetimes().map(lambda moment: f"{moment.isoformat()}+00:00"),
    BINARY: st.binary(max_size=20),
    UUID: st.binary(min_size=4, max_size=4),
    VECTOR: st.lists(st.floats(width=32, allow_nan=False), min_size=2, max_size=2),
    LIST: st.lists(st.none() | st.text(max_size=3), max_size=3),
    STRUCT: st.fixed_dictionaries(
        {"a": st.none() | st.integers(0, 9), "l": st.none() | st.just([]) | st.just(["2026-01-02"])}
    ),
}


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_rows_are_read_as_they_were_written(data: st.DataObject) -> None:
    types = data.draw(st.lists(st.sampled_from(list(_VALUES)), min_size=1, max_size=4))
    columns = [_VALUES[type] if not type.nullable else st.none() | _VALUES[type] for type in types]
    rows = data.draw(st.lists(st.tuples(*columns), max_size=12))
    names = [f"c{at}" for at in range(len(types))]
    schema, found = read_stream(write_stream(names, types, rows))
    assert schema == dict(zip(names, types, strict=True))
    assert found == [dict(zip(names, row, strict=True)) for row in rows]
    assert read_schema(write_stream(names, types, rows)) == schema
    assert read_stream(write_stream(names, types)) == (schema, [])


_ROWS = [
    (1, 0.5, True, "a", "b", "2026-01-02", "2026-01-02T03:04:05+00:00", b"x", b"1234", [1.0, 2.0],
     ["x", None], {"a": 1, "l": ["2026-01-02"]}),
    (None, None, None, None, "", None, None, None, None, None, None, None),
]  # fmt: skip
_WHOLE = write_stream([f"c{at}" for at in range(len(_VALUES))], list(_VALUES), _ROWS * 3)


@given(
    st.lists(st.tuples(st.integers(0, len(_WHOLE) - 1), st.integers(0, 255)), max_size=12),
    st.integers(0, len(_WHOLE)),
)
@example([], 0)
@settings(max_examples=400, deadline=None)
def test_damaged_streams_are_rows_or_an_error(changes: list[tuple[int, int]], size: int) -> None:
    damaged = bytearray(_WHOLE)
    for at, value in changes:
        damaged[at] = value
    for stream in (bytes(damaged), bytes(damaged[:size])):
        with suppress(InvalidRequest):
            read_stream(stream)


def _stream(kind: int, header: dict[int, Any], body: bytes = b"") -> bytes:
    head = flat.write({0: Number("h", 4), 1: Number("B", kind), 2: header, 3: Number("q", len(body))})
    head += bytes(-len(head) % 8)
    return struct.pack("<II", 0xFFFFFFFF, len(head)) + head + body


def _of(
    field: dict[int, Any], nodes: list[tuple[int, int]], buffers: list[tuple[int, int]], body: bytes = b""
) -> bytes:
    batch = {0: Number("q", nodes[0][0]), 1: Pairs(nodes), 2: Pairs(buffers)}
    return _stream(1, {1: [field]}) + _stream(3, batch, body)


_NULL = {0: "n", 1: Number("B", 1), 2: Number("B", 1), 3: {}}
_TEXT = {0: "t", 1: Number("B", 1), 2: Number("B", 5), 3: {}}


@pytest.mark.parametrize(
    ("stream", "words"),
    [
        (_of(_NULL, [(2**40, 0)], []), "entries"),
        (_of(_NULL, [(-1, 0)], []), "at most|entries"),
        (_of(_TEXT, [(2, 0)], [(0, 0), (0, 12), (0, 16)], struct.pack("<4i", 0, 5, 3, 0)), "backwards"),
        (_of(_TEXT, [(2, 0)], [(0, 0), (0, 8), (8, 8)], bytes(16)), "shorter than its column"),
        (_of(_TEXT, [(1, 0)], [(-8, 8), (0, 8), (8, 8)], bytes(16)), "not within"),
        (_stream(1, {1: [{0: "x", 2: Number("B", 7), 3: {}}]}), "tables do not have"),
        (_stream(1, {1: [{**_TEXT, 4: {}}]}), "dictionary"),
        (_stream(1, {1: []}), "1 to"),
        (_stream(1, {1: [_TEXT, _TEXT]}), "a name of its own"),
        (_stream(1, {1: [_TEXT]}) + _stream(3, {0: Number("q", 0), 3: {}}), "compressed"),
        (_stream(2, {}), "neither schema nor rows"),
        (b"ARROW1\0\0" * 4, "does not begin as one"),
    ],
)  # fmt: skip
def test_what_tables_do_not_have_is_told(stream: bytes, words: str) -> None:
    with pytest.raises(InvalidRequest, match=words):
        read_stream(stream)


def test_a_message_that_says_the_same_again_and_again_is_given_up() -> None:
    """A vector whose entries are all one table, with such a vector in it, would be read for ever."""
    raw = bytearray(flat.write({0: [{0: [{0: "x" * 50}] * 1}]}))
    view = memoryview(bytes(raw))
    assert Table.root(view).tables(0)[0].tables(0)[0].text(0) == "x" * 50
    root = Table.root(view)
    with pytest.raises(Damaged, match="again and again"):
        for _ in range(1000):
            root.tables(0)[0].tables(0)[0].text(0)


def test_the_type_of_a_querys_column_is_told_from_its_values() -> None:
    assert guessed([1, None], TIME) == INT
    assert guessed(["2026-01-02T03:04:05Z"], TIME) == TIME
    assert guessed([1, 2.5], None) == FLOAT
    assert guessed([None], None) == TEXT
    assert guessed([[1.0, 2.0]], VECTOR) == VECTOR
    assert guessed([1], FLOAT) == FLOAT


def test_a_schema_that_says_the_same_field_again_and_again_is_refused_soon() -> None:
    stream = write_stream(["a"], [INT])
    head = stream[8 : 8 + struct.unpack_from("<Ii", stream)[1]]
    header = Table.root(memoryview(head)).table(2)
    assert header is not None
    place = header._place(1)
    assert place is not None
    vector = place + struct.unpack_from("<I", head, place)[0]
    field = vector + 4 + struct.unpack_from("<I", head, vector + 4)[0]

    def repeated(count: int) -> bytes:
        """A message whose list of fields has the only one so many times."""
        at, behind = len(head), len(head) + 8 + 4 * count // 8 * 8
        offsets = (behind + field - (at + 4 + 4 * number) for number in range(count))
        made = bytearray(head + struct.pack(f"<{count + 1}I", count, *offsets))
        made += bytes(behind - len(made)) + head
        struct.pack_into("<I", made, place, at - place)
        return struct.pack("<Ii", 0xFFFFFFFF, len(made)) + made

    read: list[int] = []
    was = reading.read_field
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading, "read_field", lambda field: read.append(1) or was(field))
        for count in (100_000, 1_000_000):
            with pytest.raises(InvalidRequest, match=r"again and again|longer than"):
                read_schema(repeated(count))
    assert len(read) < 20_000
