"""The last lines that sessions wrote, numbered; a gap in the numbers is lines that were dropped."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Container
from typing import Any, Final

import msgspec

from runtime.session.info import LogLine
from runtime.session.redaction import Hidden
from runtime.session.spec import SessionId

KEPT_BOOKS: Final = 500
"""Sessions whose lines are kept, those that have ended included; more only while more run."""
_SHOWN_APART = (
    *("event", "level", "timestamp", "logger", "room", "identity", "exception"),
    *("trace_id", "span_id"),
)
_MARK_CHARS: Final = 32
_LINE_BYTES: Final = 200  # of an object, beside its text


class LogBook:
    """The newest lines of one session; older ones fall out.

    Attributes:
        size_bytes: What they take in memory, about.
    """

    def __init__(self, *, max_lines: int) -> None:
        self._lines: deque[LogLine] = deque()
        self._max_lines = max_lines
        self._seq = 0
        self.size_bytes = 0
        self._shelf: LogShelf | None = None

    def write(self, text: str, at: float) -> LogLine:
        """Keep a line of the worker's output; a structured one is taken apart."""
        seq = self._seq + 1
        if self._shelf is not None:
            text = self._shelf.hidden.text(text)
        line = structured(text, seq, at) or LogLine(seq=seq, at=at, stream="output", text=text)
        self._keep(line)
        return line

    def tell(self, text: str, at: float) -> None:
        """Keep a line that is the server's, about the session."""
        self._keep(LogLine(seq=self._seq + 1, at=at, stream="server", text=text, level="warning"))

    def after(self, seq: int) -> list[LogLine]:
        """The kept lines numbered above `seq`, oldest first."""
        return [line for line in self._lines if line.seq > seq]

    def _keep(self, line: LogLine) -> None:
        self._seq = line.seq
        self._lines.append(line)
        self._grow(_size_of(line))
        if len(self._lines) > self._max_lines:
            self._drop_oldest()

    def halve(self) -> None:
        """Let the older lines go until half is left; the last one stays."""
        half = self.size_bytes // 2
        while self.size_bytes > half and len(self._lines) > 1:
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        self._grow(-_size_of(self._lines.popleft()))

    def _grow(self, count_bytes: int) -> None:
        self.size_bytes += count_bytes
        if self._shelf is not None:
            self._shelf.grown(count_bytes)


class LogShelf:
    """The books of all sessions, bounded together: the thickest one gives way.

    Args:
        max_lines: Of one session.
        max_bytes: Of all.
        hidden: What no line may show.
    """

    def __init__(self, *, max_lines: int, max_bytes: int, hidden: Hidden | None = None) -> None:
        self._max_lines, self._max_bytes = max_lines, max_bytes
        self.hidden = hidden or Hidden()
        self._books: OrderedDict[SessionId, LogBook] = OrderedDict()
        self.size_bytes = 0

    def get(self, session_id: SessionId) -> LogBook | None:
        return self._books.get(session_id)

    def book(self, session_id: SessionId, running: Container[SessionId], running_count: int) -> LogBook:
        """The book of a session; that of its attempts before, numbered through, where there is one."""
        book = self._books.get(session_id)
        if book is None:
            book = self._books[session_id] = LogBook(max_lines=self._max_lines)
            book._shelf = self
        while len(self._books) > max(KEPT_BOOKS, running_count):
            ended = next((old for old in self._books if old not in running), None)
            if ended is None:
                break
            gone = self._books.pop(ended)
            gone._shelf = None
            self.size_bytes -= gone.size_bytes
        return book

    def grown(self, count_bytes: int) -> None:
        """A book has grown by so many bytes."""
        self.size_bytes += count_bytes
        while count_bytes > 0 and self.size_bytes > self._max_bytes:
            thickest = max(self._books.values(), key=lambda book: book.size_bytes)
            before = thickest.size_bytes
            thickest.halve()
            if thickest.size_bytes == before:
                return  # one line each, which is bounded


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
    return LogLine(
        seq=seq,
        at=at,
        stream="log",
        text=shown,
        level=str(fields.get("level", "")),
        trace_id=str(fields.get("trace_id", ""))[:_MARK_CHARS],
        span_id=str(fields.get("span_id", ""))[:_MARK_CHARS],
    )


def _size_of(line: LogLine) -> int:
    return len(line.text) * (1 if line.text.isascii() else 4) + _LINE_BYTES
