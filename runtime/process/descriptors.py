"""Open descriptors of the front: as many as the system allows it, while its children get what was usual.

A soft limit of 1,024, the default nearly everywhere, is there for programs that use `select`.  The front
uses none, and needs several descriptors for each session.  What an agent runs may well use it.
"""

from __future__ import annotations

import os
import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

PER_SESSION: Final = 7 if sys.version_info >= (3, 13) else 8
"""Control pipe, log pipe, lifeline, box (two before Python 3.13), pidfd, and the sockets of its room."""

OF_ITS_OWN: Final = 64
"""Listener, databases, watched folders, a few connections of people."""

RESERVE: Final = 16
"""The last ones: what is at work already goes on with them, no session and no connection gets one."""

FOR_CALLERS: Final = 32
"""Before those: connections get them, so that whoever wants to end a session comes in; sessions do not."""

_ENOUGH: Final = 1 << 20
_COUNT_S: Final = 0.25
_counted: list[float] = []
_usual: list[int] = []


def claim() -> int:
    """Raise this process's soft limit to the hard one; return what it is now."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _ENOUGH if hard == resource.RLIM_INFINITY else min(hard, _ENOUGH)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        _usual[:] = [soft]
    return limit()


def limit() -> int:
    """Descriptors that this process may have open."""
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return _ENOUGH if soft == resource.RLIM_INFINITY else soft


def give_back(pid: int) -> None:
    """Set the soft limit of a child just started to what it would have been without `claim`."""
    if not _usual:
        return
    try:
        hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)[1]
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (_usual[0], hard))
    except (ProcessLookupError, PermissionError):
        pass  # it is gone already


def sessions_that_fit() -> int:
    """For how many sessions at once the descriptors of this process suffice."""
    return max(0, limit() - OF_ITS_OWN) // PER_SESSION


def open_count() -> int:
    """Descriptors that this process has open."""
    if count := os.stat("/proc/self/fd").st_size:
        return count
    # A kernel before 6.2 has to list them, which takes milliseconds when there are thousands.
    now = time.monotonic()
    if not _counted or now - _counted[0] > _COUNT_S:
        _counted[:] = [now, len(os.listdir("/proc/self/fd"))]
    return int(_counted[1])


def left() -> int:
    """Descriptors that sessions may still take."""
    return max(0, limit() - RESERVE - FOR_CALLERS - open_count())


def is_last(fd: int, *, for_session: bool = False) -> bool:
    """Whether a descriptor that was just opened is one of the last.

    The kernel gives the lowest number that is free: all below it are in use.
    """
    return fd >= limit() - RESERVE - (FOR_CALLERS if for_session else 0)


class Spare:
    """A descriptor that is held to be let go when there is no other; `close` it."""

    def __init__(self) -> None:
        self._fd = -1
        self.hold()

    @contextmanager
    def lent(self) -> Iterator[None]:
        """Within, one more can be opened than otherwise; it must be closed before the end."""
        self.close()
        try:
            yield
        finally:
            self.hold()

    def hold(self) -> None:
        """Hold one, unless there is none, or it does already."""
        if self._fd < 0:
            with suppress(OSError):  # somebody was quicker; it is tried again the next time
                self._fd = os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC)

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
        self._fd = -1
