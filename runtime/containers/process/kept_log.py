"""The last lines of one box, for whoever reads them, however slowly."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator


class KeptLog:
    """Lines up to a size; the oldest make way, and readers are told how many they have missed."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._lines: deque[str] = deque()
        self._bytes = 0
        self._first = 0
        self._closed = False
        self._changed = asyncio.Event()

    def append(self, line: str) -> None:
        """Keep one more."""
        self._lines.append(line)
        self._bytes += len(line) + 1
        while self._bytes > self._max_bytes and len(self._lines) > 1:
            self._bytes -= len(self._lines.popleft()) + 1
            self._first += 1
        self._tell()

    def close(self) -> None:
        """There will be no more."""
        self._closed = True
        self._tell()

    def last(self, count: int) -> list[str]:
        """The newest of them."""
        return list(self._lines)[-count:]

    async def read(self, *, follow: bool) -> AsyncGenerator[str]:
        """All that is kept, and with `follow` what comes until it is closed."""
        at = self._first
        while True:
            if at < self._first:
                yield f"… {self._first - at} lines are not kept any more"
                at = self._first
            while self._first <= at < self._first + len(self._lines):
                at += 1
                yield self._lines[at - 1 - self._first]
            if at < self._first:
                continue
            if not follow or self._closed:
                return
            await self._changed.wait()

    def _tell(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()
