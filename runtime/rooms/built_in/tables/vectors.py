"""The vectors nearest to one, found by looking at each; or with an index, at few of them.

numpy, an extra, does so some fifteen times as quickly; what is found is the same without it.  The index needs
it.  It keeps a bit for each number of a vector, whether it is above the middle: of the rows whose bits differ
least from the wanted ones the vectors are compared.  Rows that came later are all looked at.
"""

from __future__ import annotations

import heapq
import math
import os
import sqlite3
import struct
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from itertools import islice
from typing import Any, Final

from runtime.rooms.built_in.tables.catalog import Table
from runtime.rooms.built_in.tables.column import Column

BATCH: Final = 1024
LEAST_SIZE: Final = 64
"""Numbers of a vector below which bits tell too little."""
LEAST_ROWS: Final = 5_000
"""Rows of a table that are compared one by one as quickly."""
_BLOCK: Final = 4096
_ONE_THREAD: Final = "OPENBLAS_NUM_THREADS"


def nearest(rows: Iterable[tuple[int, bytes]], wanted: Sequence[float], count: int) -> list[int]:
    """The numbers of the rows whose packed vectors are nearest (L2), the nearest first.

    Args:
        rows: Numbers and vectors, each of as many 32-bit floats as `wanted` has.
    """
    numpy = _numpy()
    if numpy is None:
        return [row for _, row in heapq.nsmallest(count, _distances(rows, wanted))]
    return _nearest(numpy, iter(rows), wanted, count)


def _distances(rows: Iterable[tuple[int, bytes]], wanted: Sequence[float]) -> Iterator[tuple[float, int]]:
    unpack = struct.Struct(f"<{len(wanted)}f").unpack
    for row, kept in rows:
        yield math.dist(unpack(kept), wanted), row


def _nearest(numpy: Any, rows: Iterator[tuple[int, bytes]], wanted: Sequence[float], count: int) -> list[int]:
    goal = numpy.asarray(wanted, dtype="f8")
    best, found = numpy.empty(0), numpy.empty(0, dtype="i8")
    while batch := list(islice(rows, BATCH)):
        packed = numpy.frombuffer(b"".join(kept for _, kept in batch), dtype="<f4")
        away = packed.reshape(len(batch), len(goal)) - goal
        best = numpy.concatenate((best, numpy.einsum("ij,ij->i", away, away)))
        found = numpy.concatenate((found, numpy.fromiter((row for row, _ in batch), dtype="i8")))
        if len(best) > count:
            order = numpy.lexsort((found, best))[:count]
            best, found = best[order], found[order]
    return [int(row) for row in found[numpy.lexsort((found, best))[:count]]]


@cache
def _numpy() -> Any:
    """The library, or None where it is not installed; it is kept from starting threads at its import."""
    before = os.environ.get(_ONE_THREAD)
    os.environ[_ONE_THREAD] = "1"
    try:
        import numpy
    except ImportError:
        return None
    finally:
        if before is None:
            del os.environ[_ONE_THREAD]
        else:
            os.environ[_ONE_THREAD] = before
    return numpy


# ---- an index: which side of the middle each number of a vector is on, a bit each


def build(connection: sqlite3.Connection, table: Table, column: Column) -> None:
    """Write down the sides of all rows, so that only few vectors need be compared; without numpy nothing."""
    numpy, index = _numpy(), _index_of(table, column)
    drop(connection, table, column)
    if not hasattr(numpy, "bitwise_count") or column.type.size < LEAST_SIZE or table.rows < LEAST_ROWS:
        return
    connection.execute(f"CREATE TABLE {index}(last INTEGER PRIMARY KEY, seqs BLOB, sides BLOB)")
    found = connection.execute(
        f"SELECT seq, {column.sql} FROM {table.sql} "
        f"WHERE died IS NULL AND {column.sql} IS NOT NULL ORDER BY seq"
    )
    middle = None
    while batch := list(islice(found, _BLOCK)):
        packed = numpy.frombuffer(b"".join(kept for _, kept in batch), dtype="<f4")
        packed = packed.reshape(len(batch), column.type.size)
        if middle is None:
            middle = packed.mean(axis=0, dtype="f8").astype("<f4")
            connection.execute(
                f"INSERT INTO {index} VALUES(?, ?, ?)", (-table.version, b"", middle.tobytes())
            )
        seqs = numpy.fromiter((seq for seq, _ in batch), dtype="<i8")
        connection.execute(
            f"INSERT INTO {index} VALUES(?, ?, ?)",
            (batch[-1][0], seqs.tobytes(), _sides(numpy, packed, middle).tobytes()),
        )


def drop(connection: sqlite3.Connection, table: Table, column: Column | None = None) -> None:
    """Forget what `build` wrote, of one column or of all."""
    columns = table.columns.values() if column is None else (column,)
    for one in columns:
        if one.type.kind == "vector":
            connection.execute(f"DROP TABLE IF EXISTS {_index_of(table, one)}")


def candidates(
    connection: sqlite3.Connection, table: Table, column: Column, wanted: Sequence[float], count: int
) -> tuple[list[int], int] | None:
    """Rows that are probably among the nearest, likeliest first, and the last that was thought of.

    None without an index.
    """
    numpy, index = _numpy(), _index_of(table, column)
    has = connection.execute("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?", (index,))
    if numpy is None or has.fetchone() is None:
        return None
    found = connection.execute(f"SELECT last, seqs, sides FROM {index} ORDER BY last")
    first = found.fetchone()
    if first is None:
        return None
    middle = numpy.frombuffer(first[2], dtype="<f4")
    goal = _sides(numpy, numpy.asarray([wanted], dtype="<f4"), middle)
    # A number of a row that is gone may be another's, of a later version; numbers and versions grow together.
    known = connection.execute(
        f"SELECT seq FROM {table.sql} WHERE born <= ? ORDER BY seq DESC LIMIT 1", (-first[0],)
    ).fetchone()
    last = 0 if known is None else int(known[0])
    best, rows = numpy.empty(0, dtype="i8"), numpy.empty(0, dtype="<i8")
    for _, seqs, sides in found:
        numbers = numpy.frombuffer(seqs, dtype="<i8")
        away = numpy.frombuffer(sides, dtype="<u8").reshape(len(numbers), -1)
        differ = numpy.bitwise_count(away ^ goal).sum(axis=1, dtype="i8")
        best, rows = numpy.concatenate((best, differ)), numpy.concatenate((rows, numbers))
        if len(best) > count:
            few = numpy.argpartition(best, count)[:count]
            best, rows = best[few], rows[few]
    order = numpy.argsort(best, kind="stable")
    return [int(row) for row in rows[order] if row <= last], last


def _sides(numpy: Any, packed: Any, middle: Any) -> Any:
    """Of each row a bit for each number, in whole words of 64."""
    bits = numpy.packbits(packed > middle, axis=1)
    spare = -bits.shape[1] % 8
    return numpy.pad(bits, ((0, 0), (0, spare))).view("<u8")


def _index_of(table: Table, column: Column) -> str:
    return f"near_{table.id}_{column.number}"
