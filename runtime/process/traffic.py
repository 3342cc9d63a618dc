"""The last messages on a worker's pipe: names, sizes and times, never what is in them."""

from __future__ import annotations

import time
from collections import deque
from typing import Final

import msgspec

from runtime.session.crash import PipeTraffic
from runtime.wire import control

KEPT: Final = 40


class Traffic:
    """Remembers the newest messages in both directions; several of a kind in a row count as one entry.

    A relayed room sends thousands of packets a second, so a repetition costs three additions.
    """

    def __init__(self) -> None:
        self._entries: deque[_Entry] = deque(maxlen=KEPT)
        self._last: _Entry | None = None

    def note(self, direction: str, message: msgspec.Struct) -> None:
        """A message went to the worker (``in``) or came from it (``out``)."""
        last, kind = self._last, type(message)
        if last is None or last.kind is not kind or last.direction != direction:
            last = self._last = _Entry(direction, kind)
            self._entries.append(last)
        last.count += 1
        last.size_bytes += len(message.data) if isinstance(message, control.Packet) else _size_of(message)
        last.at = time.time()

    def last(self) -> tuple[PipeTraffic, ...]:
        """What is remembered, oldest first."""
        return tuple(
            PipeTraffic(
                direction=entry.direction,
                kind=str(entry.kind.__struct_config__.tag),
                at=entry.at,
                count=entry.count,
                size_bytes=entry.size_bytes,
            )
            for entry in self._entries
        )


class _Entry:
    __slots__ = ("at", "count", "direction", "kind", "size_bytes")

    def __init__(self, direction: str, kind: type[msgspec.Struct]) -> None:
        self.direction, self.kind = direction, kind
        self.count = self.size_bytes = 0
        self.at = 0.0


def _size_of(message: msgspec.Struct) -> int:
    return len(control.encode(message))
