"""The last lines a session wrote, numbered; a gap in the numbers is lines that were dropped."""

from __future__ import annotations

from collections import deque
from typing import Any

import msgspec

from runtime.session.info import LogLine

_SHOWN_APART = ("event", "level", "timestamp", "logger", "room", "identity", "exception")


class LogBook:
    """The newest lines of one session; older ones fall out."""

    def __init__(self, *, max_lines: int) -> None:
        self._lines: deque[LogLine] = deque(maxlen=max_lines)
        self._seq = 0

    def write(self, text: str, at: float) -> LogLine:
        """Keep a line of the worker's output; a structured one is taken apart."""
        self._seq += 1
        line = structured(text, self._seq, at) or LogLine(seq=self._seq, at=at, stream="output", text=text)
        self._lines.append(line)
        return line

    def after(self, seq: int) -> list[LogLine]:
        """The kept lines numbered above `seq`, oldest first."""
        return [line for line in self._lines if line.seq > seq]


def structured(text: str, seq: int, at: float) -> LogLine | None:
    """Read a line that structlog wrote as JSON; None when it is anything else."""
    if not text.startswith("{"):
        return None
    try:
        fields: Any = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return None
    if not isinstance(fields, dict) or not isinstance(fields.get("event"), str):
        return None
    rest = " ".join(f"{key}={value}" for key, value in fields.items() if key not in _SHOWN_APART)
    shown = f"{fields['event']} {rest}".rstrip()
    if exception := fields.get("exception"):
        shown = f"{shown}\n{exception}"
    return LogLine(seq=seq, at=at, stream="log", text=shown, level=str(fields.get("level", "")))
