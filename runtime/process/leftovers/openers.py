"""Which line of a program opened a socket, started a process or a thread, while the program is imported.

An audit hook would tell more, but it cannot be taken away again: measured, each of Python's audited calls
(``id`` is one) costs 0.6 µs more for the rest of the process then, and a deepcopy takes twice its time, in
every session.
So three methods that everything goes through are exchanged while the program is imported, and put back.
What is not opened by Python's own classes is found by the variable that holds it: see `holders`.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any, Final

from runtime.process.leftovers.threads import package_of

_METHODS: Final[tuple[tuple[type[Any], str], ...]] = (
    (socket.socket, "__init__"),
    (subprocess.Popen, "__init__"),
    (threading.Thread, "start"),
)
_MOST: Final = 1000  # a program that opens more is told of these alone


class Openers:
    """Lines of the program in `folder` that opened something, from `begin` to `end`."""

    def __init__(self, folder: Path) -> None:
        self._folder = f"{folder}/"
        self._opened: list[tuple[weakref.ref[Any], str, str]] = []
        self._put_back: list[tuple[type[Any], str, Any, Any]] = []

    def begin(self) -> None:
        for cls, name in _METHODS:
            original = getattr(cls, name)
            noting = self._noting(original)
            setattr(cls, name, noting)
            self._put_back.append((cls, name, original, noting))

    def end(self) -> None:
        """Put everything back, but what somebody else has exchanged meanwhile."""
        while self._put_back:
            cls, name, original, noting = self._put_back.pop()
            if getattr(cls, name) is noting:
                setattr(cls, name, original)

    def opened(self) -> list[tuple[Any, str, str]]:
        """What was opened and is still there: the object, the line, and the library that did it."""
        return [(found, where, by) for ref, where, by in self._opened if (found := ref()) is not None]

    def _noting(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def note(this: Any, /, *args: Any, **kwargs: Any) -> Any:
            if self._put_back and len(self._opened) < _MOST:
                self._opened.append((weakref.ref(this), *self._told(sys._getframe(1))))
            return original(this, *args, **kwargs)

        note.__name__, note.__qualname__ = original.__name__, original.__qualname__
        note.__module__, note.__doc__ = original.__module__, original.__doc__
        note.__wrapped__ = original  # type: ignore[attr-defined]
        return note

    def _told(self, frame: FrameType | None) -> tuple[str, str]:
        library = ""
        while frame is not None:
            file = frame.f_code.co_filename
            package = package_of(file)
            if file.startswith(self._folder) and not package:
                return f"{file.removeprefix(self._folder)}:{frame.f_lineno}", library
            library = library or package
            frame = frame.f_back
        return "", library
