"""The journal's rows as they are read: one that is damaged, or another version's, is named and left out."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, TypeVar

import msgspec

from runtime.logs import get_logger
from runtime.session.calls.call_ids import CallId
from runtime.session.exit_reasons import ExitReason
from runtime.session.quarantine import Parked
from runtime.session.record import SessionRecord
from runtime.session.restart import RestartPolicy
from runtime.session.usage import DayRow, Usage

Row = tuple[Any, ...]
T = TypeVar("T")
_log = get_logger("journal")


def records(rows: Iterable[Row]) -> list[SessionRecord]:
    """Sessions, of their id, token and record."""
    return _read(rows, _record, "sessions", lambda row: row[0])


def parked(rows: Iterable[Row]) -> list[Parked]:
    """Inputs in quarantine, of their hash and what was written of them."""
    return _read(rows, _parked, "quarantine", lambda row: row[0])


def days(rows: Iterable[Row]) -> list[DayRow]:
    """Sums of days, of their keys and their use."""
    return _read(rows, _day, "usage_days", lambda row: " ".join(map(str, row[:4])))


def ids(rows: Iterable[Row]) -> list[CallId]:
    """Remembered ids of calls."""
    return _read(rows, _id, "ids", lambda row: f"{row[0]} {row[1]}")


def row_of(one: CallId) -> Row:
    """The row of a remembered id."""
    return (one.endpoint, one.webhook_id, one.session_id, one.call, one.at)


def ids_in(rows: Iterable[Row]) -> list[Row]:
    """The rows of the ids with which sessions were called."""
    found = (CallId.of(record.spec) for record in records(rows))
    return [row_of(one) for one in found if one is not None]


def _read(
    rows: Iterable[Row], read: Callable[[Row], T], table: str, name: Callable[[Row], object]
) -> list[T]:
    found = []
    for row in rows:
        try:
            found.append(read(row))
        except (msgspec.MsgspecError, ValueError, TypeError, RecursionError) as error:
            _log.warning("journal.row_skipped", table=table, row=str(name(row))[:200], error=str(error))
    return found


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
