"""Process trees: what they use together."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable

import msgspec
import psutil

from runtime.process import procfs
from runtime.process.brake import Brake
from runtime.process.procfs import Member
from runtime.session.info import ProcessInfo

MOST_WEIGHED = 16
MAX_DESCRIBED = 200
MAX_COMMAND_CHARS = 300


class TreeUse(msgspec.Struct, frozen=True, kw_only=True):
    """What a process and its descendants use together.

    Attributes:
        fds: Descriptors of all; 0 when not asked for.
        most_fds: Descriptors of the one that has most; 0 when not asked for.
        cpu_s: Of those that live, and of the dead that one of them has waited for.
        rss_bytes: Resident memory; pages shared among them count once for each.
        pss_bytes: Resident memory with shared pages divided among those who share them; 0 when not asked for.
        uss_bytes: Memory of pages that only one process has; 0 when not asked for.
        members: Each process, parents before children; the first is the worker.
    """

    processes: int
    threads: int
    fds: int
    cpu_s: float
    rss_bytes: int
    pss_bytes: int
    uss_bytes: int = 0
    most_fds: int = 0
    members: tuple[Member, ...] = ()


def measure(
    pid: int, *, with_pss: bool = True, with_fds: bool = True, brake: Brake | None = None
) -> TreeUse | None:
    """Measure the tree of `pid` now; None when it is gone.

    Costs about 15 µs a process; `with_pss` 40 µs more for a small one and 3 µs for each further megabyte;
    `with_fds` 2 µs.  Of more than `MOST_WEIGHED` processes none is asked for its share: the answer waits for
    forks that are going on, which among many takes long.
    """
    members = procfs.tree(pid, see=None if brake is None else brake.see)
    if not members:
        return None
    pss, uss = owned(members) if with_pss and len(members) <= MOST_WEIGHED else (0, 0)
    fds = [procfs.fds(one.pid) for one in members] if with_fds else [0]
    return TreeUse(
        processes=len(members),
        threads=sum(one.threads for one in members),
        fds=sum(fds),
        cpu_s=sum(one.cpu_s for one in members),
        rss_bytes=sum(one.rss_bytes for one in members),
        pss_bytes=pss,
        uss_bytes=uss,
        most_fds=max(fds),
        members=tuple(members),
    )


def owned(members: Iterable[Member]) -> tuple[int, int]:
    """PSS and USS of these processes; all that is resident of those where they may not be read."""
    pss = uss = 0
    for one in members:
        more = procfs.owned(one.pid)
        if not more[0] and (still := procfs.member(one.pid)) is not None and still.began == one.began:
            more = (still.rss_bytes, still.rss_bytes)
        pss, uss = pss + more[0], uss + more[1]
    return pss, uss


def describe(pid: int) -> list[ProcessInfo]:
    """Each process of the tree with its name and command, parents before children; empty when it is gone.

    For people: it takes a millisecond a process, and may wait for one that is forking.  Call it in a thread.
    """
    try:
        top = psutil.Process(pid)
        processes = [top, *top.children(recursive=True)][:MAX_DESCRIBED]
    except psutil.NoSuchProcess:
        return []
    found = []
    for process in processes:
        try:
            with process.oneshot():
                times = process.cpu_times()
                found.append(
                    ProcessInfo(
                        pid=process.pid,
                        parent=process.ppid(),
                        name=process.name(),
                        command=" ".join(process.cmdline())[:MAX_COMMAND_CHARS],
                        state=process.status(),
                        threads=process.num_threads(),
                        cpu_s=round(times.user + times.system, 3),
                        rss_bytes=process.memory_info().rss,
                        started_at=process.create_time(),
                    )
                )
        except psutil.Error:
            continue  # it ended while it was looked at, or may not be looked at
    return found


def signal_all(members: Iterable[Member], number: signal.Signals) -> None:
    """Signal these processes, unless their numbers have come to mean others since."""
    for one in members:
        now = procfs.member(one.pid)
        if now is not None and now.began == one.began:
            _send(one.pid, number)


def _send(pid: int, number: signal.Signals) -> None:
    # By number: the caller has just read it from /proc, and all of these are descendants of ours, whose
    # numbers are not used again before they are reaped.
    try:
        os.kill(pid, number)
    except (ProcessLookupError, PermissionError):
        pass
