"""What a process does right after the fork, before any of the agent's code runs in it.

In order: own process group, lifeline, default signal handlers, inherited descriptors closed, randomness
reseeded, standard streams to the log pipe, faulthandler to the box, hardening.  The order matters: from
the second step on, the process cannot outlive the front, whatever the later ones do.
"""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import gc
import logging
import os
import random
import resource
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import TextIO

import msgspec

from runtime.process import lifeline
from runtime.process.fork.generators import Reseed, reseeds
from runtime.process.fork.loops import Renew, renewals
from runtime.process.plumbing import LAST_STACKS_SIGNAL, STACKS_SIGNAL, WorkerEnds

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


class Inherited(msgspec.Struct, frozen=True):
    """What a zygote leaves its children, found once for all of them.

    Attributes:
        fds: Descriptors that the bundle opened while it was imported, which its sessions may still use.
        signals: Those whose handling a child has to put right; None when it must look at all of them.
        streams: Whether the objects of the standard streams are ours.
        renewals: What to call for the event loops that the program left open.
        reseeds: What to call for its random generators.
    """

    fds: frozenset[int] = frozenset()
    signals: tuple[int, ...] | None = None
    streams: bool = False
    renewals: tuple[Renew, ...] = ()
    reseeds: tuple[Reseed, ...] = ()


def prepare(own_fds: set[int]) -> Inherited:
    """Find out, in a zygote, what is the same for each of its children.

    Args:
        own_fds: Descriptors that are the zygote's alone.
    """
    signals = (signal.SIGCHLD, *(number for number, _ in _unusual_signals()))  # the zygote itself uses it
    return Inherited(
        frozenset(open_fds() - own_fds),
        tuple(map(int, signals)),
        streams=True,
        renewals=tuple(renewals()),
        reseeds=tuple(reseeds()),
    )


first_steps: list[Callable[[], None]] = []
"""What a child does before it settles, to be rehearsed with that; it takes nothing from this process."""


def rehearse(rounds: int) -> None:
    """Settle, in a zygote, and undo it, so that its children find the way well worn; see `worker.rehearsal`.

    What is not undone is what each child would do again: no core dumps, no new privileges.
    """
    handlers = {number: signal.getsignal(number) for number, _ in _unusual_signals()}
    handlers[signal.SIGCHLD] = _no_matter
    streams = [os.dup(fd) for fd in (0, 1, 2)]
    was_enabled = faulthandler.is_enabled()
    try:
        with signals_kept():
            for _ in range(rounds):
                for number, handler in handlers.items():
                    signal.signal(number, handler)
                _after_fork()
                for step in first_steps:
                    step()
                lifeline_read, lifeline_write = os.pipe()
                ends = WorkerEnds(os.dup(0), os.dup(1), lifeline_read, os.memfd_create("rehearsal"))
                _settle(ends, Inherited(frozenset(open_fds()), tuple(handlers), streams=True))
                for number in (STACKS_SIGNAL, LAST_STACKS_SIGNAL):
                    faulthandler.unregister(number)
                faulthandler.disable()
                for fd in (ends.control_fd, lifeline_read, lifeline_write, ends.box_fd):
                    os.close(fd)
    finally:
        for fd, stream in enumerate(streams):
            os.dup2(stream, fd)
            os.close(stream)
        if was_enabled:  # what ends a zygote in native code is told as before
            faulthandler.enable(file=2)


@contextlib.contextmanager
def signals_kept() -> Iterator[None]:
    """Whatever is done to the handling of signals within is undone."""
    before = {number: signal.getsignal(number) for number in signal.valid_signals()}
    try:
        yield
    finally:
        for number, handler in before.items():
            if handler is not None and signal.getsignal(number) is not handler:
                signal.signal(number, handler)


def write_stacks_to(fd: int) -> None:
    """Have the fault handler write there: when the process dies of a fault, and when it is asked to."""
    faulthandler.enable(file=fd, all_threads=True)
    faulthandler.register(STACKS_SIGNAL, file=fd, all_threads=False, chain=False)
    faulthandler.register(LAST_STACKS_SIGNAL, file=fd, all_threads=True, chain=False)


def _no_matter(*_: object) -> None:
    """Handle a signal that never comes."""


def _after_fork() -> None:
    """What the standard library has registered to be run in a child; it does no harm to its only thread."""
    for module, name in ((threading, "_after_fork"), (logging, "_after_at_fork_child_reinit_locks")):
        if (hook := getattr(module, name, None)) is not None:
            hook()
    random.seed()


def settle(ends: WorkerEnds, inherited: Inherited) -> None:
    """Turn a fresh fork into a process of its own.

    Args:
        ends: The worker's descriptors; afterwards `log_fd` is closed, standard output has taken its place.
    """
    _settle(ends, inherited)
    # So that what an agent starts stays below it and its resources can be counted; it cannot be undone where
    # a session is held, hence not in the rehearsal.
    become_subreaper()


def _settle(ends: WorkerEnds, inherited: Inherited) -> None:
    lead()
    lifeline.tie(ends.lifeline_fd, os.getpid())
    default_signals(inherited.signals)
    close_others({0, 1, 2, *ends.fds(), *inherited.fds})
    for renew in inherited.renewals:
        renew()
    random.seed()
    for reseed in inherited.reseeds:
        reseed()
    streams_to(ends.log_fd)
    if not inherited.streams:
        own_streams()
    os.close(ends.log_fd)
    write_stacks_to(ends.box_fd)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    gc.enable()


def lead() -> None:
    """Lead a session and a process group of one's own.

    Where the kernel groups processes by session (`sched_autogroup_enabled`), each of ours then has one share
    of the processors, however many processes it is.
    """
    if os.getsid(0) == os.getpid():
        return
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


def default_signals(unusual: Iterable[int] | None = None) -> None:
    """Undo what the zygote or the bundle's import installed, and unblock everything.

    Args:
        unusual: Signals to look at; None for all of them.
    """
    signal.set_wakeup_fd(-1)
    for number, usual in _unusual_signals() if unusual is None else [(n, _usual(n)) for n in unusual]:
        try:
            signal.signal(number, usual)
        except (OSError, ValueError):
            continue
    signal.pthread_sigmask(signal.SIG_SETMASK, [])


def _unusual_signals() -> list[tuple[int, signal.Handlers]]:
    """Signals that are not handled as a worker begins, with how they should be."""
    found = []
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        now = signal.getsignal(number)
        if now is not None and now is not _usual(number):
            found.append((int(number), _usual(number)))
    return found


def _usual(number: int) -> signal.Handlers:
    # A worker writes to pipes whose readers may go: that is an error to handle, not a reason to die.
    # The same holds for a file that reaches its limit.
    return signal.SIG_IGN if number in (signal.SIGPIPE, signal.SIGXFSZ) else signal.SIG_DFL


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
    """Standard input from nowhere, output and error to the log pipe."""
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    os.dup2(log_fd, 1)
    os.dup2(log_fd, 2)


_replaced: list[TextIO | None] = []
"""A stream that nobody refers to closes its descriptor, and that of what a program made around its buffer."""


def own_streams() -> None:
    """New objects for the standard streams, which write line by line and hold no text of a bundle's.

    What a program has put in place of one of them stays.
    """
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):  # whatever the bundle has put there
            stream.flush()
    stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 - open as long as the process lives
    for name, ours in (("stdin", stdin), ("stdout", _line_by_line(1)), ("stderr", _line_by_line(2))):
        usual = getattr(sys, f"__{name}__")
        _replaced.append(usual)
        if getattr(sys, name) is usual:
            setattr(sys, name, ours)
        setattr(sys, f"__{name}__", ours)


def _line_by_line(fd: int) -> TextIO:
    return open(fd, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)
