"""Lines that somebody types, read without blocking the event loop."""

from __future__ import annotations

import asyncio
import os
import sys

_MAX_READ_BYTES = 65536


class TypedLines:
    """Reads standard input line by line.  Runs in: the event loop.

    On a terminal the loop watches the descriptor, so that waiting for a line can be given up; a pipe or a
    file is read in a thread, because a loop cannot watch every kind of them.
    """

    def __init__(self) -> None:
        self._fd = sys.stdin.fileno()
        self._is_terminal = sys.stdin.isatty()
        self._pending = b""
        self._waiting: asyncio.Future[str | None] | None = None

    @property
    def can_give_up(self) -> bool:
        """Whether `give_up` ends a wait."""
        return self._is_terminal

    async def read(self, prompt: str) -> str | None:
        """The next line without its end; None when there is none any more, or after `give_up`."""
        if prompt:
            sys.stdout.write(prompt)
            sys.stdout.flush()
        if not self._is_terminal:
            # Bytes: what is no UTF-8 must become text that can be sent on, whatever the locale.
            raw = await asyncio.to_thread(sys.stdin.buffer.readline)
            return raw.decode(errors="replace").rstrip("\r\n") if raw else None
        loop = asyncio.get_running_loop()
        self._waiting = loop.create_future()
        self._take_line()  # several lines may have come at once
        loop.add_reader(self._fd, self._typed)
        try:
            return await self._waiting
        finally:
            loop.remove_reader(self._fd)
            self._waiting = None

    def give_up(self) -> None:
        """End the wait for a line, as if the input were over."""
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    def _typed(self) -> None:
        data = os.read(self._fd, _MAX_READ_BYTES)
        self._pending += data
        self._take_line()
        if not data:
            self.give_up()

    def _take_line(self) -> None:
        line, found, rest = self._pending.partition(b"\n")
        if found and self._waiting is not None and not self._waiting.done():
            self._pending = rest
            self._waiting.set_result(line.decode(errors="replace"))
