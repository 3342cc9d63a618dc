"""The rows of a table that have words, best first, by its index of words.

As long as they are few SQLite ranks them all (BM25).  It takes microseconds for each, so of many it is the
rarer words that tell which are likely, and only those are told apart further: by the other words that they
have, then by how short they are.
"""

from __future__ import annotations

import json
import math
import sqlite3
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Final

from runtime.rooms.built_in.tables.catalog import Table
from runtime.rooms.built_in.tables.column import Column
from runtime.rooms.built_in.tables.sql.functions import Piece

FEW: Final = 5_000
"""Rows that are all ranked; a word that more have only tells the order of those that are likely anyway."""
FITTING: Final = 1_000
"""Rows that a filter chooses, and are looked at one by one."""
LIKELY: Final = 200
_WORTH_OF_OFTEN: Final = 0.5
_NEAR: Final = 500


class WordIndex:
    """Rows of a table by words in some of its columns.

    Args:
        columns: They are all in its index.
        chosen: A filter.
    """

    def __init__(
        self, connection: sqlite3.Connection, table: Table, columns: Sequence[Column], chosen: Piece
    ) -> None:
        self._connection, self._table, self._chosen = connection, table, chosen
        self._index = f"text_{table.id}"
        self._columns = " ".join(column.sql for column in columns)
        self._length = " + ".join(f"length(coalesce({column.sql}, ''))" for column in columns)

    def count(self, words: Sequence[str]) -> int:
        """How many have any of the words."""
        found = self._connection.execute(
            f"SELECT count(*) FROM {self._index} WHERE {self._index} MATCH ? AND {self._fits()}",
            (self._match(_any(words)), *self._chosen.values),
        )
        return int(found.fetchone()[0])

    def best(self, words: Sequence[str], count: int) -> list[int]:
        """So many of those with any of the words."""
        if len(self._rows(_any(words), FEW + 1)) > FEW:
            fitting = self._fitting()
            if fitting is not None:
                worth, often = self._worth(words)
                known = {row: worth.get(row, 0.0) for row in fitting}
                return [row for row in self._ordered(known, often) if known[row]][:count]
            found: list[int] = []
            for row in self._likely(words):
                found.append(row)
                if len(found) == count:
                    return found
        ranked = self._connection.execute(
            f"SELECT rowid FROM {self._index} WHERE {self._index} MATCH ? AND {self._fits()} "
            "ORDER BY rank LIMIT ?",
            (self._match(_any(words)), *self._chosen.values, count),
        )
        return [row for (row,) in ranked]

    def _worth(self, words: Sequence[str]) -> tuple[dict[int, float], list[str]]:
        """Rows by the rarer of the words that they have; and the words that many have."""
        worth: defaultdict[int, float] = defaultdict(float)
        often = []
        for word in words:
            rows = self._rows(_any([word]), FEW + 1)
            if len(rows) > FEW:
                often.append(word)
                continue
            each = math.log(1 + self._table.rows / (1 + len(rows)))
            for row in rows:
                worth[row] += each
        return worth, often

    def _likely(self, words: Sequence[str]) -> Iterator[int]:
        worth, often = self._worth(words)
        for some in _blocks(sorted(worth, key=lambda row: -worth[row])):
            yield from self._ordered({row: worth[row] for row in some}, often)
        # Then those which have no rarer word: with all of the others, with any.
        seen = set(worth)
        for between in (" AND ", " OR "):
            more = self._rows(between.join(map(_quoted, often)), FEW) if often else []
            fresh = [row for row in more if row not in seen]
            seen.update(fresh)
            for some in _blocks(fresh):
                yield from self._ordered(dict.fromkeys(some, 0.0), ())

    def _fitting(self) -> list[int] | None:
        """The rows that the filter chooses, if they are few."""
        if self._chosen.sql == "1":
            return None
        found = self._connection.execute(
            f"SELECT seq FROM {self._table.sql} WHERE {self._table.alive} AND {self._chosen.sql} LIMIT ?",
            (*self._chosen.values, FITTING + 1),
        ).fetchall()
        return [row for (row,) in found] if len(found) <= FITTING else None

    def _ordered(self, worth: dict[int, float], often: Sequence[str]) -> list[int]:
        """Those that the filter chooses, best first; what the words that many have add is noted."""
        has = f"SELECT rowid FROM {self._index} WHERE {self._index} MATCH ? AND rowid BETWEEN ? AND ?"
        for word in often:
            for first, last in _runs(sorted(worth)):
                for (row,) in self._connection.execute(has, (self._match(_any([word])), first, last)):
                    if row in worth:
                        worth[row] += _WORTH_OF_OFTEN
        lengths = self._connection.execute(
            f"SELECT seq, {self._length} FROM {self._table.sql} "
            f"WHERE seq IN (SELECT value FROM json_each(?)) AND {self._chosen.sql}",
            (json.dumps(list(worth)), *self._chosen.values),
        )
        found = [(-worth[row], length, row) for row, length in lengths]
        return [row for _, _, row in sorted(found)]

    def _rows(self, words: str, most: int) -> list[int]:
        found = self._connection.execute(
            f"SELECT rowid FROM {self._index} WHERE {self._index} MATCH ? LIMIT ?", (self._match(words), most)
        )
        return [row for (row,) in found]

    def _match(self, words: str) -> str:
        return f"{{{self._columns}}} : ({words})"

    def _fits(self) -> str:
        if self._chosen.sql == "1":
            return "1"
        return (
            f"EXISTS(SELECT 1 FROM {self._table.sql} WHERE seq = {self._index}.rowid AND {self._chosen.sql})"
        )


def _blocks(rows: Sequence[int]) -> Iterator[Sequence[int]]:
    return (rows[at : at + LIKELY] for at in range(0, len(rows), LIKELY))


def _runs(rows: Sequence[int]) -> Iterator[tuple[int, int]]:
    """The first and the last of those that are near each other: to begin anew costs more than to read on."""
    first = last = rows[0] if rows else 0
    for row in rows[1:]:
        if row - last > _NEAR:
            yield first, last
            first = row
        last = row
    if rows:
        yield first, last


def _any(words: Sequence[str]) -> str:
    return " OR ".join(map(_quoted, words))


def _quoted(word: str) -> str:
    return f'"{word}"'
