"""Spans of a trace as they travel: one finished piece of work each.  Data, whoever measured it.

What a worker sends is bounded where it enters (`bounded`): a session may say what it likes about its own
work, but not for ever, and not under a name that is not text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

Value = bool | int | float | str | list[str]
Attributes = dict[str, Value]

MAX_NAME_CHARS: Final = 200
MAX_THREAD_CHARS: Final = 1_000
MAX_ATTRIBUTES: Final = 64
MAX_TEXT_CHARS: Final = 4_000
MAX_CONTENT_CHARS: Final = 32_000
"""Of one attribute, where content is sent; else `MAX_TEXT_CHARS`."""
BEYOND_CHARS: Final = 4_096
"""So much more is kept of a longer text until its secrets are hidden: a half of one is known by nobody."""
MAX_EVENTS: Final = 16
KINDS: Final = ("internal", "server", "client", "producer", "consumer")
_TRACE_ID: Final = re.compile(r"(?!0{32})[0-9a-f]{32}")
_SPAN_ID: Final = re.compile(r"(?!0{16})[0-9a-f]{16}")


class SpanEvent(msgspec.Struct, frozen=True, omit_defaults=True):
    """Something that happened at one moment of a span."""

    name: str
    at_ns: int
    attributes: Attributes = {}


class Span(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A piece of work that is over.

    Attributes:
        trace_id, span_id, parent_id: As in W3C's trace context; a span without a parent begins its trace.
        began_ns, ended_ns: Since the epoch.
        kind: One of `KINDS`.
        error: Why it failed, in a word; empty when it did not.
        scope: Who measured it, as OpenTelemetry names its tracers; empty for the server's own.
        turn: Which turn of an agent it is, or is a step of, where the agent's room hears of that from nobody
            else; empty otherwise.
        thread: The path of that turn's thread.
    """

    name: str
    trace_id: str
    span_id: str
    parent_id: str = ""
    began_ns: int
    ended_ns: int
    kind: str = "internal"
    attributes: Attributes = {}
    events: list[SpanEvent] = []
    error: str = ""
    scope: str = ""
    turn: str = ""
    thread: str = ""


class Spans(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="t", tag="spans"):
    """Pieces of work that a session measured; a message of its control pipe, and no more than advice.

    Attributes:
        dropped: How many there were beyond them.
        service: What its program calls itself.
    """

    spans: list[Span] = []
    dropped: int = 0
    service: str = ""


def bounded(span: Span, *, content: bool = False) -> Span | None:
    """A span of a stranger within its bounds; None where it is none at all."""
    ids = _TRACE_ID.fullmatch(span.trace_id) and _SPAN_ID.fullmatch(span.span_id)
    if not ids or not (span.parent_id == "" or _SPAN_ID.fullmatch(span.parent_id)):
        return None
    if span.kind not in KINDS or not 0 <= span.began_ns < 1 << 63 or not 0 <= span.ended_ns < 1 << 63:
        return None
    most = MAX_CONTENT_CHARS if content else MAX_TEXT_CHARS
    return msgspec.structs.replace(
        span,
        name=span.name[:MAX_NAME_CHARS] or "unnamed",
        turn=span.turn[:MAX_NAME_CHARS],
        thread=span.thread[:MAX_THREAD_CHARS],
        ended_ns=max(span.began_ns, span.ended_ns),
        attributes=cut_attributes(span.attributes, most),
        events=[
            SpanEvent(
                one.name[:MAX_NAME_CHARS],
                min(max(0, one.at_ns), (1 << 63) - 1),
                cut_attributes(one.attributes, most),
            )
            for one in span.events[:MAX_EVENTS]
        ],
        error=span.error[:MAX_NAME_CHARS],
        scope=span.scope[:MAX_NAME_CHARS],
    )


def cut_attributes(
    given: Mapping[str, Value] | Iterable[tuple[str, Value]], most_chars: int = MAX_TEXT_CHARS
) -> Attributes:
    """The first of some attributes, with long texts cut, and numbers that OTLP can hold."""
    kept: Attributes = {}
    for name, value in given.items() if isinstance(given, Mapping) else given:
        if len(kept) == MAX_ATTRIBUTES:
            break
        match value:
            case str():
                value = value[:most_chars]
            case list():
                value = [
                    text[: min(most_chars, MAX_TEXT_CHARS + BEYOND_CHARS)] for text in value[:MAX_ATTRIBUTES]
                ]
            case int() if not -(1 << 63) <= value < 1 << 63:
                value = str(value)[:MAX_NAME_CHARS]
            case _:
                pass
        kept[name[:MAX_NAME_CHARS]] = value
    return kept
