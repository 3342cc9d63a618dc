"""Read from /proc what a process and all below it use, cheaply enough to do it all the time.

Measured: 5 µs for a process's `stat` (memory, processor time, threads and state in one line), 3 µs for the
list of its children, so a session of one process costs about 15 µs a look, parsing included.  What pages are
shared with others (`smaps_rollup`) costs 40 µs for a small process and 1 ms for one of 300 MB: asked for only
where it decides something.

A worker is a child subreaper, so whatever it starts stays below it, also what left its group or lost its
parent.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection
from typing import Final

import msgspec

_PAGE: Final = os.sysconf("SC_PAGE_SIZE")
_CPU_CLOCK: Final = 2  # CPUCLOCK_SCHED of the kernel, for all threads
_TICK_S: Final = 1.0 / os.sysconf("SC_CLK_TCK")
_READ_BYTES: Final = 65536
_PIECE_BYTES: Final = 2048
_MOST_PAGES: Final = (1 << 30) // _PAGE
_ALONE: Final = 0x81
_MOST_MEMBERS: Final = 20_000  # a bound for one walk, far above what a tree may have
_MOST_ABOVE: Final = 1000
_MOST_MAPS_BYTES: Final = 256 << 10


class Member(msgspec.Struct, frozen=True):
    """One process of a tree.

    Attributes:
        name: The kernel's short name of it.
        state: The kernel's letter: R running, S sleeping, D in a call that cannot be broken off, T stopped,
            t held by a debugger, Z dead.
        cpu_s: Its own processor time and that of the children it has waited for.
        began: Ticks since boot at which it began; with the pid it names the process for ever.
    """

    pid: int
    name: str
    state: str
    threads: int
    cpu_s: float
    rss_bytes: int
    began: int


class Inode(msgspec.Struct, frozen=True):
    """A file, as the kernel tells it from others."""

    device: int
    number: int


class Machine(msgspec.Struct, frozen=True):
    """Two figures of the whole machine, by which a storm within it is seen before it is looked for.

    Attributes:
        tasks: Processes and threads of all.
        available_bytes: Memory that can be had without swapping.
    """

    tasks: int
    available_bytes: int


def read(path: str, *, most_bytes: int = 1 << 30) -> bytes:
    """A small file of /proc, in one piece; empty when the process is gone or will not be looked at.

    Args:
        most_bytes: Nothing is read after so many.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        # The kernel hands out long ones (thousands of children) in pieces of a page.
        pieces = [os.read(fd, _READ_BYTES)]
        while len(pieces[-1]) >= _PIECE_BYTES and most_bytes > 0:
            most_bytes -= len(pieces[-1])
            pieces.append(os.read(fd, _READ_BYTES))
        return b"".join(pieces)
    except OSError:
        return b""
    finally:
        os.close(fd)


def waited_s(pid: int) -> float | None:
    """How long a process's first thread could run and had no processor; None where that is not told."""
    fields = read(f"/proc/{pid}/schedstat").split()
    return int(fields[1]) / 1e9 if len(fields) > 1 else None


def member(pid: int) -> Member | None:
    """One process now; None when there is none."""
    raw = read(f"/proc/{pid}/stat")
    end = raw.rfind(b")")
    if end < 0:
        return None
    fields = raw[end + 2 :].split()
    if fields[0] == b"Z" and int(fields[17]) > 1:
        # Its first thread has ended and others go on: they have the memory, and the state.
        for task in os.listdir(f"/proc/{pid}/task"):
            other = read(f"/proc/{pid}/task/{task}/stat") if int(task) != pid else b""
            if other:
                others = other[other.rfind(b")") + 2 :].split()
                fields[0], fields[21] = others[0], others[21]
                break
    return Member(
        pid=pid,
        name=raw[raw.find(b"(") + 1 : end].decode("utf-8", "replace"),
        state=fields[0].decode(),
        threads=int(fields[17]),
        cpu_s=sum(map(int, fields[11:15])) * _TICK_S,
        rss_bytes=max(0, int(fields[21])) * _PAGE,
        began=int(fields[19]),
    )


def cpu_ns(pid: int) -> int | None:
    """Processor time of a process and all its threads, in nanoseconds; None when there is no such process.

    Whoever does anything, is stopped, goes on or ends has used some.  Half a microsecond, as nothing is
    opened: the number of the clock is made of the process's, as clock_getcpuclockid(3) does.
    """
    try:
        return time.clock_gettime_ns((~pid << 3) | _CPU_CLOCK)
    except OSError:
        return None


def parent(pid: int) -> int:
    """Who the parent of a process is; 0 when it is gone."""
    raw = read(f"/proc/{pid}/stat")
    fields = raw[raw.rfind(b")") + 2 :].split()
    return int(fields[1]) if len(fields) > 1 else 0


def line(pid: int, *, top: int = 0) -> list[tuple[int, int]] | None:
    """A process and those above it, up to `top` or as far as can be seen, with the times they began.

    None when one of them was gone.
    """
    found: list[tuple[int, int]] = []
    while len(found) < _MOST_ABOVE:
        raw = read(f"/proc/{pid}/stat")
        fields = raw[raw.rfind(b")") + 2 :].split()
        if len(fields) < 20:
            return None
        found.append((pid, int(fields[19])))
        above = int(fields[1])
        if pid == top or above == 0:
            return found
        pid = above
    return None


def descends(pid: int, top: int) -> bool:
    """Whether a process is certainly a child of another, or of one of its descendants."""
    above = line(pid, top=top) if pid != top else None
    return above is not None and above[-1][0] == top and above == line(pid, top=top)


def final_cpu_s(pid: int) -> float:
    """The processor time of a process that has ended and was not reaped; 0 when it is gone."""
    found = member(pid)
    return 0.0 if found is None else found.cpu_s


def children(pid: int, *, threads: int = 2) -> list[int]:
    """Its children, those of all its threads; `threads` 1 spares the question how many there are."""
    if threads <= 1:
        return [int(word) for word in read(f"/proc/{pid}/task/{pid}/children").split()]
    try:
        tasks = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return []
    return [int(word) for task in tasks for word in read(f"/proc/{pid}/task/{task}/children").split()]


def tree(pid: int, *, see: Callable[[Member], None] | None = None) -> list[Member]:
    """A process and all its descendants, parents first; empty when it is gone.  The dead are left out.

    Args:
        see: Called with each as soon as it is found, before its children are asked for.
    """
    found: list[Member] = []
    waiting, seen = [pid], {pid}
    while waiting and len(found) < _MOST_MEMBERS:
        one = member(waiting.pop())
        if one is None:
            continue
        if one.state not in ("Z", "X"):
            found.append(one)
            if see is not None:
                see(one)
        for child in children(one.pid, threads=one.threads):
            if child not in seen:
                seen.add(child)
                waiting.append(child)
    return found


def owned(pid: int) -> tuple[int, int]:
    """Memory of one process, in bytes: with each page divided by the number of those who have it (PSS), and
    that of pages which nobody else has (USS); zeros when it is gone."""
    pss = uss = 0
    for line in read(f"/proc/{pid}/smaps_rollup").splitlines():
        if line.startswith((b"Pss:", b"SwapPss:")):
            pss += int(line.split()[1]) * 1024
        if line.startswith((b"Private_Clean:", b"Private_Dirty:", b"SwapPss:")):
            uss += int(line.split()[1]) * 1024
    return pss, uss


def copied(pid: int, origin: int) -> int:
    """Memory of a process, in bytes, that was shared with the one it was forked from until one of them wrote
    to it; 0 when one of the two is gone.  A gigabyte of it is looked at, which costs a few milliseconds."""
    pages, left = 0, _MOST_PAGES
    try:
        with open(f"/proc/{pid}/pagemap", "rb", buffering=0) as pagemap:
            for line in read(f"/proc/{origin}/maps").splitlines():
                fields = line.split(None, 2)
                if len(fields) < 3 or not fields[1].startswith(b"rw-p"):
                    continue
                start, end = (int(part, 16) // _PAGE for part in fields[0].split(b"-"))
                count = min(end - start, left)
                left -= count
                pagemap.seek(8 * start)
                entries = pagemap.read(8 * count) or b""
                # The last byte of an entry: there, and mapped by nobody else.
                pages += entries[7::8].count(_ALONE)
    except (OSError, ValueError, OverflowError):
        return 0
    return pages * _PAGE


def fds(pid: int) -> int:
    """Its open descriptors; 0 when it is gone."""
    path = f"/proc/{pid}/fd"
    try:
        # Since Linux 6.2 the size of the folder is the answer; before, it is 0.
        return os.stat(path).st_size or len(os.listdir(path))
    except OSError:
        return 0


def ran_s(pid: int) -> tuple[float, float]:
    """Seconds that the main thread ran, and seconds it was ready to and waited for a processor."""
    words = read(f"/proc/{pid}/schedstat").split()
    return (int(words[0]) / 1e9, int(words[1]) / 1e9) if len(words) >= 2 else (0.0, 0.0)


def peak_rss_bytes(pid: int) -> int:
    """The most resident memory the process itself ever had; 0 when it is gone."""
    for line in read(f"/proc/{pid}/status").splitlines():
        if line.startswith(b"VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0


def mapped(pid: int, files: Collection[Inode]) -> dict[Inode, tuple[int, int]]:
    """Memory of some files that a process has mapped, in bytes: with each page divided by the number of
    those who have it, and the most that one mapping has.

    Empty when it is gone, when it has none of them, and where it has some thousand mappings: to go through
    those takes too long.
    """
    names = {b"%02x:%02x %d" % (os.major(one.device), os.minor(one.device), one.number): one for one in files}
    found: dict[Inode, tuple[int, int]] = {}
    listed = read(f"/proc/{pid}/maps", most_bytes=_MOST_MAPS_BYTES)
    if len(listed) >= _MOST_MAPS_BYTES or not any(name in listed for name in names):
        return found
    one, rss = None, 0
    for line in read(f"/proc/{pid}/smaps").splitlines():
        if not line[:1].isupper():  # the line of a mapping; those of what is in it follow
            one = names.get(b" ".join(line.split(None, 5)[3:5]))
        elif one is not None and line.startswith(b"Rss:"):
            rss = int(line.split()[1]) * 1024
        elif one is not None and line.startswith(b"Pss:"):
            pss, most = found.get(one, (0, 0))
            found[one] = (pss + int(line.split()[1]) * 1024, max(most, rss))
    return found


def machine() -> Machine:
    """The machine now; costs about 6 µs."""
    tasks = read("/proc/loadavg").split()
    available = 0
    for line in read("/proc/meminfo").splitlines():
        if line.startswith(b"MemAvailable:"):
            available = int(line.split()[1]) * 1024
            break
    return Machine(int(tasks[3].partition(b"/")[2]) if len(tasks) > 3 else 0, available)


def has_pending(pid: int, number: int) -> bool:
    """Whether a signal waits for a process that does not come to take it."""
    try:
        with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as lines:
            masks = [line.split()[1] for line in lines if line.startswith(("SigPnd:", "ShdPnd:"))]
    except OSError:
        return False
    return any(int(mask, 16) >> (number - 1) & 1 for mask in masks)
