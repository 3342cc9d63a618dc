"""W3C trace context: which trace something belongs to, and as part of what."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from typing import Final

import msgspec

_HEADER: Final = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_LARGEST: Final = float(1 << 64)


class TraceContext(msgspec.Struct, frozen=True):
    """A span, for those that are part of it.

    Attributes:
        trace_id: 32 digits, hexadecimal.
        span_id: 16 digits.
        sampled: Whether the trace is recorded.
    """

    trace_id: str
    span_id: str
    sampled: bool = True

    @classmethod
    def read(cls, header: str) -> TraceContext | None:
        """Read a ``traceparent``; None where it is none, or one that no release of the standard allows."""
        match = _HEADER.fullmatch(header)
        if match is None or match[1] == "ff" or (match[1] == "00" and match[5]):
            return None
        if not match[2].strip("0") or not match[3].strip("0"):
            return None
        return cls(match[2], match[3], bool(int(match[4], 16) & 1))

    @classmethod
    def begin(cls, *, sampled: bool = True) -> TraceContext:
        """The first span of a new trace."""
        return cls(os.urandom(16).hex(), os.urandom(8).hex(), sampled)

    def child(self) -> TraceContext:
        """A new span of the same trace."""
        return TraceContext(self.trace_id, os.urandom(8).hex(), self.sampled)

    def header(self) -> str:
        """As a ``traceparent``."""
        return f"00-{self.trace_id}-{self.span_id}-{'01' if self.sampled else '00'}"


def before(span_id: str) -> str:
    """The id of the request that became the session of this id: known to whoever knows the session's."""
    return hashlib.sha256(bytes.fromhex(span_id)).hexdigest()[:16]


class Sampler(msgspec.Struct, frozen=True):
    """Which traces are recorded.

    Attributes:
        ratio: Of those that begin here.
        asks_caller: Whether a caller's own decision holds.
    """

    ratio: float = 1.0
    asks_caller: bool = True

    @classmethod
    def of(cls, ratio: float, environ: Mapping[str, str]) -> Sampler:
        """What ``OTEL_TRACES_SAMPLER`` and ``…_ARG`` say; the setting where they say nothing we know."""
        name = environ.get("OTEL_TRACES_SAMPLER", "").strip().lower()
        asks_caller, kind = (True, name[12:]) if name.startswith("parentbased_") else (not name, name)
        match kind:
            case "always_on":
                return cls(1.0, asks_caller)
            case "always_off":
                return cls(0.0, asks_caller)
            case "traceidratio":
                try:
                    given = float(environ.get("OTEL_TRACES_SAMPLER_ARG", "") or 1.0)
                except ValueError:
                    given = 1.0
                return cls(min(1.0, max(0.0, given)), asks_caller)
            case _:
                return cls(ratio)

    def takes(self, trace_id: str, caller: TraceContext | None) -> bool:
        """Whether a trace is recorded; the same answer everywhere for the same trace."""
        if caller is not None and self.asks_caller:
            return caller.sampled
        return int(trace_id[16:], 16) < self.ratio * _LARGEST
