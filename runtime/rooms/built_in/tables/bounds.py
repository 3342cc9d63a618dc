"""How much the tables of one room may hold, and one request ask of them."""

from __future__ import annotations

from typing import Final

import msgspec

MIB: Final = 1024 * 1024


class TableBounds(msgspec.Struct, frozen=True):
    """Bounds of one room's tables.

    Attributes:
        max_bytes: The file, earlier versions and indexes included.
        max_rows: Rows of one table.
        max_tables: Tables of one room.
        max_columns: Columns that one table ever had.
        max_result_bytes: What one request may be answered, as JSON.
        max_spilled_bytes: Rows that queries put aside while they run, those of all rooms together.
        query_s: Seconds that one request may keep the file busy.
        max_versions: Versions of a table that are kept; the oldest give way.
        max_waiting: Requests of one room that wait for their turn.
    """

    max_bytes: int = 1024 * MIB
    max_rows: int = 10_000_000
    max_tables: int = 1000
    max_columns: int = 1000
    max_result_bytes: int = 8 * MIB
    max_spilled_bytes: int = 256 * MIB
    query_s: float = 30.0
    max_versions: int = 50
    max_waiting: int = 1000
