"""What ended sessions left behind: killed once, and reaped when it is dead.

A worker is a subreaper, so what it leaves behind comes to this process only when the worker is gone: a child
that nobody here knows is an orphan of an ended session.  What an orphan leaves behind comes to us in turn:
strike again until nothing new is found.  Nothing is walked, and nobody is struck twice: hundreds that die at
once take their time, and a front that beats them meanwhile has none for its own work.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Collection

import msgspec

from runtime.process import procfs


class Strike(msgspec.Struct, frozen=True):
    """What one strike found.

    Attributes:
        new: Those never seen before; all of them are killed, or were dead already.
        left: Those that were still there, of earlier strikes too.  One that was reaped just now is among
            them: what it left behind may have come to us since they were counted.
    """

    new: frozenset[int]
    left: frozenset[int]


class Orphans:
    """The orphans of this process.

    Args:
        only_marked: A variable that only orphans' environments have; for a process that is not all ours.
    """

    def __init__(self, only_marked: str | None = None) -> None:
        self._only_marked = only_marked
        self._struck: set[int] = set()

    def strike(self, known: Collection[int]) -> Strike:
        """Kill every child of this process that is not `known`, and reap those that are dead.

        Args:
            known: Children that are ours.
        """
        new, left, alive = set[int](), set[int](), set[int]()
        for pid in procfs.children(os.getpid()):
            if pid in known:
                continue
            fresh, dead = pid not in self._struck, _reaped(pid)
            if fresh and not dead:
                if self._only_marked is not None and not _has(pid, self._only_marked):
                    continue
                _end(pid)
                dead = _reaped(pid)
            left.add(pid)
            if fresh:
                new.add(pid)
            if not dead:
                alive.add(pid)
        self._struck = alive  # no number stays here that could come to mean another process
        return Strike(frozenset(new), frozenset(left))


def sweep(known: Collection[int]) -> int:
    """Strike at all orphans, whoever did so before; return how many there were, the dead included."""
    return len(Orphans().strike(known).new)


def _end(pid: int) -> None:
    """Kill a child, and its group at one blow if it leads one: no member of it can fork in between."""
    for kill in (os.killpg, os.kill):
        try:
            kill(pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            continue


def _reaped(pid: int) -> bool:
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:
        return True


def _has(pid: int, name: str) -> bool:
    marks = procfs.read(f"/proc/{pid}/environ").split(b"\0")
    return any(one.startswith(f"{name}=".encode()) for one in marks)
