"""Single key presses of a terminal, without Enter; nothing where there is no terminal."""

from __future__ import annotations

import os
import select
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

QUIT = "q"
ESC = "esc"
_ESC_S = 0.02
_NAMED = {
    b"[A": "up",
    b"[B": "down",
    b"[5~": "pageup",
    b"[6~": "pagedown",
    b"[H": "home",
    b"[F": "end",
    b"OA": "up",
    b"OB": "down",
    b"OH": "home",
    b"OF": "end",
    b"": ESC,
}


class Keys:
    """Reads keys while it is entered, and leaves the terminal as it was found.

    May be entered again while it is; the first to leave gives the terminal back.
    """

    def __init__(self) -> None:
        self._saved: list[Any] | None = None

    def __enter__(self) -> Keys:
        self._grab()
        return self

    def __exit__(self, *_: object) -> None:
        self._release()

    def wait(self, timeout_s: float) -> str:
        """The next key, or an empty text after `timeout_s`; `QUIT` when the terminal is gone.

        Keys that move have names: ``up``, ``down``, ``pageup``, ``pagedown``, ``home``, ``end``, and ``esc``.
        """
        if self._saved is None:
            time.sleep(timeout_s)
            return ""
        readable, _, _ = select.select([sys.stdin], [], [], timeout_s)
        if not readable:
            return ""
        try:
            key = os.read(sys.stdin.fileno(), 1)
            if key == b"\x1b":
                # What a terminal sends for one key comes together.
                more, _, _ = select.select([sys.stdin], [], [], _ESC_S)
                return _NAMED.get(os.read(sys.stdin.fileno(), 8) if more else b"", "")
            return key.decode(errors="replace").lower() or QUIT
        except OSError:
            return QUIT

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Give the terminal back for a while: somebody types lines."""
        self._release()
        try:
            yield
        finally:
            self._grab()

    def _grab(self) -> None:
        if self._saved is not None or not sys.stdin.isatty():
            return
        import termios
        import tty

        self._saved = termios.tcgetattr(sys.stdin)
        tty.setcbreak(sys.stdin.fileno(), termios.TCSADRAIN)  # what was typed already stays to be read

    def _release(self) -> None:
        if self._saved is None:
            return
        import termios

        try:
            termios.tcsetattr(sys.stdin, termios.TCSADRAIN, self._saved)
        except termios.error:
            pass  # the terminal is gone
        self._saved = None
