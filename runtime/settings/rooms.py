"""Rooms: the slice ``rooms`` of the settings."""

from __future__ import annotations

from dataclasses import dataclass

from runtime.knob import knob


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomsSettings:
    """What the rooms of this server may hold.

    Who holds more than there is room for is refused, or disconnected if it holds most; the others go on.
    """

    max_open: int = knob(0, "rooms with somebody in them at once; 0: as many as sessions", minimum=0)
    max_participants: int = knob(256, "participants of one room", minimum=2)
    max_connections: int = knob(64, "connections that one participant token may have at once", minimum=1)
    max_held_bytes: int = knob(
        128 << 20, "unfinished messages and unread answers in memory, of all rooms", minimum=32 << 20
    )
    max_contents_bytes: int = knob(
        512 << 20, "queues, open documents and registrations in memory, of all rooms", minimum=32 << 20
    )
    max_storage_bytes: int = knob(1 << 30, "files of one room on disk", minimum=1 << 20)
    max_tables_bytes: int = knob(1 << 30, "tables of one room on disk; its databases too", minimum=1 << 20)
    max_table_rows: int = knob(10_000_000, "rows of one table", minimum=1)
    max_result_bytes: int = knob(8 << 20, "rows that one request for tables is answered", minimum=1 << 10)
    linger_s: float = knob(
        300.0, "how long a room goes on, with its services, when the last who is none of them left", minimum=0
    )
    table_query_s: float = knob(30.0, "what one request may keep a room's tables busy", minimum=0.1)
