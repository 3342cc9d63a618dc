"""Read what a process prints, line by line, without ever making it wait and without end to what is kept.

A line longer than the limit is cut and its rest dropped; lines above the rate are counted, not kept.  The
pipe may stay open after its process, held by something it started: `close` ends the reading then.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable

from runtime.clock import Clock, SystemClock

_READ_BYTES = 65536


class LogPipe:
    """The reading end of a log pipe.  Owns the descriptor.  Runs in: the front's event loop.

    Args:
        on_line: Called with each line that is kept, without its newline.
        lines_per_s: Sustained rate of kept lines; a burst of as many is let through at once.

    Attributes:
        dropped: Lines that were not kept.
        read_bytes: What came through the pipe, kept or not.
    """

    def __init__(
        self,
        fd: int,
        on_line: Callable[[str], None],
        *,
        max_line_bytes: int,
        lines_per_s: float,
        clock: Clock | None = None,
    ) -> None:
        self._fd = fd
        self._on_line = on_line
        self._max_line_bytes = max_line_bytes
        self._rate = lines_per_s
        self._tokens = lines_per_s
        self._clock = clock or SystemClock()
        self._refilled_at = self._clock.now()
        self._partial = bytearray()
        self._cutting = False
        self.dropped = 0
        self.read_bytes = 0
        os.set_blocking(fd, False)
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(fd, self._readable)

    def drain(self) -> None:
        """Take what is in the pipe now, an unfinished last line included; call when the process is gone."""
        while self._fd >= 0 and self._readable():
            pass
        if self._partial:
            self._line(bytes(self._partial))
            self._partial.clear()

    def close(self) -> None:
        if self._fd >= 0:
            self._loop.remove_reader(self._fd)
            os.close(self._fd)
            self._fd = -1

    def _readable(self) -> bool:
        """Read once; False when there was nothing or the pipe has ended."""
        try:
            # One read a turn of the loop: a flood costs its own session's pipe, not the others' time.
            data = os.read(self._fd, _READ_BYTES)
        except BlockingIOError:
            return False
        except OSError:
            data = b""
        if not data:
            self.close()
            return False
        self.read_bytes += len(data)
        self._take(data)
        return True

    def _take(self, data: bytes) -> None:
        *lines, rest = data.split(b"\n")
        for line in lines:
            if self._cutting:
                self._cutting = False
            else:
                self._line(bytes(self._partial) + line)
            self._partial.clear()
        if self._cutting:
            return
        self._partial += rest
        if len(self._partial) > self._max_line_bytes:
            self._line(bytes(self._partial))
            self._partial.clear()
            self._cutting = True

    def _line(self, raw: bytes) -> None:
        now = self._clock.now()
        self._tokens = min(self._rate, self._tokens + (now - self._refilled_at) * self._rate)
        self._refilled_at = now
        if self._tokens < 1:
            self.dropped += 1
            return
        self._tokens -= 1
        text = raw[: self._max_line_bytes].decode("utf-8", "backslashreplace").rstrip("\r")
        self._on_line(text + " …(cut)" if len(raw) > self._max_line_bytes else text)
