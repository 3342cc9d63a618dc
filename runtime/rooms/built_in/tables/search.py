"""Reading a table: rows that a filter chooses, words, vectors, and both of them together.

What is read is one version of a table, so one that is read page by page does not change on the way.  Rows
of a filter come in the order in which they were added, those of words or a vector best first.
"""

from __future__ import annotations

import json
import re
import sqlite3
import struct
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from runtime.errors import InvalidRequest
from runtime.rooms.built_in.tables import catalog, vectors
from runtime.rooms.built_in.tables.catalog import Table, TableName
from runtime.rooms.built_in.tables.cell import given, pack_vector
from runtime.rooms.built_in.tables.column import Column
from runtime.rooms.built_in.tables.sql.expression import read_expression
from runtime.rooms.built_in.tables.sql.functions import Piece
from runtime.rooms.built_in.tables.words import WordIndex

BEST: Final = 10
"""Rows that a search for words or a vector gives when nobody says how many, as LanceDB does."""
MAX_RANKED: Final = 10_000
PAGE_ROWS: Final = 512
PAGE_BYTES: Final = 1024 * 1024
_WORD: Final = re.compile(r"\w+")
_MAX_WORDS: Final = 64
_FUSED: Final = 60
_LIKELY, _LIKELY_EACH, _OF_FILTER = 400, 20, 8
"""Vectors that are compared with an index: so many, or so many for each row wanted; more with a filter."""
_ALL: Final = Piece("1")


class Search(msgspec.Struct, frozen=True):
    """What is asked of a table.

    Attributes:
        where: A filter.
        text: Words; rows with any of them, by how well they fit (BM25).
        text_columns: Where the words are looked up; None for the columns with an index of words, or all.
        vector: Numbers; the rows nearest to them.
        select: Columns wanted; None for all.
        version: The table as it was then.
        quotes_are_text: How the filter is read.
    """

    name: TableName
    where: str | None = None
    text: str | None = None
    text_columns: Sequence[str] | None = None
    vector: Sequence[float] | None = None
    limit: int | None = None
    offset: int = 0
    select: Sequence[str] | None = None
    version: int | None = None
    quotes_are_text: bool = True

    @property
    def is_ranked(self) -> bool:
        """Whether rows come best first."""
        return bool(self.text) or self.vector is not None


class Reading(msgspec.Struct):
    """A search that was begun, and how far it is read.

    Attributes:
        columns: Of each row.
        ranked: The rows still to come, best last; None where they come in their own order.
        after: The last row that was read.
        left: How many may still come; None for all.
        skip: How many of the next are left out.
    """

    table: Table
    columns: list[Column]
    chosen: Piece
    ranked: list[int] | None = None
    after: int = 0
    left: int | None = None
    skip: int = 0
    is_over: bool = False


def begin(connection: sqlite3.Connection, search: Search) -> Reading:
    """Look up what is asked.

    Raises:
        NotFound: No such table or version.
        InvalidRequest: The filter cannot be read, or there is no column for the vector.
    """
    table = catalog.get(connection, search.name, version=search.version)
    columns = table.chosen(search.select)
    chosen = _chosen(table, search)
    reading = Reading(table, columns, chosen, left=search.limit, skip=search.offset)
    if search.is_ranked:
        limit = BEST if search.limit is None else search.limit
        if limit + search.offset > MAX_RANKED:
            raise InvalidRequest(f"words and vectors give at most {MAX_RANKED} rows, with those left out")
        best = _best(connection, table, search, chosen, limit + search.offset)
        reading.ranked = best[search.offset :][::-1]
    elif search.offset and chosen is _ALL and table.at is None:
        reading.after, reading.skip = _jumped(connection, table, search.offset)
    # From now on it is this version that is read, whatever is written meanwhile.
    reading.table = table if table.at is not None else replace(table, at=table.version)
    return reading


def page(
    connection: sqlite3.Connection, reading: Reading, count: int, max_bytes: int = PAGE_BYTES
) -> list[list[Any]]:
    """The next rows, as values in the order of the columns; none when there are no more.

    Args:
        max_bytes: With more of them they are fewer than `count`, but one at least.
    """
    if reading.is_over or reading.left == 0:
        return []
    wanted = count if reading.left is None else min(count, reading.left)
    found = (
        _in_order(connection, reading, wanted) if reading.ranked is None else _by_rank(connection, reading)
    )
    types = [column.type for column in reading.columns]
    rows: list[list[Any]] = []
    size = 0
    for row in found:
        rows.append([given(value, type) for value, type in zip(row[1:], types, strict=True)])
        size += sum(len(value) for value in row if isinstance(value, str | bytes))
        reading.after = row[0]
        if len(rows) == wanted or size >= max_bytes:
            break
    else:
        reading.is_over = True
    reading.skip = 0
    if reading.left is not None:
        reading.left -= len(rows)
    return rows


def pages(connection: sqlite3.Connection, reading: Reading) -> Iterator[list[Any]]:
    """All rows that are still to come."""
    while rows := page(connection, reading, PAGE_ROWS):
        yield from rows


def count(connection: sqlite3.Connection, search: Search) -> int:
    """How many rows fit; with words all that have one, with a vector all that the filter chooses."""
    table = catalog.get(connection, search.name, version=search.version)
    chosen = _chosen(table, search)
    if search.text:
        words, columns, is_indexed = _words(table, search)
        if words and is_indexed:
            return WordIndex(connection, table, columns, chosen).count(words)
        return len(_by_words(connection, table, search, chosen, -1))
    if chosen is _ALL and table.at is None:
        return table.rows
    found = connection.execute(
        f"SELECT count(*) FROM {table.sql} WHERE {table.alive} AND {chosen.sql}", chosen.values
    )
    return int(found.fetchone()[0])


def changes(
    connection: sqlite3.Connection, table: Table, since: int
) -> Iterator[tuple[str, list[list[Any]]]]:
    """The rows that were deleted and added after a version: ``deleted``, then ``inserted``."""
    columns = list(table.columns.values())
    names = ", ".join(column.sql for column in columns)
    for kind, condition in (
        ("deleted", f"died > {since} AND born <= {since}"),
        ("inserted", f"born > {since} AND died IS NULL"),
    ):
        found = connection.execute(
            f"SELECT {names} FROM {table.sql} WHERE {condition} ORDER BY seq LIMIT {MAX_RANKED}"
        )
        types = [column.type for column in columns]
        yield kind, [[given(value, type) for value, type in zip(row, types, strict=True)] for row in found]


def _chosen(table: Table, search: Search) -> Piece:
    if not search.where or not search.where.strip():
        return _ALL
    return read_expression(search.where, table.columns, quotes_are_text=search.quotes_are_text)


def _in_order(
    connection: sqlite3.Connection, reading: Reading, wanted: int
) -> Iterable[tuple[int, *tuple[Any, ...]]]:
    table, chosen = reading.table, reading.chosen
    names = ", ".join(["seq", *(column.sql for column in reading.columns)])
    # The newest version is asked for as such, so that the indexes of living rows serve.
    alive = "died IS NULL"
    if not _is_newest(connection, table):
        catalog.at_version(connection, table, table.at or 0)  # so many changes meanwhile that it is forgotten
        alive = table.alive
    return connection.execute(
        f"SELECT {names} FROM {table.sql} WHERE {alive} AND seq > ? AND {chosen.sql} "
        "ORDER BY seq LIMIT ? OFFSET ?",
        (reading.after, *chosen.values, wanted, reading.skip),
    )


def _jumped(connection: sqlite3.Connection, table: Table, offset: int) -> tuple[int, int]:
    """The row behind which reading goes on after so many, and how many are left out from there.

    SQLite looks at each row that is left out; where there is none missing between the first and the last,
    their numbers tell.
    """
    ends = [
        connection.execute(
            f"SELECT seq FROM {table.sql} WHERE died IS NULL ORDER BY seq {way} LIMIT 1"
        ).fetchone()
        for way in ("ASC", "DESC")
    ]
    if None in ends or ends[1][0] - ends[0][0] + 1 != table.rows:
        return 0, offset
    return ends[0][0] + offset - 1, 0


def _is_newest(connection: sqlite3.Connection, table: Table) -> bool:
    row = connection.execute("SELECT version FROM tables WHERE id = ?", (table.id,)).fetchone()
    return row is not None and row[0] == table.at


def _by_rank(connection: sqlite3.Connection, reading: Reading) -> Iterator[tuple[int, *tuple[Any, ...]]]:
    names = ", ".join(["seq", *(column.sql for column in reading.columns)])
    while reading.ranked:
        seq = reading.ranked.pop()
        yield from connection.execute(f"SELECT {names} FROM {reading.table.sql} WHERE seq = ?", (seq,))


# ---- what fits best


def _best(
    connection: sqlite3.Connection, table: Table, search: Search, chosen: Piece, count: int
) -> list[int]:
    if search.vector is None:
        return _by_words(connection, table, search, chosen, count)
    if not search.text:
        return _by_vector(connection, table, search.vector, chosen, count)
    deep = max(50, 4 * count)
    fused: dict[int, float] = {}
    for ranked in (
        _by_words(connection, table, search, chosen, deep),
        _by_vector(connection, table, search.vector, chosen, deep),
    ):
        for rank, seq in enumerate(ranked):
            fused[seq] = fused.get(seq, 0.0) + 1 / (_FUSED + rank)
    return sorted(fused, key=lambda seq: -fused[seq])[:count]


def _words(table: Table, search: Search) -> tuple[list[str], list[Column], bool]:
    """The words, the columns that they are looked up in, and whether those are in the index of words."""
    words = list(dict.fromkeys(word.lower() for word in _WORD.findall(search.text or "")))[:_MAX_WORDS]
    asked = search.text_columns
    columns = table.chosen(table.text_columns if asked is None and table.text_columns else asked)
    columns = [column for column in columns if column.type.kind == "text"]
    if words and not columns:
        raise InvalidRequest(f"table {str(table.name)!r} has no column of text to look for words in")
    is_indexed = bool(table.text_columns) and {column.name for column in columns} <= set(table.text_columns)
    return words, columns, is_indexed


def _by_words(
    connection: sqlite3.Connection, table: Table, search: Search, chosen: Piece, count: int
) -> list[int]:
    """Rows with any of the words, best first.

    Args:
        count: At most; -1 for all of them.
    """
    words, columns, is_indexed = _words(table, search)
    if not words:
        return []
    if is_indexed:
        return WordIndex(connection, table, columns, chosen).best(words, count)
    # Without an index every row is looked at; rows with more of the words come first.
    text = " || ' ' || ".join(f"lower(coalesce({column.sql}, ''))" for column in columns)
    score = " + ".join(["(instr(words, ?) > 0)"] * len(words))
    found = connection.execute(
        f"SELECT seq FROM (SELECT seq, {score} AS score FROM (SELECT seq, {text} AS words FROM {table.sql} "
        f"WHERE {table.alive} AND {chosen.sql})) WHERE score > 0 ORDER BY score DESC, seq LIMIT ?",
        (*words, *chosen.values, count),
    )
    return [row[0] for row in found]


def _by_vector(
    connection: sqlite3.Connection, table: Table, vector: Sequence[float], chosen: Piece, count: int
) -> list[int]:
    size = len(vector)
    column = next(
        (one for one in table.columns.values() if one.type.kind == "vector" and one.type.size == size), None
    )
    if column is None:
        raise InvalidRequest(f"table {str(table.name)!r} has no column of vectors of {size} numbers")
    try:
        wanted = struct.unpack(f"<{size}f", pack_vector(list(vector), size))
    except (ValueError, OverflowError, struct.error) as error:
        raise InvalidRequest(f"the vector cannot be used: {error}") from None
    select = (
        f"SELECT seq, {column.sql} FROM {table.sql} "
        f"WHERE {table.alive} AND {column.sql} IS NOT NULL AND {chosen.sql}"
    )
    likely, compared = None, max(_LIKELY, _LIKELY_EACH * count)
    if table.at is None:
        most = compared * (1 if chosen is _ALL else _OF_FILTER)
        likely = vectors.candidates(connection, table, column, wanted, most)
    if likely is not None:
        rows, last = likely
        few: list[tuple[int, bytes]] = []
        for at in range(0, len(rows), compared):  # of a filter as many as without one
            some = json.dumps(rows[at : at + compared])
            each = f"{select} AND seq IN (SELECT value FROM json_each(?))"
            few += connection.execute(each, (*chosen.values, some))
            if len(few) >= compared:
                break
        later = connection.execute(f"{select} AND seq > ?", (*chosen.values, last))
        best = vectors.nearest(chain(few, later), wanted, count)
        if len(best) == count:  # else the filter left too few of them
            return best
    return vectors.nearest(connection.execute(select, chosen.values), wanted, count)
