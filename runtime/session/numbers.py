"""Numbers that somebody else said.  Pure.

A moment that is no date, or a sum without an end, would be in every reader's list and in everybody's metrics,
not in its own session's alone.
"""

from __future__ import annotations

import math
from typing import Any, Final

import msgspec

from runtime.session import events

LAST_S: Final = 1e11
"""Seconds since the epoch that every date has room for."""


def can_be_counted(event: events.SessionEvent) -> bool:
    """Whether its moments are dates, its amounts some, and all its numbers finite."""
    moments, parts = [event.at], [event]
    if isinstance(event, events.Exited):
        moments.append(event.exit.at)
        parts.append(event.use)  # type: ignore[arg-type]
    amounts = [getattr(part, name) for part in parts for name in part.__struct_fields__]
    counted = [one for one in amounts if isinstance(one, int | float)]
    return (
        all(0 <= at <= LAST_S for at in moments)
        and all(0 <= one < 1 << 63 for one in counted)
        and is_finite(event)
    )


def is_finite(found: Any) -> bool:
    """Whether all numbers in it are some."""
    match found:
        case float():
            return math.isfinite(found)
        case msgspec.Struct():
            return all(is_finite(getattr(found, name)) for name in found.__struct_fields__)
        case dict():
            return all(map(is_finite, found.values()))
        case list() | tuple():
            return all(map(is_finite, found))
        case _:
            return True
