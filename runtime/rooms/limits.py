"""Bounds of the embedded room server: everything that a participant can make grow."""

from __future__ import annotations

from typing import Final

import msgspec

from runtime.rooms.built_in.tables.bounds import TableBounds
from runtime.settings.rooms import RoomsSettings
from runtime.wire.room import MAX_SENT_BYTES

MIB: Final = 1024 * 1024


class RoomLimits(msgspec.Struct, frozen=True):
    """How much one server, one room and one participant may hold.

    Attributes:
        max_rooms: Open rooms in this server; rooms nobody is in give way to new ones.
        max_participants: Connections in one room.
        max_connections: Connections with one token.
        max_held_bytes: Unfinished messages, unread answers and requests in progress, of all rooms together.
        max_contents_bytes: Queues, open documents and registrations, of all rooms together.
        max_message_bytes: One message, header and raw bytes together.
        max_outbound_bytes: Waiting to be sent to one participant; a slower reader is disconnected.
        max_pending_requests: Requests, calls and streams of one participant that are not answered yet.
        max_attributes_bytes: JSON of one participant's attributes.
        max_registrations: Toolkits and agents of one participant.
        max_registration_bytes: JSON of all toolkits and agents of one participant.
        max_registry_bytes: JSON of all toolkits and agents in one room.
        max_queues: Queues in one room.
        max_queue_messages: Messages waiting in one queue.
        max_queue_bytes: JSON of all messages waiting in one room's queues.
        max_documents: Documents open in one room.
        max_document_bytes: One document's whole state.
        max_storage_bytes: Files of one room on disk.
        tables: Tables of one room.
        max_open_files: Uploads and downloads in progress of one participant.
        flush_s: Seconds between a document's change and its writing to disk.
        idle_close_s: Seconds that a room stays open with nobody in it but its services.
        close_timeout_s: Seconds that a websocket gets to close politely.
    """

    max_rooms: int = 256
    max_participants: int = 256
    max_connections: int = 64
    max_held_bytes: int = 128 * MIB
    max_contents_bytes: int = 512 * MIB
    max_message_bytes: int = MAX_SENT_BYTES
    max_outbound_bytes: int = 32 * MIB
    max_pending_requests: int = 1024
    max_attributes_bytes: int = MIB // 16
    max_registrations: int = 64
    max_registration_bytes: int = MIB
    max_registry_bytes: int = 8 * MIB
    max_queues: int = 256
    max_queue_messages: int = 10_000
    max_queue_bytes: int = 64 * MIB
    max_documents: int = 256
    max_document_bytes: int = 8 * MIB
    max_storage_bytes: int = 1024 * MIB
    tables: TableBounds = TableBounds()
    max_open_files: int = 32
    flush_s: float = 0.5
    idle_close_s: float = 300.0
    close_timeout_s: float = 2.0

    @classmethod
    def of(cls, settings: RoomsSettings, *, max_sessions: int) -> RoomLimits:
        """Those that somebody set."""
        return cls(
            max_rooms=settings.max_open or max_sessions,
            max_participants=settings.max_participants,
            max_connections=settings.max_connections,
            max_held_bytes=settings.max_held_bytes,
            max_contents_bytes=settings.max_contents_bytes,
            max_storage_bytes=settings.max_storage_bytes,
            idle_close_s=settings.linger_s,
            tables=TableBounds(
                max_bytes=settings.max_tables_bytes,
                max_rows=settings.max_table_rows,
                max_result_bytes=settings.max_result_bytes,
                query_s=settings.table_query_s,
            ),
        )
