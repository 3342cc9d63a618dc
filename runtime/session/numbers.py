"""Numbers, and lengths of texts, that somebody else said.  Pure.

A moment that is no date, or a sum without an end, would be in every reader's list and in everybody's metrics,
not in its own session's alone.
"""

from __future__ import annotations

import math
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from runtime.session import events
from runtime.wire.bounds import REFUSED_COUNT, TEXT_CHARS, TRACEBACK_CHARS, WORD_CHARS, text

LAST_S: Final = 1e11
"""Seconds since the epoch that every date has room for."""


_SHOWN: Final = ("fingerprint", "sentence", "where", "cure")


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


def bounded(event: events.SessionEvent) -> events.SessionEvent:
    """An event with what readers of all sessions' events are shown of it at no length but a usual one."""
    match event:
        case events.Warned():
            kind, message = text(event.kind, WORD_CHARS), text(event.message, TEXT_CHARS)
            return replace(event, kind=kind, message=message, stack=text(event.stack, TRACEBACK_CHARS))
        case events.Refused():
            words = ("rule", "what", "message", "cure")
            found = tuple({key: text(one.get(key, ""), TEXT_CHARS) for key in words} for one in event.found)
            few = list(event.counts.items())[:REFUSED_COUNT]
            counts = {text(rule, WORD_CHARS): count for rule, count in few}
            return replace(event, found=found[:REFUSED_COUNT], counts=counts)
        case events.Exited():
            report, exit = event.report, event.exit.bounded()
            if report is None or not all(0 <= at <= LAST_S for at in (report.at, report.exit.at)):
                return replace(event, exit=exit, report=None)
            cut = {key: text(getattr(report, key), TEXT_CHARS) for key in _SHOWN}
            return replace(event, exit=exit, report=replace(report, exit=report.exit.bounded(), **cut))
        case _:
            return event


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
