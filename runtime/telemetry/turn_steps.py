"""Steps of turns that a session measured, as its room remembers them.

Agents of ours write what they do into their room's developer log.  Those of MeshAgent's SDK do not, but they
measure it: of each turn, of each request of a model and each call of a tool, an entry says when it began and
ended.  What was asked and answered is not in it.  Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from runtime.telemetry import names as at
from runtime.wire.spans import Span, bounded

STEP: Final = "llm.step"
_KINDS: Final = {"invoke_agent": "turn", "chat": "model", "execute_tool": "tool"}
_TOLD: Final = {
    "model": at.MODEL,
    "input_tokens": at.INPUT_TOKENS,
    "output_tokens": at.OUTPUT_TOKENS,
    "first_words_s": at.FIRST_WORD,
    "name": at.TOOL,
    "call_id": at.CALL_ID,
}


def steps_of(spans: Iterable[Span]) -> Iterator[dict[str, Any]]:
    """An entry for each step of a turn; times are milliseconds since the epoch."""
    for given in spans:
        span = bounded(given) if given.turn else None
        kind = None if span is None else _KINDS.get(str(span.attributes.get(at.OPERATION)))
        if span is None or kind is None:
            continue
        yield {
            "path": span.thread,
            "turn_id": span.turn,
            "kind": kind,
            "began_ms": span.began_ns / 1e6,
            "ended_ms": span.ended_ns / 1e6,
            **{key: span.attributes[name] for key, name in _TOLD.items() if name in span.attributes},
            **({"error": span.error} if span.error else {}),
        }
