"""A worker must not outlive its front, whatever state either is in.

PR_SET_PDEATHSIG follows the parent, which is the zygote, and zygotes come and go.  So a worker holds the
read end of a pipe whose write end only the front has, and asks the kernel to send SIGKILL to the worker's
whole process group when that end closes (O_ASYNC with F_SETSIG).  It needs no code of the worker to run:
it works while the interpreter is stuck in C with its lock held.
"""

from __future__ import annotations

import fcntl
import os
import select
import signal

_F_SETSIG = 10  # Linux, fcntl.h; Python names it only from 3.13 on


def tie(read_fd: int, process_group: int) -> None:
    """Tie the process group to the pipe.  Call in the worker, after it became its own group.

    Exits the process when the other end is closed already: the signal is sent for a change only, and
    that change may have come before this call.
    """
    fcntl.fcntl(read_fd, fcntl.F_SETOWN, -process_group)
    fcntl.fcntl(read_fd, _F_SETSIG, signal.SIGKILL)
    flags = fcntl.fcntl(read_fd, fcntl.F_GETFL)
    fcntl.fcntl(read_fd, fcntl.F_SETFL, flags | os.O_ASYNC | os.O_NONBLOCK)
    poll = select.poll()
    poll.register(read_fd, select.POLLIN)
    if poll.poll(0):
        os.killpg(process_group, signal.SIGKILL)
