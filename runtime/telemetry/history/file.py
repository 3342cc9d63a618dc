"""The file of the figures: a row for each minute of a day, and one for each hour of five weeks.

Bounded by its retention: what is older goes with each row that comes.  A row is added to what is known of its
minute, and of its hour, so that it does not matter how often a server is started within one.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from runtime.session.journal import file
from runtime.session.journal.open_file import OpenFile
from runtime.session.journal.table import Row, Table
from runtime.telemetry.history.figures import Figures

MINUTE_S: Final = 60
HOUR_S: Final = 3600
KEPT_S: Final = {MINUTE_S: 25 * HOUR_S, HOUR_S: 35 * 24 * HOUR_S}
"""For how long rows of each length stay."""
_SCHEMA: Final = file.Schema(
    (
        """
        CREATE TABLE figures (
            step_s INTEGER NOT NULL,
            at INTEGER NOT NULL,
            figures BLOB NOT NULL,
            PRIMARY KEY (step_s, at)
        ) WITHOUT ROWID
        """,
    )
)
VERSION: Final = len(_SCHEMA.migrations)
_PUT: Final = "INSERT OR REPLACE INTO figures (step_s, at, figures) VALUES (?, ?, ?)"
_decoder = msgspec.msgpack.Decoder(Figures)


def _point(row: Row) -> tuple[int, Figures]:
    return row[1], _decoder.decode(row[2])


POINTS: Final = Table("figures", ("step_s", "at", "figures"), 2, "at", _point)
TABLES: Final[tuple[Table[Any], ...]] = (POINTS,)


class FiguresFile(OpenFile):
    """The open file; make one with `open`."""

    @classmethod
    async def open(cls, path: Path) -> FiguresFile:
        """Open the file, or make it.

        Raises:
            JournalUnusable: Not readable, none of ours, from a newer version, or in use by another server.
        """
        return cls(await file.opened(path, _SCHEMA), path)

    async def add(self, points: Sequence[tuple[int, Figures]]) -> None:
        """Add what some minutes were like, and forget what is too old; all of it or nothing.

        Args:
            points: Each with the seconds since the epoch at which its minute began.

        Raises:
            JournalUnusable: It cannot be written.
        """

        def work(db: sqlite3.Connection) -> None:
            for at, figures in points:
                for step_s, kept_s in KEPT_S.items():
                    _merge(db, step_s, at // step_s * step_s, figures)
                    db.execute("DELETE FROM figures WHERE step_s = ? AND at <= ?", (step_s, at - kept_s))

        await self.change(work)

    async def points(self, step_s: int, since: float) -> list[tuple[int, Figures]]:
        """Those of one length that began at or after `since`, the oldest first.

        Raises:
            JournalUnusable: It cannot be read.
        """

        def work(db: sqlite3.Connection) -> list[tuple[int, Figures]]:
            asked = f"{POINTS.some} WHERE step_s = ? AND at >= ? ORDER BY at"
            return POINTS.read(db.execute(asked, (step_s, since)), event="history.row_skipped")

        return await self.read(work)


def _merge(db: sqlite3.Connection, step_s: int, at: int, figures: Figures) -> None:
    known = db.execute(f"{POINTS.some} WHERE step_s = ? AND at = ?", (step_s, at))
    whole = Figures()
    for _, before in POINTS.read(known, event="history.row_skipped"):
        whole.add(before)
    whole.add(figures)
    db.execute(_PUT, (step_s, at, msgspec.msgpack.encode(whole)))
