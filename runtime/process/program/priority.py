"""Let a process give way to the others while it does what can wait, such as importing a program.

Without privileges a process that was made nicer cannot be made less so again, and its children would stay as
they were forked.  So it is niced where that can be taken back; the scheduler's class for batch work, which
anybody may enter and leave, is set in any case: it does not push a session aside that has just woken up.

Where the kernel groups processes by session (`sched_autogroup_enabled`), niceness counts within a group
alone.  There the group itself is made nicer, which anybody may do and undo, ten times a second, and which
sessions do not inherit, because each leads a group of its own.  So what is to give way must lead a session.
"""

from __future__ import annotations

import asyncio
import os
import resource
from contextlib import suppress
from typing import Final

NICE: Final = 10
_AGAIN_S: Final = 0.15
_TRIES: Final = 20
_CAP_SYS_NICE: Final = 23
_WORST_NICE: Final = 20


def give_way(pid: int) -> None:
    """Have a process come after those that serve; one that is gone already is left alone."""
    with suppress(OSError):
        os.sched_setscheduler(pid, os.SCHED_BATCH, os.sched_param(0))
        if _can_take_back():
            os.setpriority(os.PRIO_PROCESS, pid, os.getpriority(os.PRIO_PROCESS, 0) + NICE)
    _group(pid, NICE)


def serve_again(pid: int) -> None:
    """Take it back: what the process forks from here on is like any other.  Runs in: an event loop."""
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, pid, os.getpriority(os.PRIO_PROCESS, 0))
    with suppress(OSError):
        os.sched_setscheduler(pid, os.SCHED_OTHER, os.sched_param(0))
    _group_again(pid, _TRIES)


def _group_again(pid: int, tries: int) -> None:
    if not _group(pid, 0) and tries:
        asyncio.get_running_loop().call_later(_AGAIN_S, _group_again, pid, tries - 1)


def _group(pid: int, nice: int) -> bool:
    """Set the niceness of the group that a process leads; False when that is to be tried again."""
    try:
        if os.getsid(pid) == pid:  # else it is the group of others
            with open(f"/proc/{pid}/autogroup", "w") as group:
                group.write(str(nice))
    except BlockingIOError:
        return False
    except OSError:
        pass  # it is gone, or there are no such groups
    return True


def end_first(pid: int) -> None:
    """Where memory runs out for the whole machine, this one goes before the server does."""
    with suppress(OSError):  # it has ended, or a hardened container forbids it: the kernel's own order holds
        fd = os.open(f"/proc/{pid}/oom_score_adj", os.O_WRONLY)
        try:
            os.write(fd, b"500")
        finally:
            os.close(fd)


def _can_take_back() -> bool:
    own = os.getpriority(os.PRIO_PROCESS, 0)
    if _WORST_NICE - own <= resource.getrlimit(resource.RLIMIT_NICE)[0]:
        return True
    with suppress(OSError, ValueError, IndexError), open("/proc/self/status") as status:
        line = next(line for line in status if line.startswith("CapEff:"))
        return bool(int(line.split()[1], 16) >> _CAP_SYS_NICE & 1)
    return False
