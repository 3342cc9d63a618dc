"""Open descriptors of the front: as many as the system allows it, while its children get what was usual.

A soft limit of 1,024, the default nearly everywhere, is there for programs that use `select`.  The front
uses none, and needs several descriptors for each session.  What an agent runs may well use it.
"""

from __future__ import annotations

import resource
from typing import Final

PER_SESSION: Final = 8
"""Control pipe, log pipe, lifeline, box, pidfd, and the sockets of its room."""

OF_ITS_OWN: Final = 64
"""Listener, databases, watched folders, a few connections of people."""

_ENOUGH: Final = 1 << 20
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
