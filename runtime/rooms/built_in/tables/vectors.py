"""The vectors nearest to one, found by looking at each.

numpy, an extra, does so some fifteen times as quickly; what is found is the same without it.
"""

from __future__ import annotations

import heapq
import math
import os
import struct
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from itertools import islice
from typing import Any, Final

BATCH: Final = 1024
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
