"""What the kernel says of processes: their own memory, their processor time, how often they woke up."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Use:
    """Of all threads of one process, since it began.

    Attributes:
        wakeups: Times it went to sleep by itself, which is how often it was woken.
    """

    cpu_s: float
    wakeups: int


def use(pid: int) -> Use:
    """Processor time to the nanosecond, and wake-ups."""
    cpu_ns = wakeups = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/schedstat") as file:
            cpu_ns += int(file.read().split()[0])
        with open(f"/proc/{pid}/task/{task}/status") as file:
            wakeups += sum(int(line.split()[1]) for line in file if line.startswith("voluntary"))
    return Use(cpu_ns / 1e9, wakeups)


def memory(pid: int) -> tuple[int, int]:
    """Bytes that are the process's own (USS), and its share of all it maps (PSS)."""
    own = share = 0
    with open(f"/proc/{pid}/smaps_rollup") as file:
        for line in file:
            name, _, rest = line.partition(":")
            if name in ("Private_Clean", "Private_Dirty", "Private_Hugetlb"):
                own += int(rest.split()[0]) << 10
            elif name == "Pss":
                share = int(rest.split()[0]) << 10
    return own, share


def faults(pid: int) -> int:
    """Pages that were not there yet, or were shared, when the process first read or wrote them."""
    with open(f"/proc/{pid}/stat") as file:
        return int(file.read().rsplit(")", 1)[1].split()[7])


def available_bytes() -> int:
    """Memory of the machine that is free to use."""
    with open("/proc/meminfo") as file:
        return next(int(line.split()[1]) << 10 for line in file if line.startswith("MemAvailable"))


def fds(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))


def threads(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/task"))


def state(pid: int) -> tuple[int, str]:
    """Parent and state letter; raises ProcessLookupError when it is gone."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            letter, parent = file.read().rsplit(")", 1)[1].split()[:2]
    except FileNotFoundError:
        raise ProcessLookupError(pid) from None
    return int(parent), letter


def below(pid: int) -> dict[int, str]:
    """Every descendant and its state letter; ``Z`` is one that nobody has reaped."""
    children: dict[int, list[int]] = {}
    letters: dict[int, str] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                parent, letters[int(name)] = state(int(name))
            except ProcessLookupError:
                continue
            children.setdefault(parent, []).append(int(name))
    found, waiting = dict[int, str](), list(children.get(pid, ()))
    while waiting:
        one = waiting.pop()
        found[one] = letters[one]
        waiting += children.get(one, ())
    return found


def free_port() -> int:
    """One that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
