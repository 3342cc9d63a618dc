"""What faulthandler wrote, read: threads, their frames, and which package's native code was on top.  Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

import msgspec

_FRAME: Final = re.compile(
    r'^\s*File "(?P<file>[^"]{1,500})", line (?P<line>[0-9]{1,9}) in (?P<name>.{1,200})$'
)
_CURRENT: Final = ("Current thread", "Stack (most recent")
"""How the stack of the thread that failed, or was asked, begins; the latter where no other is told."""
_STDLIB: Final = re.compile(r"/lib/python3\.[0-9]+/(?P<rest>.+)$")

_WAITING: Final = frozenset({"threading.py", "queue.py", "socket.py", "ssl.py", "subprocess.py"})
"""Modules whose calls are made again after a signal, as Python promises of all its own."""

_LOOPS: Final = (
    ("/selectors.py", ("select",)),
    # A loop of native code has no frames of its own: what it calls would stand above these.
    ("/asyncio/runners.py", ("run",)),
    ("/asyncio/base_events.py", ("run_forever", "run_until_complete")),
    ("/uvloop/__init__.py", ("run",)),
)
"""Where an event loop waits for something to do."""

_SERVES: Final = ("/sdk/loading.py", "reached")
"""Where a program comes to `service.run()`: what called it waits there, whatever the session does."""


class NativeFrame(msgspec.Struct, frozen=True):
    """One Python frame of a thread."""

    file: str
    line: int
    function: str

    @property
    def where(self) -> str:
        return f"{self.file}:{self.line} in {self.function}"

    @property
    def serves(self) -> bool:
        """What called this waits in `service.run()`, whatever the session does."""
        return self.file.endswith(_SERVES[0]) and self.function == _SERVES[1]


def threads_in(stack: str) -> list[list[NativeFrame]]:
    """The frames of every thread, innermost first; the thread that failed comes first."""
    threads: list[list[NativeFrame]] = []
    current: list[NativeFrame] | None = None
    for line in stack.splitlines():
        if line.rstrip().endswith("(most recent call first):"):
            current = []
            if line.startswith(_CURRENT):
                threads.insert(0, current)
            else:
                threads.append(current)
        elif current is not None and (found := _FRAME.match(line)):
            current.append(NativeFrame(found["file"], int(found["line"]), found["name"]))
        elif not line.strip():
            current = None
    return threads


def own_frame(stack: str, folder: str) -> NativeFrame | None:
    """The innermost frame of the bundle in `folder`: of the thread that failed, else of any other.

    None for a thread whose event loop had nothing to do, and none of those that only wait in `service.run()`.
    """
    for frames in threads_in(stack):
        if [frame.function for frame in frames[:2]] == ["select", "_run_once"]:
            continue
        for frame in frames:
            if frame.serves:
                break
            if folder and frame.file.startswith(f"{folder}/") and "/site-packages/" not in frame.file:
                return frame
    return None


def was_waiting(stack: str) -> bool:
    """Whether the failing thread stood where an event loop waits for something to do."""
    frames = _asked(stack)
    return bool(frames) and any(
        frames[0].file.endswith(file) and frames[0].function in functions for file, functions in _LOOPS
    )


def waits_in_python(stack: str) -> bool:
    """Whether the thread that was asked waits in a module of Python's own that bears to be interrupted."""
    frames = _asked(stack)
    standard = _STDLIB.search(frames[0].file) if frames else None
    return standard is not None and standard["rest"] in _WAITING


def library_in(stack: str, folder: str) -> str:
    """The package in which the failing thread left Python; empty when that was the agent's own line.

    Empty also when no Python thread failed, but one that a native library keeps for itself.
    """
    for frame in _asked(stack)[:1]:
        return next(_packages(frame.file, folder), "")
    return ""


def _asked(stack: str) -> list[NativeFrame]:
    """The frames of the thread that failed, or was asked; none where nothing tells which that is."""
    threads = threads_in(stack) if any(begin in stack for begin in _CURRENT) else []
    return threads[0] if threads else []


def _packages(file: str, folder: str) -> Iterator[str]:
    _, found, rest = file.rpartition("/site-packages/")
    if not found:
        if folder and file.startswith(f"{folder}/"):
            return
        standard = _STDLIB.search(file)
        rest = standard["rest"] if standard else ""
    if rest:
        yield rest.split("/")[0].removesuffix(".py")
