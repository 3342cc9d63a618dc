"""The tables of a room, without anybody who asks for them: against SQLite's own, and at their bounds."""

from __future__ import annotations

import asyncio
import random
import sqlite3
import struct
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from runtime.errors import Conflict, InvalidRequest, NotFound, RoomError, RoomFull, TookTooLong
from runtime.rooms.built_in.tables import (
    catalog,
    columns,
    indexes,
    query,
    rows,
    search,
    statement,
    vectors,
    versions,
    words,
)
from runtime.rooms.built_in.tables.bounds import TableBounds
from runtime.rooms.built_in.tables.catalog import TableName
from runtime.rooms.built_in.tables.cell import given as shown
from runtime.rooms.built_in.tables.cell import keep
from runtime.rooms.built_in.tables.column import Column, read_schema, read_type
from runtime.rooms.built_in.tables.file import TableFile
from runtime.rooms.built_in.tables.query import Source
from runtime.rooms.built_in.tables.search import Search
from runtime.rooms.built_in.tables.sql.expression import MAX_CHAINED, MAX_DEPTH, read_expression
from runtime.rooms.built_in.tables.sql.statement import read_statement
from tests.patience import PATIENCE

pytestmark = pytest.mark.process

T = TableName("t")
BOUNDS = TableBounds()
SCHEMA = read_schema(
    {
        "id": {"type": "int"},
        "name": {"type": "text"},
        "score": {"type": "float"},
        "ok": {"type": "bool"},
        "day": {"type": "date"},
        "at": {"type": "timestamp"},
        "raw": {"type": "binary"},
        "vec": {"type": "vector", "size": 2, "element_type": {"type": "float"}},
        "tags": {"type": "list", "element_type": {"type": "text"}},
        "who": {"type": "struct", "fields": {"name": {"type": "text"}, "age": {"type": "int"}}},
    }
)


@pytest.fixture
def db() -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.execute("PRAGMA case_sensitive_like = ON")
    catalog.prepare(connection)
    yield connection
    connection.close()


def table(db: sqlite3.Connection, given: list[dict[str, Any]], bounds: TableBounds = BOUNDS) -> None:
    rows.create(db, T, SCHEMA, given, "create", bounds)


def found(db: sqlite3.Connection, **asked: Any) -> list[Any]:
    """Values of one column, or whole rows."""
    begun = search.begin(db, Search(T, **asked))
    return [row[0] if len(row) == 1 else row for row in search.pages(db, begun)]


def ids(db: sqlite3.Connection, where: str | None = None, **more: Any) -> list[int]:
    return found(db, where=where, select=["id"], **more)


# ---- values


@pytest.mark.parametrize(
    ("form", "value", "back"),
    [
        ("int", 7.0, 7),
        ("float", 7, 7.0),
        ("bool", True, True),
        ("date", "2026-01-02 03:04:05", "2026-01-02"),
        ("timestamp", "2026-01-02 03:04:05+02:00", "2026-01-02T01:04:05Z"),
        ("timestamp", "2026-01-02T03:04:05.25Z", "2026-01-02T03:04:05.250000Z"),
        ("timestamp", "0044-03-15", "0044-03-15T00:00:00Z"),
        ("binary", {"encoding": "base64", "data": "AQI="}, b"\x01\x02"),
        ("binary", "b'\\x01\\x02'", b"\x01\x02"),
        ("text", "\ud800", "\ufffd"),
        ({"type": "vector", "size": 2}, [1, 0.5], [1.0, 0.5]),
        ({"type": "vector", "size": 2, "element_type": {"type": "int"}}, [1, 2], [1, 2]),
        ({"type": "list", "element_type": {"type": "date"}}, ["2026-01-02", None], ["2026-01-02", None]),
        (
            {"type": "struct", "fields": [{"name": "a", "data_type": {"type": "binary"}}]},
            {"a": b"x"},
            {"a": {"encoding": "base64", "data": "eA=="}},
        ),
    ],
)
def test_values_are_kept_by_their_columns_type(form: Any, value: Any, back: Any) -> None:
    type = read_type({"type": form} if isinstance(form, str) else form)
    column = Column("c", type, 0)
    assert shown(keep(value, column), type) == back
    assert shown(keep(shown(keep(value, column), type), column), type) == back
    assert shown(keep(None, column), type) is None


@pytest.mark.parametrize(
    ("form", "value"),
    [
        ("int", 1.5),
        ("int", True),
        ("int", 2**63),
        ("int", float("inf")),
        ("float", "1"),
        ("bool", 1),
        ("date", "tomorrow"),
        ("timestamp", 5),
        ("binary", "plain"),
        ("binary", "b'" + "(" * 50),
        ("text", 1),
        ({"type": "vector", "size": 2}, [1]),
        ({"type": "vector", "size": 2}, [1, None]),
        ({"type": "vector", "size": 1}, [1e300]),
        ({"type": "vector", "size": 1}, [float("nan")]),
        ({"type": "list", "element_type": {"type": "int"}}, {"a": 1}),
        ({"type": "struct", "fields": {"a": {"type": "int"}}}, {"b": 1}),
        ({"type": "text", "nullable": False}, None),
    ],
)
def test_a_value_that_does_not_fit_is_told_with_its_column(form: Any, value: Any) -> None:
    type = read_type({"type": form} if isinstance(form, str) else form)
    with pytest.raises(InvalidRequest, match="column 'c' takes"):
        keep(value, Column("c", type, 0))


def test_a_schema_is_told_from_rows(db: sqlite3.Connection) -> None:
    given = [
        {"i": 1, "f": 1, "b": True, "v": [1, 2], "l": ["a"], "s": {"x": 1}, "raw": b""},
        {"i": None, "f": 1.5, "v": [3.5, 4], "l": [], "t": "x"},
    ]  # fmt: skip
    rows.create(db, T, None, given, "create", BOUNDS)
    kinds = {name: column.type.kind for name, column in catalog.get(db, T).columns.items()}
    assert " ".join(f"{name}:{kind}" for name, kind in kinds.items()) == (
        "i:int f:float b:bool v:vector l:list s:struct raw:binary t:text"
    )
    with pytest.raises(InvalidRequest, match="different types"):
        rows.create(db, TableName("u"), None, [{"a": 1}, {"a": "x"}], "create", BOUNDS)
    with pytest.raises(InvalidRequest, match="a schema, or rows"):
        rows.create(db, TableName("u"), None, [], "create", BOUNDS)


# ---- filters


@pytest.mark.parametrize(
    ("where", "wanted"),
    [
        ('name = "O\'B\\u00e9"', [1]),
        ("name = 'O''B\u00e9'", [1]),
        ("`name` like '%\\_%'", [2]),
        ("name LIKE 'a%'", [2]),
        ("name ilike 'A%'", [2]),
        ("name not like 'a%' AND name is not null", [1]),
        ("name IS NULL", [3]),
        ("name = null", []),
        ("ok = true", [1]),
        ("ok is false", [2]),
        ("NOT (id = 1 OR id = 2)", [3]),
        ("id in (1, 3)", [1, 3]),
        ("id not in (1, 3)", [2]),
        ("id between 2 and 3", [2, 3]),
        ("score * 2 >= 3 and score < 1e3", [1]),
        ("-id = -2", [2]),
        ("day = '2026-01-02'", [1]),
        ("day > date '2026-01-02'", [2]),
        ("day between '2026-01-01' and '2026-01-31 00:00:00'", [1]),
        ("at = '2026-01-02 03:04:05+00:00'", [1]),
        ("at > '2026-01-02T04:04:05+01:00'", [2]),
        ("at >= timestamp '2026-01-02'", [1, 2]),
        ("cast(id as string) = '2'", [2]),
        ("cast(at as date) = '2026-01-02'", [1]),
        ("raw = X'01'", [1]),
        ("array_has(tags, 'a')", [1]),
        ("array_has_any(tags, ['b', 'x'])", [1, 2]),
        ("array_has_all(tags, ['a', 'b'])", [1]),
        ("array_length(tags) = 1", [2]),
        ("who.name = 'ada'", [1]),
        ("who['age'] > 30", [1]),
        ("starts_with(name, 'a') or ends_with(name, '\u00e9')", [1, 2]),
        ("lower(name) = 'o''b\u00e9' and length(name) = 4", [1]),
        ("case when id = 3 then 1 else 0 end = 1", [3]),
        ("coalesce(name, 'none') = 'none'", [3]),
        ("concat(name, '!') = '!'", [3]),
    ],
)
def test_filters(db: sqlite3.Connection, where: str, wanted: list[int]) -> None:
    table(
        db,
        [
            {"id": 1, "name": "O'B\u00e9", "score": 1.5, "ok": True, "day": "2026-01-02", "raw": b"\x01",
             "at": "2026-01-02T03:04:05Z", "tags": ["a", "b"], "who": {"name": "ada", "age": 36}},
            {"id": 2, "name": "a_b", "ok": False, "day": "2026-02-03", "at": "2026-02-03", "tags": ["x"],
             "score": 1},
            {"id": 3},
        ],
    )  # fmt: skip
    assert ids(db, where) == wanted
    assert search.count(db, Search(T, where=where)) == len(wanted)


@pytest.mark.parametrize(
    "where",
    [
        "nothing = 1",
        "id = ",
        "id = 1; drop table t",
        "id = 1 -- so",
        "id = (select 1)",
        "id = 1) or (1 = 1",
        "load_extension('x')",
        "id in ()",
        "day = 'soon'",
        "vec = vec",
        "who.nothing = 1",
        "cast(id as blob) = 1",
        "name like 'a' escape 'ab'",
        "'open",
        "X'0'",
        "(" * (MAX_DEPTH + 1) + "1" + ")" * (MAX_DEPTH + 1),
        "1" + "+1" * (MAX_CHAINED + 1),
        "id" + "=1" * (MAX_CHAINED + 2),
        "id in (" + ",".join(["1"] * 20_001) + ")",
        "at < '0001-01-01T00:00:00+05:00'",
        "at < cast('9999-12-31T23:59:59-05:00' as timestamp)",
        "ends_with(name, " * 13 + "name" + ")" * 13,
        "array_has_any(" + "coalesce(tags, " * 30 + "tags" + ")" * 30 + ", [" + "1," * 15_000 + "])",
    ],
)
def test_what_is_no_filter_is_refused_with_words(db: sqlite3.Connection, where: str) -> None:
    table(db, [{"id": 1}])
    with pytest.raises(InvalidRequest):
        ids(db, where)


def test_many_alternatives_are_no_deep_tree(db: sqlite3.Connection) -> None:
    table(db, [{"id": number} for number in range(3)])
    assert ids(db, " or ".join(f"id = {number}" for number in range(1, 4000))) == [1, 2]


def test_double_quotes_name_a_column_where_newer_releases_ask(db: sqlite3.Connection) -> None:
    table(db, [{"id": 1, "name": "x"}])
    assert ids(db, "\"name\" = 'x'", quotes_are_text=False) == [1]


_COLUMNS = {name: Column(name, type, number) for number, (name, type) in enumerate(SCHEMA.items())}


@given(st.text(alphabet="id name'\"`()=<>+-*/.,[]%1eExX'andornotinlikecast \\", max_size=40))
@settings(max_examples=300, deadline=None)
def test_no_text_breaks_the_reader_or_reaches_the_file_unread(text: str) -> None:
    try:
        made = read_expression(text, _COLUMNS)
    except InvalidRequest:
        return
    connection = sqlite3.connect(":memory:")
    names = ", ".join(f"{column.sql} TEXT" for column in _COLUMNS.values())
    connection.execute(f"CREATE TABLE t({names})")
    try:  # it may complain of a pattern or a number, but what it is given is an expression over columns
        connection.execute(f"EXPLAIN SELECT 1 FROM t WHERE {made.sql}", made.values)
    finally:
        connection.close()


# ---- tables against SQLite's own

_VALUES = st.fixed_dictionaries(
    {},
    optional={
        "id": st.none() | st.integers(-3, 3),
        "name": st.none() | st.sampled_from(["a", "b", "A", "", "a b", "\u00e9", "it's"]),
        "score": st.none() | st.sampled_from([0.0, 0.5, -2.25, 1e9]),
    },
)
_FILTERS = st.recursive(
    st.sampled_from(
        [
            "id = 1", "id <> 2", "id < 0", "id >= 1", "id in (0, 1, 2)", "id between -1 and 1", "id is null",
            "name = 'a'", "name = 'it''s'", "name like 'a%'", "name is not null", "score > 0",
            "score + id > 1",
            "lower(name) = 'a'", "id % 2 = 0", "length(name) > 1", "id = score",
        ]
    ),
    lambda inner: st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(" ".join).map("({})".format)
    | st.builds(lambda a: f"not {a}", inner),
    max_leaves=4,
)  # fmt: skip
_NAMES = ("id", "name", "score")


class TablesAgainstSqlite(RuleBasedStateMachine):
    """The same is asked of both; SQLite's table is one of rows that change in place."""

    def __init__(self) -> None:
        super().__init__()
        self.ours = sqlite3.connect(":memory:", isolation_level=None)
        self.theirs = sqlite3.connect(":memory:", isolation_level=None)
        for connection in (self.ours, self.theirs):
            connection.execute("PRAGMA case_sensitive_like = ON")
        catalog.prepare(self.ours)
        schema = {name: SCHEMA[name] for name in _NAMES}
        rows.create(self.ours, T, schema, [], "create", TableBounds(max_versions=4))
        self.theirs.execute("CREATE TABLE t(id INTEGER, name TEXT, score REAL)")
        self.bounds = TableBounds(max_versions=4)
        self.before: dict[int, list[Any]] = {}

    def teardown(self) -> None:
        self.ours.close()
        self.theirs.close()

    def _expected(self) -> list[Any]:
        return sorted(self.theirs.execute("SELECT id, name, score FROM t").fetchall(), key=repr)

    def _add(self, given: list[dict[str, Any]]) -> None:
        values = [[row.get(name) for name in _NAMES] for row in given]
        self.theirs.executemany("INSERT INTO t VALUES(?, ?, ?)", values)

    def _noted(self) -> None:
        self.before[catalog.get(self.ours, T).version] = self._expected()

    @rule(given=st.lists(_VALUES, max_size=4))
    def insert(self, given: list[dict[str, Any]]) -> None:
        rows.insert(self.ours, T, given, self.bounds)
        self._add(given)
        self._noted()

    @rule(where=_FILTERS, values=_VALUES, add=st.none() | st.sampled_from(["id + 1", "length(name)"]))
    def update(self, where: str, values: dict[str, Any], add: str | None) -> None:
        expressions = {} if add is None else {"id": add}
        values = {name: value for name, value in values.items() if name not in expressions}
        if not values and not expressions:
            return
        sets = ", ".join(
            [f"{name} = ?" for name in values] + [f"{name} = {to}" for name, to in expressions.items()]
        )
        count = self.theirs.execute(f"UPDATE t SET {sets} WHERE {where}", list(values.values())).rowcount
        assert rows.update(self.ours, T, where, values, expressions, self.bounds) == count
        self._noted()

    @rule(where=_FILTERS)
    def delete(self, where: str) -> None:
        count = self.theirs.execute(f"DELETE FROM t WHERE {where}").rowcount
        assert rows.delete(self.ours, T, where, self.bounds) == count
        self._noted()

    @rule(given=st.lists(_VALUES, max_size=4), on=st.sampled_from(["id", "name"]))
    def merge(self, given: list[dict[str, Any]], on: str) -> None:
        rows.merge(self.ours, T, on, given, self.bounds)
        last = {row[on]: row for row in given if row.get(on) is not None}
        there = {
            key: self.theirs.execute(f"SELECT 1 FROM t WHERE {on} = ?", (key,)).fetchone() for key in last
        }
        new = [row for row in given if row.get(on) is None]
        for key, row in last.items():
            if there[key]:
                sets = ", ".join(f"{name} = ?" for name in row)
                self.theirs.execute(f"UPDATE t SET {sets} WHERE {on} = ?", (*row.values(), key))
            else:
                new.append(row)
        self._add(new)
        self._noted()

    @rule(
        form=st.sampled_from(
            [
                "DELETE FROM t WHERE {}",
                "UPDATE t SET id = id + 1, name = 'x, (y)' WHERE {}",
                "update T set score = $one where not {};",
                "INSERT INTO t (name, id) SELECT name, id + 1 FROM t WHERE {}",
                "INSERT INTO t SELECT * FROM t WHERE {} ORDER BY id, name, score LIMIT 3",
                "INSERT INTO t (id, name) VALUES (1 + 1, 'a''b'), (-$one, lower('C')), (NULL, NULL)",
            ]
        ),
        where=_FILTERS,
    )
    def say(self, form: str, where: str) -> None:
        if len(self._expected()) > 40 and form.startswith("INSERT"):
            return
        text, values = form.format(where), {"one": 1}
        count = self.theirs.execute(text, values).rowcount
        read = read_statement(text)
        assert statement.run(self.ours, read, T, [Source(T)], values, self.bounds) == count
        self._noted()

    @rule(kind=st.sampled_from(["BTREE", "FTS"]), column=st.sampled_from(_NAMES))
    def index(self, kind: str, column: str) -> None:
        indexes.create(self.ours, T, [column], kind)

    @rule(data=st.data())
    def restore(self, data: st.DataObject) -> None:
        kept = [one.number for one in versions.listed(self.ours, T) if one.number in self.before]
        if kept:
            version = data.draw(st.sampled_from(kept))
            versions.restore(self.ours, T, version, self.bounds)
            self.theirs.execute("DELETE FROM t")
            self.theirs.executemany("INSERT INTO t VALUES(?, ?, ?)", self.before[version])
            self._noted()

    @rule(where=_FILTERS)
    def ask(self, where: str) -> None:
        wanted = sorted(
            self.theirs.execute(f"SELECT id, name, score FROM t WHERE {where}").fetchall(), key=repr
        )
        assert sorted(map(tuple, found(self.ours, where=where)), key=repr) == wanted
        assert search.count(self.ours, Search(T, where=where)) == len(wanted)

    @rule(word=st.sampled_from(["a", "b", "it"]))
    def words(self, word: str) -> None:
        everything = catalog.get(self.ours, T)
        if "name" in everything.text_columns:
            wanted = self.theirs.execute("SELECT name FROM t WHERE name IS NOT NULL").fetchall()
            wanted = [name for (name,) in wanted if word in name.lower().replace("'", " ").split()]
            assert sorted(found(self.ours, text=word, select=["name"], limit=1000)) == sorted(wanted)

    @invariant()
    def same(self) -> None:
        assert sorted(map(tuple, found(self.ours)), key=repr) == self._expected()
        assert catalog.get(self.ours, T).rows == len(self._expected())

    @invariant()
    def versions_are_what_they_were(self) -> None:
        kept = [one.number for one in versions.listed(self.ours, T)]
        assert len(kept) <= self.bounds.max_versions
        for number in kept:
            if number in self.before:
                assert sorted(map(tuple, found(self.ours, version=number)), key=repr) == self.before[number]


TestTablesAgainstSqlite = TablesAgainstSqlite.TestCase
TestTablesAgainstSqlite.settings = settings(max_examples=30, stateful_step_count=20, deadline=None)


# ---- words and vectors


def _library(db: sqlite3.Connection) -> None:
    texts = ["the cat sat", "the cat and the dog", "a dog barked", "nothing", "cats, cats, cats"]
    table(db, [{"id": n, "name": text, "vec": [n, 0]} for n, text in enumerate(texts)])


def test_words_are_found_with_and_without_an_index(db: sqlite3.Connection) -> None:
    _library(db)
    assert set(ids(db, text="cat DOG")) == {0, 1, 2, 4}
    assert ids(db, text="cat DOG")[0] == 1
    indexes.create(db, T, ["name"], indexes.WORDS)
    assert set(ids(db, text="cat DOG")) == {0, 1, 2, 4}  # "cats" too: words are stemmed
    assert ids(db, "id > 1", text="dog") == [2]
    assert ids(db, text='"') == []
    assert set(ids(db, text='sat" OR "nothing')) == {0, 3}
    assert ids(db, text="NEAR(sat)") == [0]
    assert search.count(db, Search(T, text="dog")) == 2
    indexes.drop(db, T, "name_idx")
    assert set(ids(db, text="dog")) == {1, 2}


def test_an_index_of_words_is_kept_up(db: sqlite3.Connection) -> None:
    _library(db)
    indexes.create(db, T, ["name"], indexes.WORDS)
    rows.update(db, T, "id = 3", {"name": "a whale"}, {}, BOUNDS)
    assert (ids(db, text="whale"), ids(db, text="nothing")) == ([3], [])
    rows.delete(db, T, "id = 3", BOUNDS)
    assert ids(db, text="whale") == []
    assert ids(db, text="whale", version=2) == [3]
    versions.restore(db, T, 1, BOUNDS)
    assert (ids(db, text="whale"), ids(db, text="nothing")) == ([], [3])


def test_vectors_nearest_first_and_both_together(db: sqlite3.Connection) -> None:
    _library(db)
    indexes.create(db, T, ["vec"], indexes.VECTOR)  # accepted, though it changes nothing
    assert ids(db, vector=[2.2, 0], limit=3) == [2, 3, 1]
    assert ids(db, vector=[2.2, 0], limit=2, offset=1) == [3, 1]
    assert ids(db, "id <> 2", vector=[2.2, 0], limit=1) == [3]
    assert ids(db, vector=[1, 0], text="dog", limit=2) == [1, 2]
    with pytest.raises(InvalidRequest, match="vectors of 3 numbers"):
        ids(db, vector=[1, 2, 3])
    with pytest.raises(InvalidRequest, match="at most"):
        ids(db, vector=[1, 2], limit=1_000_000)
    table_of_many = [{"id": n, "vec": [n, 1]} for n in range(20)]
    rows.insert(db, T, table_of_many, BOUNDS)
    assert len(ids(db, vector=[0, 0])) == search.BEST


@given(
    st.lists(st.lists(st.floats(-8, 8, width=16), min_size=3, max_size=3), max_size=40),
    st.lists(st.floats(-8, 8, width=16), min_size=3, max_size=3),
    st.integers(1, 50),
)
@settings(max_examples=60, deadline=None)
def test_the_same_is_nearest_with_and_without_numpy(kept: Any, wanted: Any, count: int) -> None:
    given = list(enumerate(struct.pack("<3f", *vector) for vector in kept))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vectors, "BATCH", 7)
        quick = vectors.nearest(given, wanted, count)
        patch.setattr(vectors, "_numpy", lambda: None)
        plain = vectors.nearest(given, wanted, count)
    assert quick == plain


def test_an_index_of_vectors_looks_at_few_and_finds_the_nearest(
    db: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("numpy")
    monkeypatch.setattr(vectors, "LEAST_ROWS", 100)
    monkeypatch.setattr(search, "_LIKELY", 40)
    monkeypatch.setattr(search, "_LIKELY_EACH", 4)
    chance = random.Random(7)
    size = vectors.LEAST_SIZE
    middles = [[chance.gauss(0, 1) for _ in range(size)] for _ in range(60)]

    def around(number: int) -> list[float]:
        return [one + chance.gauss(0, 0.3) for one in middles[number % len(middles)]]

    schema = read_schema({"id": {"type": "int"}, "vec": {"type": "vector", "size": size}})
    given = [{"id": n, "vec": around(n)} for n in range(3000)]
    rows.create(db, T, schema, given, "create", BOUNDS)
    asked = [around(number) for number in range(20)]
    exact = [ids(db, vector=one, limit=5) for one in asked]
    indexes.create(db, T, ["vec"], indexes.VECTOR)
    looked_at: list[int] = []
    before = vectors.nearest

    def counted(found: Any, *more: Any) -> list[int]:
        read = list(found)
        looked_at.append(len(read))
        return before(read, *more)

    monkeypatch.setattr(vectors, "nearest", counted)
    quick = [ids(db, vector=one, limit=5) for one in asked]
    assert max(looked_at) <= 40
    hits = sum(len(set(one) & set(other)) for one, other in zip(exact, quick, strict=True))
    assert hits >= 0.9 * 100
    # What was added and deleted since is seen; a filter that leaves few is whole, as are earlier versions.
    rows.insert(db, T, [{"id": 9000, "vec": asked[0]}], BOUNDS)
    rows.delete(db, T, f"id = {exact[1][0]}", BOUNDS)
    assert ids(db, vector=asked[0], limit=1) == [9000]
    assert ids(db, vector=asked[1], limit=1) == [exact[1][1]]
    assert set(ids(db, "id in (5, 7)", vector=asked[3], limit=5)) == {5, 7}
    assert ids(db, vector=asked[1], limit=5, version=1) == exact[1]
    indexes.optimize(db, T)
    assert ids(db, vector=asked[0], limit=1) == [9000]
    indexes.drop(db, T, "vec_idx")
    assert ids(db, vector=asked[2], limit=5) == exact[2]
    assert not db.execute("SELECT name FROM sqlite_master WHERE name LIKE 'near%'").fetchall()


def test_a_number_of_a_row_that_is_gone_is_not_taken_for_the_one_that_has_it_now(
    db: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("numpy")
    monkeypatch.setattr(vectors, "LEAST_ROWS", 1)
    monkeypatch.setattr(search, "_LIKELY", 1)
    monkeypatch.setattr(search, "_LIKELY_EACH", 1)
    size, bounds = vectors.LEAST_SIZE, TableBounds(max_versions=1)
    schema = read_schema({"id": {"type": "int"}, "vec": {"type": "vector", "size": size}})
    low, high = [-1.0] * size, [1.0] * size
    rows.create(db, T, schema, [{"id": 1, "vec": low}, {"id": 2, "vec": high}], "create", bounds)
    indexes.create(db, T, ["vec"], indexes.VECTOR)
    rows.delete(db, T, "id = 2", bounds)
    rows.insert(
        db, T, [{"id": 3, "vec": [-0.9] * size}], bounds
    )  # the file gives it the number of the second
    assert ids(db, vector=[-0.9] * size, limit=1) == [3]


# ---- columns, indexes, versions, namespaces


def test_columns_come_change_and_go(db: sqlite3.Connection) -> None:
    table(db, [{"id": 1, "name": "a"}, {"id": 2}])
    columns.add(db, T, {"twice": "id * 2", "note": read_type({"type": "text"}), "big": "'x'"}, BOUNDS)
    assert found(db, select=["twice", "note", "big"]) == [[2, None, "x"], [4, None, "x"]]
    columns.alter(db, T, {"twice": read_type({"type": "text"})}, BOUNDS)
    assert found(db, where="twice = '4'", select=["twice"]) == ["4"]
    indexes.create(db, T, ["twice"], indexes.SCALAR)
    columns.drop(db, T, ["twice", "vec"], BOUNDS)
    assert indexes.listed(db, T) == []
    with pytest.raises(InvalidRequest, match="no column 'twice'"):
        found(db, select=["twice"])
    assert found(db, select=["twice"], version=2) == [2, 4]
    with pytest.raises(InvalidRequest, match="has nulls"):
        columns.alter(db, T, {"name": read_type({"type": "text", "nullable": False})}, BOUNDS)
    with pytest.raises(RoomError, match="already"):
        columns.add(db, T, {"id": "1"}, BOUNDS)


def test_a_version_that_is_checked_out_is_read_and_not_written(db: sqlite3.Connection) -> None:
    table(db, [{"id": 1}])
    rows.insert(db, T, [{"id": 2}], BOUNDS)
    versions.check_out(db, T, 1)
    assert ids(db) == [1]
    with pytest.raises(Conflict, match="checked out at version 1"):
        rows.insert(db, T, [{"id": 3}], BOUNDS)
    versions.check_out(db, T, 2)
    assert ids(db) == [1, 2]
    versions.check_out(db, T, 1)
    versions.restore(db, T, 1, BOUNDS)
    rows.insert(db, T, [{"id": 3}], BOUNDS)
    assert ids(db) == [1, 3]
    assert [one.number for one in versions.listed(db, T)] == [1, 2, 3, 4]
    with pytest.raises(NotFound, match="no version 9"):
        ids(db, version=9)


def test_a_search_reads_one_version_page_by_page(db: sqlite3.Connection) -> None:
    table(db, [{"id": n, "name": "x" * 100} for n in range(10)])
    begun = search.begin(db, Search(T, select=["id", "name"], offset=1))
    first = search.page(db, begun, 4)
    rows.delete(db, T, "id > 3", BOUNDS)
    rows.insert(db, T, [{"id": 99}], BOUNDS)
    rest = [*search.page(db, begun, 100, max_bytes=250), *search.pages(db, begun)]
    assert [row[0] for row in (*first, *rest)] == list(range(1, 10))


def test_pages_of_a_version_that_is_forgotten_meanwhile_are_refused(db: sqlite3.Connection) -> None:
    bounds = TableBounds(max_versions=2)
    table(db, [{"id": n} for n in range(10)], bounds)
    begun = search.begin(db, Search(T))
    search.page(db, begun, 4)
    for _ in range(3):
        rows.update(db, T, "id >= 0", {"name": "x"}, {}, bounds)
    with pytest.raises(NotFound, match="no version 1"):
        search.page(db, begun, 4)


def test_a_number_that_no_json_has_is_none(db: sqlite3.Connection) -> None:
    table(db, [{"id": 1, "score": 1e308}])
    rows.update(db, T, "id = 1", {}, {"score": "score * 10"}, BOUNDS)
    assert found(db, select=["score"]) == [None]
    with query.answered(db, "SELECT score * 2 AS much FROM t", [Source(T)], None, BOUNDS) as answer:
        assert list(answer.rows) == [[None]]


def test_namespaces_have_tables_of_their_own(db: sqlite3.Connection) -> None:
    table(db, [{"id": 1}])
    other = TableName("t", ("a", "b"))
    rows.create(db, other, SCHEMA, [], "create", BOUNDS)
    assert catalog.listed(db) == [T]
    assert catalog.listed(db, ("a", "b")) == [other]
    assert catalog.listed(db, None) == [other, T] or set(catalog.listed(db, None)) == {other, T}
    catalog.drop(db, catalog.get(db, other))
    assert catalog.listed(db, ("a", "b")) == []
    for wrong in ("a", [1], [""], ["x"] * 9):
        with pytest.raises(InvalidRequest):
            TableName.read("t", wrong)


# ---- queries


def test_a_query_reads_the_tables_it_names_and_nothing_else(db: sqlite3.Connection) -> None:
    table(db, [{"id": n, "name": "ab"[n % 2], "ok": n > 1} for n in range(4)])
    other = TableName("secret")
    rows.create(db, other, None, [{"word": "hush"}], "create", BOUNDS)

    def ask(text: str, values: Any = None, *more: Source) -> list[Any]:
        db.execute("BEGIN")
        try:
            with query.answered(db, text, [Source(T), *more], values, BOUNDS) as answer:
                return list(answer.rows)
        finally:
            db.execute("ROLLBACK")

    assert ask("SELECT name, count(*) FROM t WHERE id >= $least GROUP BY name", {"least": 1}) == [
        ["a", 1],
        ["b", 2],
    ]
    assert ask("SELECT ok FROM t WHERE id = 3") == [[True]]
    assert ask("SELECT $x = '\ufffd' AS same", {"x": "\ud800"}) == [[1]]
    for text, values in (("SELECT 1\0", None), ("SELECT $x", {"x": 2**64}), ("SELECT $x", {"x": []})):
        with pytest.raises(InvalidRequest):
            ask(text, values)
    for alias in ("T", "sqlite_x"):
        with pytest.raises(InvalidRequest, match=f"cannot name table '{alias}'.*alias"):
            ask("SELECT 1 FROM t", None, Source(T, alias))
    assert ask("WITH a AS (SELECT id FROM t WHERE id > 1) SELECT count(*) FROM a") == [[2]]
    joined = ask("SELECT s.word FROM t JOIN s ON t.id = 0", None, Source(other, "s"))
    assert joined == [["hush"]]
    for wrong in (
        "SELECT * FROM secret",
        "SELECT * FROM main.rows_2",
        "WITH t2 AS (SELECT * FROM main.tables) SELECT * FROM t2",
        "SELECT * FROM sqlite_master",
        "DELETE FROM t",
        "PRAGMA table_info(t)",
        "ATTACH 'x' AS y",
        "SELECT load_extension('x')",
        "SELECT randomblob(10)",
        "SELECT * FROM pragma_table_info('t')",
        "SELECT count(*) FROM main.tables",
        "SELECT count(*) FROM temp.sqlite_schema",
        "SELECT 1; SELECT 2",
    ):
        with pytest.raises((InvalidRequest, sqlite3.Error)):
            ask(wrong)
    assert ask("SELECT count(*) FROM t") == [[4]]


@pytest.mark.parametrize("where", [None, "id % 2 = 0", "id < 7"])
def test_of_many_rows_with_words_those_with_the_rarer_come_first(
    db: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch, where: str | None
) -> None:
    monkeypatch.setattr(words, "FEW", 8)
    monkeypatch.setattr(words, "FITTING", 9)
    monkeypatch.setattr(words, "LIKELY", 3)
    texts = ["the tide" if n % 2 else "the mill the wheel" for n in range(60)]
    texts[4], texts[6], texts[20], texts[33] = "a heron", "the heron and more of it", "the heron", "no bird"
    table(db, [{"id": n, "name": text} for n, text in enumerate(texts)])
    indexes.create(db, T, ["name"], indexes.WORDS)
    fits = [n for n in range(60) if where is None or (n % 2 == 0 if "%" in where else n < 7)]
    herons = [n for n in (20, 6, 4) if n in fits]
    ask = partial(ids, db, where=where, text="the heron")
    assert ask(limit=2) == herons[:2]  # the shorter first, of two that have both
    assert ask(limit=3)[: len(herons)] == herons
    everything = ask(limit=100)
    assert sorted(everything) == [n for n in fits if n != 33]
    assert ids(db, where=where, text="wheel tide", limit=1, offset=99) == []
    assert search.count(db, Search(T, text="the heron", where=where)) == len(everything)
    assert set(ids(db, where=where, text="tide wheel", limit=4)) <= set(fits)


def test_rows_that_are_left_out_are_the_first_whatever_is_missing_among_them(db: sqlite3.Connection) -> None:
    table(db, [{"id": n} for n in range(6)])
    assert [ids(db, limit=2, offset=n) for n in (1, 4, 5, 6, 99)] == [[1, 2], [4, 5], [5], [], []]
    rows.delete(db, T, "id < 2", BOUNDS)
    assert [ids(db, limit=2, offset=n) for n in (1, 3, 4)] == [[3, 4], [5], []]
    rows.delete(db, T, "id = 3", BOUNDS)
    assert [ids(db, limit=2, offset=n) for n in (1, 2, 3)] == [[4, 5], [5], []]
    rows.update(db, T, "id = 2", {"name": "x"}, {}, BOUNDS)
    assert [ids(db, offset=n) for n in (0, 1, 2)] == [[4, 5, 2], [5, 2], [2]]
    rows.delete(db, T, "TRUE", BOUNDS)
    assert ids(db, offset=1) == []


@pytest.mark.parametrize(
    "text",
    [
        "DROP VIEW t",
        "DELETE t",
        "DELETE FROM t WHERE",
        "DELETE FROM t WHERE id = 1; DELETE FROM t",
        "DELETE FROM u",
        "DELETE FROM t WHERE id = (SELECT 1)",
        "UPDATE t SET",
        "UPDATE t SET id WHERE id = 1",
        "UPDATE t SET id = 1, WHERE id = 1",
        "UPDATE t SET born = 1",
        "UPDATE t SET id = $gone",
        "INSERT INTO t VALUES",
        "INSERT INTO t VALUES 1",
        "INSERT INTO t (id) VALUES (1, 2)",
        "INSERT INTO t (id, gone) VALUES (1, 2)",
        "INSERT INTO t (id) VALUES (name)",
        "INSERT INTO t (id) SELECT seq FROM main.rows_1",
        "INSERT INTO t (id) VALUES ('x')",
        "REPLACE INTO t VALUES (1)",
    ],
)
def test_what_is_no_statement_changes_nothing(db: sqlite3.Connection, text: str) -> None:
    table(db, [{"id": 1}])
    with pytest.raises(InvalidRequest):
        read = read_statement(text)
        statement.run(db, read, statement.target(read, [Source(T)], None), [Source(T)], {}, BOUNDS)
    assert ids(db) == [1]


def test_a_statement_gives_columns_values_of_their_types(db: sqlite3.Connection) -> None:
    table(db, [])
    text = (
        "INSERT INTO t (id, ok, day, at, raw, vec, tags) VALUES "
        "(1, true, date '2026-01-02', '2026-01-02 03:04:05', X'01', [1, 0.5], $tags)"
    )
    assert statement.run(db, read_statement(text), T, [Source(T)], {"tags": ["a"]}, BOUNDS) == 1
    update = "UPDATE t SET ok = $no, at = NULL, name = concat('a', ', b') WHERE array_has(tags, 'a')"
    assert statement.run(db, read_statement(update), T, [Source(T)], {"no": False}, BOUNDS) == 1
    wanted = ["ok", "day", "at", "raw", "vec", "tags", "name"]
    assert found(db, select=wanted) == [[False, "2026-01-02", None, b"\x01", [1.0, 0.5], ["a"], "a, b"]]


# ---- the file


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "tables"


Open = Callable[..., Awaitable[TableFile]]


@pytest_asyncio.fixture
async def opened(folder: Path) -> AsyncIterator[Open]:
    """A file with a table of so many rows, of a kilobyte each; closed behind the test."""
    files: list[TableFile] = []

    async def begin(bounds: TableBounds = BOUNDS, count: int = 0) -> TableFile:
        files.append(TableFile(folder, bounds))
        given = [{"id": n, "name": "x" * 1000} for n in range(count)]
        await files[-1].write(lambda db: table(db, given, bounds))
        return files[-1]

    yield begin
    for file in files:
        await file.close()


@pytest.mark.asyncio
async def test_tables_are_there_after_the_file_was_closed_and_none_leaves_none(
    folder: Path, opened: Open
) -> None:
    file = await opened(BOUNDS, 3)
    assert (folder.stat().st_mode & 0o777, (folder / "tables.sqlite3").stat().st_mode & 0o777) == (
        0o700,
        0o600,
    )
    await file.close()
    assert [one.name for one in folder.iterdir()] == ["tables.sqlite3"]
    again = TableFile(folder, BOUNDS)
    assert await again.read(ids, list) == [0, 1, 2]
    await again.write(lambda db: catalog.drop(db, catalog.get(db, T)))
    await again.close()
    assert not folder.exists()
    assert await TableFile(folder, BOUNDS).read(ids, list) == []


@pytest.mark.asyncio
async def test_what_else_is_in_the_folder_stays_there(folder: Path, opened: Open) -> None:
    file = await opened(BOUNDS, 3)
    (folder / "other.sqlite3").touch()
    await file.write(lambda db: catalog.drop(db, catalog.get(db, T)))
    await file.close()
    assert [one.name for one in folder.iterdir()] == ["other.sqlite3"]


@pytest.mark.asyncio
async def test_a_change_that_fails_leaves_nothing(opened: Open) -> None:
    file = await opened(BOUNDS, 1)
    with pytest.raises(InvalidRequest, match="column 'id'"):
        await file.write(lambda db: rows.insert(db, T, [{"id": 1}, {"id": "x"}], BOUNDS))
    assert await file.read(ids, list) == [0]


@pytest.mark.asyncio
async def test_rows_and_bytes_are_bounded_and_old_versions_give_way(folder: Path, opened: Open) -> None:
    bounds = TableBounds(max_bytes=1024 * 1024, max_rows=400)
    file = await opened(bounds, 300)
    with pytest.raises(RoomFull, match="would have 401 rows"):
        await file.write(lambda db: rows.insert(db, T, [{"id": n} for n in range(101)], bounds))
    for turn in range(4):  # each leaves 400 kB that are no more of the table
        text = str(turn) * 1000
        await file.write(lambda db, text=text: rows.update(db, T, "id >= 0", {"name": text}, {}, bounds))
    assert (folder / "tables.sqlite3").stat().st_size <= 1024 * 1024
    with pytest.raises(RoomFull, match="may have 1048576 bytes"):
        big = [{"name": "y" * 10_000} for _ in range(99)]
        await file.write(lambda db: rows.insert(db, T, big, bounds))
    assert await file.read(lambda db: found(db, select=["name"], limit=1), list) == ["3" * 1000]


@pytest.mark.asyncio
async def test_the_log_is_bounded_also_where_somebody_always_reads(folder: Path, opened: Open) -> None:
    bounds = TableBounds(max_bytes=4 * 1024 * 1024)
    file = await opened(bounds, 100)
    begun = [threading.Semaphore(0), threading.Semaphore(0)]
    over = False

    async def read(number: int) -> None:
        """Read until the other one does, so that there is always one."""

        def work(db: sqlite3.Connection) -> None:
            catalog.count(db)
            begun[number].release()
            begun[1 - number].acquire(timeout=0.05)

        while not over:
            await file.read(work, lambda: None)

    reading = [asyncio.create_task(read(number)) for number in range(2)]
    try:
        for turn in range(60):  # each writes 300 kB
            text = str(turn % 10) * 1000
            await file.write(lambda db, text=text: rows.update(db, T, "id >= 0", {"name": text}, {}, bounds))
            assert (folder / "tables.sqlite3-wal").stat().st_size < 10 * 1024 * 1024
    finally:
        over = True
        await asyncio.gather(*reading)


@pytest.mark.asyncio
async def test_what_a_query_puts_aside_and_makes_of_values_is_bounded(opened: Open) -> None:
    bounds = TableBounds(max_spilled_bytes=2**20)
    file = await opened(bounds, 300)

    def ask(text: str) -> Callable[[sqlite3.Connection], Any]:
        def asked(db: sqlite3.Connection) -> Any:
            with query.answered(db, text, [Source(T)], None, bounds) as answer:
                return list(answer.rows)

        return asked

    apart = "SELECT count(*) FROM (SELECT DISTINCT a.id, b.id, c.id, a.name FROM t a, t b, t c)"
    with pytest.raises(RoomFull, match="more than 1048576 bytes of rows aside"):
        await file.read(ask(apart), list)
    doubled = " || ".join(["name"] * 5)
    for _ in range(5):
        doubled = f"replace({doubled}, 'x', 'xxxxxxxx')"
    with pytest.raises(InvalidRequest, match="a value of SQL"):
        await file.read(ask(f"SELECT {doubled} FROM t"), list)
    assert await file.read(ask("SELECT count(*) FROM t"), list) == [[300]]
    await file.write(lambda db: rows.insert(db, T, [{"name": "x" * 2_000_000}], bounds))  # values of rows may


@pytest.mark.asyncio
async def test_some_read_while_one_does_so_for_long(opened: Open) -> None:
    file = await opened(BOUNDS, 1)
    begun, loop = asyncio.Event(), asyncio.get_running_loop()

    def slow(db: sqlite3.Connection) -> None:
        loop.call_soon_threadsafe(begun.set)
        db.execute(_SLOW).fetchall()

    asked = asyncio.create_task(file.read(slow, lambda: None))
    await begun.wait()
    assert await file.read(ids, list) == [0]
    asked.cancel()


@pytest.mark.asyncio
async def test_rooms_with_slow_queries_hold_up_no_other(tmp_path: Path) -> None:
    files = [TableFile(tmp_path / str(number), BOUNDS) for number in range(12)]
    begun, over = threading.Semaphore(0), threading.Event()

    def slow(db: sqlite3.Connection) -> None:
        begun.release()
        over.wait(300)

    for file in files:
        await file.write(lambda db: table(db, [{"id": 1}]))
    *busy, quiet = files
    asked = [asyncio.create_task(file.read(slow, list)) for file in busy for _ in range(3)]
    asked += [asyncio.create_task(file.write(slow)) for file in busy]
    try:
        for _ in range(20):
            await asyncio.to_thread(begun.acquire)
        async with asyncio.timeout(20 * PATIENCE):
            assert await quiet.read(ids, list) == [1]
            assert await quiet.write(ids) == [1]
        over.set()
        await asyncio.gather(*asked)  # those who waited have their turn, too
    finally:
        over.set()
        for file in files:
            await file.close()


_SLOW = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"


@pytest.mark.asyncio
async def test_what_takes_too_long_is_interrupted_and_the_next_is_served(opened: Open) -> None:
    file = await opened(TableBounds(query_s=0.1), 1)
    with pytest.raises(TookTooLong, match="table_query_s"):
        await file.read(lambda db: db.execute(_SLOW).fetchall(), list)
    with pytest.raises(TookTooLong, match=r"busy for 0\.3 s"):  # as an index may
        await file.write(lambda db: db.execute(_SLOW).fetchall(), times=3)
    assert await file.read(ids, list) == [0]


@pytest.mark.asyncio
async def test_who_goes_away_takes_what_was_asked_along(opened: Open) -> None:
    file = await opened(BOUNDS, 1)
    loop, begun = asyncio.get_running_loop(), asyncio.Event()

    def slow(db: sqlite3.Connection) -> None:
        rows.insert(db, T, [{"id": 9}], BOUNDS)
        loop.call_soon_threadsafe(begun.set)
        db.execute(_SLOW).fetchall()

    asked = asyncio.create_task(file.write(slow))
    await begun.wait()
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
    assert await file.write(ids) == [0]  # the turn is free again, and nothing half done


@pytest.mark.asyncio
async def test_a_damaged_file_is_told(folder: Path) -> None:
    folder.mkdir()
    (folder / "tables.sqlite3").write_bytes(b"no database at all" * 1000)
    file = TableFile(folder, BOUNDS)
    with pytest.raises(RoomError, match="is damaged"):
        await file.read(ids, list)
    await file.close()
