"""The table of agents in the space that there is: fewer columns first, then fewer rows.  Pure."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from runtime.cli.serve.agent_table import HEADER, Row

MAX_ROWS = 40
GAP = 3
_DROPPED_FIRST = (2, 1)  # class, then identity: the path says nearly the same
_STATE = len(HEADER) - 1
_MIN_STATE_CHARS = 24
_MIN_PATH_CHARS = 8


class Fitted(msgspec.Struct, frozen=True):
    """What to show.

    Attributes:
        rows: Cells, as many as the header has, and the colour of the last one.
        more: Rows that are not shown.
    """

    header: tuple[str, ...]
    rows: tuple[tuple[tuple[str, ...], str], ...]
    more: int

    @property
    def more_text(self) -> str:
        """The line that stands for the rows that are not shown; empty when there are none."""
        return f"… and {self.more} more" if self.more else ""


def fit(rows: Sequence[Row], *, width: int | None = None, height: int = MAX_ROWS + 2) -> Fitted:
    """Choose columns and rows.

    Args:
        width: Columns of the terminal that the table may take; None for any width.
        height: Lines that it may take, its header and the line about more rows included.
    """
    shown = _newest(rows, max(1, height - 1))
    if len(shown) < len(rows):
        shown = _newest(rows, max(1, height - 2))
    cells = [row.cells for row in shown]
    keep, widths = _columns(cells, width)
    return Fitted(
        tuple(_cut(HEADER[n], widths[n]) for n in keep),
        tuple(
            (tuple(_cut(line[n], widths[n]) for n in keep), row.color)
            for line, row in zip(cells, shown, strict=True)
        ),
        len(rows) - len(shown),
    )


def _newest(rows: Sequence[Row], count: int) -> list[Row]:
    """The `count` that began last, in the table's order; what cannot serve at all counts as new."""
    count = min(count, MAX_ROWS)
    if len(rows) <= count:
        return list(rows)
    order = sorted(range(len(rows)), key=lambda n: (rows[n].state == "failed", rows[n].since, n))
    return [rows[n] for n in sorted(order[-count:])]


def _columns(cells: Sequence[tuple[str, ...]], width: int | None) -> tuple[list[int], list[int]]:
    keep = list(range(len(HEADER)))
    widths = [max(len(line[n]) for line in (HEADER, *cells)) for n in keep]
    if width is None:
        return keep, widths
    least = min(widths[_STATE], _MIN_STATE_CHARS)

    def spare() -> int:
        return width - sum(widths[n] for n in keep if n != _STATE) - GAP * (len(keep) - 1)

    for column in _DROPPED_FIRST:
        if spare() < least:
            keep.remove(column)
    if spare() < least:
        widths[0] = max(_MIN_PATH_CHARS, widths[0] - (least - spare()))
    widths[_STATE] = max(1, min(widths[_STATE], spare()))
    return keep, widths


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"
