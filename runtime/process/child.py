"""What a process does right after the fork, before any of the agent's code runs in it.

In order: own process group, lifeline, default signal handlers, inherited descriptors closed, randomness
reseeded, standard streams to the log pipe, faulthandler to the box, hardening.  The order matters: from
the second step on, the process cannot outlive the front, whatever the later ones do.
"""

from __future__ import annotations

import ctypes
import faulthandler
import gc
import os
import random
import resource
import signal
import sys
from collections.abc import Iterable
from typing import TextIO

from runtime.process import lifeline
from runtime.process.plumbing import STACKS_SIGNAL, WorkerEnds

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_PR_SET_NO_NEW_PRIVS = 38
_libc = ctypes.CDLL(None, use_errno=True)


def become_subreaper() -> None:
    """Descendants whose parent dies become this process's children, so it can find and reap them."""
    _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def end_with(parent: int, number: signal.Signals) -> None:
    """Get a signal when the parent dies, whatever it dies of; for a process whose parent is single-threaded.

    Args:
        parent: Its process id, as it was before we were started: by now it may be gone, and somebody
            else our parent.
    """
    _libc.prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0)
    if os.getppid() != parent:
        os.kill(os.getpid(), number)


def settle(ends: WorkerEnds, *, keep_fds: Iterable[int]) -> None:
    """Turn a fresh fork into a process of its own.

    Args:
        ends: The worker's descriptors; afterwards `log_fd` is closed, standard output has taken its place.
        keep_fds: Descriptors that the bundle opened while it was imported, which it may still use.
    """
    lead()
    lifeline.tie(ends.lifeline_fd, os.getpid())
    default_signals()
    close_others({0, 1, 2, *ends.fds(), *keep_fds})
    # Subreaper, so that what an agent starts stays below it and its resources can be counted.
    become_subreaper()
    random.seed()
    streams_to(ends.log_fd)
    os.close(ends.log_fd)
    faulthandler.enable(file=ends.box_fd, all_threads=True)
    faulthandler.register(STACKS_SIGNAL, file=ends.box_fd, all_threads=True, chain=False)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    _prefer_to_be_killed()
    gc.enable()


def lead() -> None:
    """Lead a session and a process group of one's own.

    Where the kernel groups processes by session (`sched_autogroup_enabled`), each of ours then has one share
    of the processors, however many processes it is.
    """
    try:
        os.setsid()
    except PermissionError:  # it leads a group already
        os.setpgid(0, 0)


def limit_files(count: int) -> None:
    """Bound the descriptors this process may open; a higher bound than the present one is ignored."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard == resource.RLIM_INFINITY or count <= hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(count, soft) if soft > 0 else count, count))


def limit_file_size(count: int) -> None:
    """Bound the size of the files that this process writes; writing beyond it fails."""
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    if hard == resource.RLIM_INFINITY or count <= hard:
        resource.setrlimit(resource.RLIMIT_FSIZE, (count, count))


def default_signals() -> None:
    """Undo what the zygote or the bundle's import installed, and unblock everything."""
    signal.set_wakeup_fd(-1)
    for number in signal.valid_signals():
        if number in (signal.SIGKILL, signal.SIGSTOP):
            continue
        try:
            if signal.getsignal(number) not in (signal.SIG_DFL, None):
                signal.signal(number, signal.SIG_DFL)
        except (OSError, ValueError):
            continue
    # A worker writes to pipes whose readers may go: that is an error to handle, not a reason to die.
    # The same holds for a file that reaches its limit.
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])


def close_others(keep: set[int]) -> None:
    """Close every descriptor but these."""
    start = 0
    for fd in sorted(keep):
        if fd > start:
            os.closerange(start, fd)
        start = fd + 1
    os.closerange(start, resource.getrlimit(resource.RLIMIT_NOFILE)[0])


def open_fds() -> set[int]:
    """Descriptors open in this process."""
    found = set()
    for name in os.listdir("/proc/self/fd"):
        fd = int(name)
        try:
            os.fstat(fd)
        except OSError:
            continue  # the descriptor of the listing itself
        found.add(fd)
    return found


def streams_to(log_fd: int) -> None:
    """Standard input from nowhere, output and error to the log pipe, line by line."""
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    os.dup2(log_fd, 1)
    os.dup2(log_fd, 2)
    # New objects: a buffer inherited from the zygote may hold text that is not ours to print.
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 - open as long as the process lives
    sys.stdout = _line_by_line(1)
    sys.stderr = _line_by_line(2)


def _line_by_line(fd: int) -> TextIO:
    return open(fd, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)


def _prefer_to_be_killed() -> None:
    """Where memory runs out for the whole machine, a session goes before the front does."""
    try:
        with open("/proc/self/oom_score_adj", "w") as file:
            file.write("500")
    except OSError:
        pass  # a hardened container may forbid it; the kernel's own order then holds
