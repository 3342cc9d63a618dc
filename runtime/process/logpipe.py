"""Read what a process prints, line by line, within bounds of what is kept and of what reading may cost.

A line longer than the limit is cut and its rest dropped; lines above the rate are counted, not kept.  Whoever
writes more bytes than may be read in a second fills its own pipe and waits there: the flood stops the one who
floods, and takes no time from the others.  One that logs as programs do never comes near that.

The pipe may stay open after its process, held by something it started: `close` ends the reading then.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable

from runtime.clock import Clock, SystemClock
from runtime.errors import lacking

_READ_BYTES = 65536
_AGAIN_S = 1.0
_DRAIN_BYTES = 2 << 20  # no pipe holds more; whoever still writes into it would keep us for ever


class LogPipe:
    """The reading end of a log pipe.  Owns the descriptor, also when it cannot be made.

    Runs in: the front's event loop.

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
        bytes_per_s: float = 1 << 20,
        clock: Clock | None = None,
    ) -> None:
        self._fd = fd
        self._on_line = on_line
        self._max_line_bytes = max_line_bytes
        self._rate = lines_per_s
        self._tokens = lines_per_s
        self._clock = clock or SystemClock()
        self._refilled_at = self._clock.now()
        self._bytes_per_s = bytes_per_s
        self._credit_bytes = bytes_per_s
        self._credited_at = self._refilled_at
        self._paused: asyncio.TimerHandle | None = None
        self._partial = bytearray()
        self._cutting = False
        self.dropped = 0
        self.paused_count = 0
        self.read_bytes = 0
        self._loop = asyncio.get_running_loop()
        try:
            os.set_blocking(fd, False)
            self._loop.add_reader(fd, self._readable)
        except BaseException:
            os.close(fd)
            raise

    def drain(self) -> None:
        """Take what is in the pipe now, an unfinished last line included; call when the process is gone."""
        taken = 0
        while self._fd >= 0 and taken < _DRAIN_BYTES and (count := self._read()):
            taken += count
        if self._partial:
            self._line(bytes(self._partial))
            self._partial.clear()

    def close(self) -> None:
        if self._fd >= 0:
            if self._paused is not None:
                self._paused.cancel()
                self._paused = None
            self._loop.remove_reader(self._fd)
            os.close(self._fd)
            self._fd = -1

    def _readable(self) -> None:
        # One read a turn of the loop, so that others come in between.
        count = self._read()
        now = self._clock.now()
        gained = (now - self._credited_at) * self._bytes_per_s
        self._credit_bytes = min(self._bytes_per_s, self._credit_bytes + gained) - count
        self._credited_at = now
        if self._credit_bytes < 0 and self._fd >= 0:
            self.paused_count += 1
            self._loop.remove_reader(self._fd)
            pause_s = -self._credit_bytes / self._bytes_per_s
            self._paused = self._loop.call_later(pause_s, self._resume)

    def _resume(self) -> None:
        try:
            self._loop.add_reader(self._fd, self._readable)
            self._paused = None
        except OSError:  # the system has no room for it now
            self._paused = self._loop.call_later(_AGAIN_S, self._resume)

    def _read(self) -> int:
        """Read once; 0 when there was nothing or the pipe has ended."""
        try:
            data = os.read(self._fd, _READ_BYTES)
        except BlockingIOError:
            return 0
        except OSError as error:
            if lacking(error):
                return 0  # what is there stays there
            data = b""
        if not data:
            self.close()
            return 0
        self.read_bytes += len(data)
        self._take(data)
        return len(data)

    def _take(self, data: bytes) -> None:
        if (
            not self._partial
            and not self._cutting
            and (end := data.rfind(b"\n")) >= 0
            and not self._may_keep()
        ):
            # A flood of short lines: they are counted without being looked at one by one.
            self.dropped += data.count(b"\n")
            data = data[end + 1 :]
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

    def _may_keep(self) -> bool:
        now = self._clock.now()
        self._tokens = min(self._rate, self._tokens + (now - self._refilled_at) * self._rate)
        self._refilled_at = now
        return self._tokens >= 1

    def _line(self, raw: bytes) -> None:
        if not self._may_keep():
            self.dropped += 1
            return
        self._tokens -= 1
        text = raw[: self._max_line_bytes].decode("utf-8", "backslashreplace").rstrip("\r")
        self._on_line(text + " …(cut)" if len(raw) > self._max_line_bytes else text)
