"""Let a process give way to the others while it does what can wait, such as importing a program.

Without privileges a process that was made nicer cannot be made less so again, and its children would stay as
they were forked.  So it is niced where that can be taken back; the scheduler's class for batch work, which
anybody may enter and leave, is set in any case: it does not push a session aside that has just woken up.
"""

from __future__ import annotations

import os
import resource
from contextlib import suppress
from typing import Final

NICE: Final = 10
_CAP_SYS_NICE: Final = 23
_WORST_NICE: Final = 20


def give_way(pid: int) -> None:
    """Have a process come after those that serve; one that is gone already is left alone."""
    with suppress(OSError):
        os.sched_setscheduler(pid, os.SCHED_BATCH, os.sched_param(0))
        if _can_take_back():
            os.setpriority(os.PRIO_PROCESS, pid, os.getpriority(os.PRIO_PROCESS, 0) + NICE)


def serve_again(pid: int) -> None:
    """Take it back: what the process forks from here on is like any other."""
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, pid, os.getpriority(os.PRIO_PROCESS, 0))
    with suppress(OSError):
        os.sched_setscheduler(pid, os.SCHED_OTHER, os.sched_param(0))


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
