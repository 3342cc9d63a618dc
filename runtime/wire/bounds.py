"""How much is kept of what a worker, or a zygote, says of itself: every text, list and map has a bound.

A worker's own code keeps well below; a program that writes into the pipe by itself does not have to.  So the
front cuts what it hears, before it is kept, compared, written or told.  What was cut once is not cut again.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final, TypeVar

import msgspec
from msgspec import structs

from runtime.wire.control import (
    Ended,
    Exiting,
    Failed,
    ForkFailed,
    FromWorker,
    FromZygote,
    ImportFailed,
    ReadyNow,
    Refused,
    StatusNow,
)
from runtime.wire.trace import Trace

WORD_CHARS: Final = 40
NAME_CHARS: Final = 200
PLACE_CHARS: Final = 700
TEXT_CHARS: Final = 2_000
TRACEBACK_CHARS: Final = 48_000
TRACE_BYTES: Final = 64 << 10
"""Of frames, tasks and source together: a worker's whole report keeps below that."""
REFUSED_COUNT: Final = 20
REFUSED_CHARS: Final = 500
STATUS_COUNT: Final = 20
STATUS_CHARS: Final = 500
_STATUS_NAME_CHARS: Final = 60
_MARK: Final = " …(cut)"

Raised = TypeVar("Raised", Failed, Exiting)


def heard(message: FromWorker) -> FromWorker:
    """What is kept of a message of a worker; of one that carries packets or files, all."""
    match message:
        case Failed():
            return failed(message)
        case Exiting():
            return _raised(message)
        case Ended():
            return ended(message)
        case ReadyNow():
            return ReadyNow(text(message.participant_id, NAME_CHARS))
        case StatusNow():
            return StatusNow(status(message.values))
        case Refused():
            return refused(message)
        case _:
            return message


def failed(said: Failed) -> Failed:
    """What is kept of a failure."""
    return structs.replace(
        _raised(said), stage=text(said.stage, WORD_CHARS), reason=text(said.reason, WORD_CHARS)
    )


def refused(said: Refused) -> Refused:
    """What is kept of what it was refused."""
    found = [_refusal(rule, what) for rule, what in said.found[:REFUSED_COUNT]]
    counts = {text(rule, WORD_CHARS): said.counts[rule] for rule in list(said.counts)[:REFUSED_COUNT]}
    return Refused(found, counts)


def ended(said: Ended) -> Ended:
    """What is kept of a last word."""
    return Ended(text(said.reason, WORD_CHARS), text(said.message, TEXT_CHARS))


def told(message: FromZygote) -> FromZygote:
    """What is kept of a message of a zygote: of files and endpoints as many as a message holds."""
    match message:
        case ImportFailed():
            return structs.replace(
                message,
                kind=text(message.kind, NAME_CHARS),
                message=text(message.message, TEXT_CHARS),
                where=text(message.where, PLACE_CHARS),
                traceback=text(message.traceback, TRACEBACK_CHARS),
                missing=text(message.missing, NAME_CHARS),
                near=text(message.near, NAME_CHARS),
                refused=None if message.refused is None else _refusal(*message.refused),
            )
        case ForkFailed():
            return structs.replace(message, message=text(message.message, TEXT_CHARS))
        case _:
            return message


def status(values: Mapping[str, Any]) -> dict[str, Any]:
    """A few plain values of bounded length."""
    kept: dict[str, Any] = {}
    for name, value in values.items():
        if len(kept) == STATUS_COUNT:
            break
        if isinstance(value, str):
            kept[str(name)[:_STATUS_NAME_CHARS]] = value[:STATUS_CHARS]
        elif value is None or isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)):
            kept[str(name)[:_STATUS_NAME_CHARS]] = value
    return kept


def text(said: str, most_chars: int) -> str:
    """A text, or its beginning with a mark where more came; never longer than so many characters."""
    return said if len(said) <= most_chars else said[: most_chars - len(_MARK)] + _MARK


def _refusal(rule: str, what: str) -> tuple[str, str]:
    return text(rule, WORD_CHARS), text(what, REFUSED_CHARS)


def _raised(said: Raised) -> Raised:
    return structs.replace(
        said,
        kind=text(said.kind, NAME_CHARS),
        message=text(said.message, TEXT_CHARS),
        where=text(said.where, PLACE_CHARS),
        traceback=text(said.traceback, TRACEBACK_CHARS),
        trace=_trace(said.trace),
    )


def _trace(said: Trace | None) -> Trace | None:
    """All of it, or nothing: a worker's own code never comes near the bound."""
    return said if said is not None and len(msgspec.msgpack.encode(said)) <= TRACE_BYTES else None
