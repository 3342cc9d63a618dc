"""What an installation is doing: one line that changes where somebody watches, plain lines elsewhere."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from typing import TextIO

from runtime.cli.terminal import clean, is_plain, length


class Progress:
    """Show the lines of an installation's tools as they come.

    Args:
        clock: Seconds that only ever grow.
    """

    def __init__(self, bundle: str, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._bundle = bundle
        self._stream = stream
        self._clock = clock
        self._began = clock()
        self._is_plain = is_plain(stream)
        self._is_open = False

    def line(self, text: str) -> None:
        """Show what is being done now."""
        text = clean(text).strip()
        if not text:
            return
        if self._is_plain:
            self._stream.write(f"{self._bundle}: {text}\n")
        else:
            shown = f"{self._bundle}: {length(self._clock() - self._began)} {text}"
            width = shutil.get_terminal_size().columns - 1
            self._stream.write(f"\r\x1b[K{shown[:width]}")
            self._is_open = True
        self._stream.flush()

    def end(self) -> None:
        """Take the changing line away; a second call does nothing."""
        if self._is_open:
            self._stream.write("\r\x1b[K")
            self._stream.flush()
            self._is_open = False
