"""Make one system call of ours fail, once: as often as there are places in the code that make one.

The functions by which our modules ask the system for something are exchanged for ones that know who calls.
First they only note the places (`Injector.places`), then the one that is armed raises.  What a library calls
by itself is let through: how it bears that is its own.
"""

from __future__ import annotations

import asyncio
import builtins
import errno
import fcntl
import mmap
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any, Final

NO_FILES: Final = ("EMFILE", "ENFILE")
WHAT_MAY_FAIL: Final[dict[str, tuple[str, ...]]] = {
    "builtins.open": (*NO_FILES, "EIO"),
    "fcntl.fcntl": ("ENOMEM",),
    "mmap.mmap": ("ENOMEM",),
    "os.ftruncate": ("ENOSPC", "EIO"),
    "os.listdir": (*NO_FILES, "ENOMEM"),
    "os.lseek": ("EIO",),
    "os.memfd_create": (*NO_FILES, "ENOMEM"),
    "os.open": (*NO_FILES, "ENOMEM", "EIO"),
    "os.pidfd_open": (*NO_FILES, "ENOMEM"),
    "os.pipe2": NO_FILES,
    "os.pread": ("EIO", "ENOMEM"),
    "os.pwrite": ("EIO", "ENOSPC"),
    "os.read": ("EIO", "ENOMEM"),
    "os.sched_setscheduler": ("EIO",),
    "os.set_blocking": ("EIO",),
    "os.setpriority": ("EIO",),
    "os.stat": ("EIO", "ENOMEM"),
    "os.waitid": ("EIO",),
    "socket.recv_fds": ("EIO", "ENOMEM"),
    "socket.send_fds": ("EIO", "ENOMEM", "EPIPE"),
    "socket.socketpair": (*NO_FILES, "ENOMEM"),
    "subprocess.Popen": ("EMFILE", "EAGAIN", "ENOMEM"),
    "loop.add_reader": ("ENOMEM", "ENOSPC"),
    "loop.add_writer": ("ENOMEM", "ENOSPC"),
    "thread.start": ("EAGAIN",),
}
_OWNERS: Final[dict[str, Any]] = {
    "builtins": builtins,
    "fcntl": fcntl,
    "mmap": mmap,
    "os": os,
    "socket": socket,
    "subprocess": subprocess,
    "loop": asyncio.SelectorEventLoop,
    "thread": threading.Thread,
}
_OURS: Final = ("runtime.process", "runtime.supervisor", "runtime.placement")
_MOST_OF_A_PLACE: Final = 2


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """One call in the code: which function, from where, and the how manieth time."""

    function: str
    module: str
    line: int
    time: int

    def __str__(self) -> str:
        return f"{self.function} at {self.module}:{self.line} ({self.time})"


class Injector:
    """Notes the places of one phase, or fails one of them.

    Attributes:
        places: What was called while it was on.
        fired: The armed one has failed.
    """

    def __init__(self) -> None:
        self.places: dict[Place, None] = {}
        self.fired = False
        self._is_on = False
        self._armed: Place | None = None
        self._number = 0
        self._times: dict[tuple[str, str, int], int] = {}
        self._lock = threading.Lock()

    @contextmanager
    def on(self, armed: Place | None = None, error: str = "EIO") -> Iterator[None]:
        """Count from now on; the armed place fails, once."""
        self.places, self._times, self.fired = {}, {}, False
        self._armed, self._number, self._is_on = armed, getattr(errno, error), True
        try:
            yield
        finally:
            self._is_on = False

    @contextmanager
    def installed(self) -> Iterator[None]:
        """The functions are exchanged within."""
        with ExitStack() as undo:
            for name in WHAT_MAY_FAIL:
                owner, attribute = _OWNERS[name.partition(".")[0]], name.partition(".")[2]
                undo.callback(_put_back, owner, attribute, vars(owner).get(attribute))
                original = getattr(owner, attribute)
                if isinstance(original, type):
                    setattr(owner, attribute, self._class(name, original))
                else:
                    setattr(owner, attribute, self._function(name, original))
            yield

    def _function(self, name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        def called(*args: Any, **more: Any) -> Any:
            if self._is_on and self._fails(name, sys._getframe(1)):
                self._fail(name)
            return original(*args, **more)

        return called

    def _class(self, name: str, original: type[Any]) -> type[Any]:
        injector = self

        class Called(original):  # type: ignore[misc]
            def __new__(cls, *args: Any, **more: Any) -> Any:
                if injector._is_on and injector._fails(name, sys._getframe(1)):
                    injector._fail(name)
                if original.__new__ is object.__new__:
                    return super().__new__(cls)
                return super().__new__(cls, *args, **more)

        return Called

    def _fails(self, name: str, frame: FrameType | None) -> bool:
        while frame is not None and name == "thread.start" and not _is_ours(frame):
            frame = frame.f_back  # by way of the loop's executor
        if frame is None or not _is_ours(frame):
            return False
        key = (name, frame.f_globals["__name__"], frame.f_lineno)
        with self._lock:
            self._times[key] = time = self._times.get(key, 0) + 1
            if time > _MOST_OF_A_PLACE:
                return False
            place = Place(*key, time)
            self.places[place] = None
            if place != self._armed or self.fired:
                return False
            self.fired = True
            return True

    def _fail(self, name: str) -> None:
        if name == "thread.start":
            raise RuntimeError("can't start new thread")
        raise OSError(self._number, os.strerror(self._number))


def _is_ours(frame: FrameType) -> bool:
    return str(frame.f_globals.get("__name__", "")).startswith(_OURS)


def _put_back(owner: Any, attribute: str, original: Any) -> None:
    if original is None:
        delattr(owner, attribute)
    else:
        setattr(owner, attribute, original)
