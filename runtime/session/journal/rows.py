"""The journal's tables, and what their rows are."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Final

import msgspec

from runtime.session.calls.call_ids import CallId
from runtime.session.exit_reasons import ExitReason
from runtime.session.journal.table import Row, Table
from runtime.session.quarantine import Parked
from runtime.session.record import SessionRecord
from runtime.session.restart import RestartPolicy
from runtime.session.usage import DayRow, Usage


def row_of(one: CallId) -> Row:
    """The row of a remembered id."""
    return (one.endpoint, one.webhook_id, one.session_id, one.call, one.at)


def ids_in(rows: Iterable[Row]) -> list[Row]:
    """The rows of the ids with which sessions were called."""
    found = (CallId.of(record.spec) for record in SESSIONS.read(rows))
    return [row_of(one) for one in found if one is not None]


def _record(row: Row) -> SessionRecord:
    session_id, token, blob = row
    record = msgspec.json.decode(blob, type=SessionRecord)
    if record.spec.session_id != session_id:
        raise ValueError(f"it is that of {record.spec.session_id[:40]!r}")
    RestartPolicy(record.spec.restart)
    if record.stopping:
        ExitReason(record.stopping)
    record.spec = replace(record.spec, token=msgspec.convert(token, str))
    return record


def _parked(row: Row) -> Parked:
    one = msgspec.json.decode(row[1], type=Parked)
    if one.hash != row[0]:
        raise ValueError(f"it is that of {one.hash[:40]!r}")
    return one


def _day(row: Row) -> DayRow:
    day, endpoint, identity, room = (msgspec.convert(value, str) for value in row[:4])
    usage = msgspec.json.decode(row[4], type=Usage)
    return DayRow(day=day, endpoint=endpoint, identity=identity, room=room, usage=usage)


def _id(row: Row) -> CallId:
    endpoint, webhook_id, session_id, call, at = row
    plain = {"endpoint": endpoint, "webhook_id": webhook_id, "session_id": session_id, "call": call, "at": at}
    return msgspec.convert(plain, CallId, strict=True, builtin_types=(bytes,))


SESSIONS: Final = Table("sessions", ("session_id", "token", "record"), 1, "accepted_at, session_id", _record)
QUARANTINE: Final = Table("quarantine", ("hash", "parked"), 1, "at, hash", _parked)
USAGE_DAYS: Final = Table("usage_days", ("day", "endpoint", "identity", "room", "usage"), 4, "day", _day)
IDS: Final = Table("ids", ("endpoint", "id", "session_id", "call", "at"), 2, "number", _id)
TABLES: Final[tuple[Table[Any], ...]] = (SESSIONS, QUARANTINE, USAGE_DAYS, IDS)
