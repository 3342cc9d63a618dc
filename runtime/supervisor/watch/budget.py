"""What one session may use, and what to do when it uses more.  Pure: readings go in, findings come out.

Memory is judged by what belongs to the session: what each process has alone, and what they share with one
another; not what they were forked with, which is the bundle's.  Those figures are dear, so they are asked for
only once the cheap one (everything resident, shared or not, which is never less) has come near the limit.

When to look again follows from the room that is left: an idle session far from every limit is looked at about
once a second, one that grows or is near a limit every 20 to 100 ms.  A bomb of 200 MB/s is found within a few
megabytes of a limit of 300 MB.

A share of processors is kept by stopping the tree for as long as it has used too much: it owes time, and
pays it at once.  All other limits end the session.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import msgspec

from runtime.process.procfs import Member
from runtime.process.tree import TreeUse
from runtime.session.exit_reasons import ExitReason
from runtime.session.spec import Limits

SOFT: Final = 0.8
"""The part of a limit from which on a session is warned."""

_REARM: Final = 0.7
_IDLE_LOOK_S: Final = 1.0
_CLOSE_LOOK_S: Final = 0.1
_SHORTEST_S: Final = 0.02
_ASSUMED_BYTES_PER_S: Final = 400e6
_CPU_LOOK_S: Final = 0.05
_CPU_BURST_S: Final = 0.5
_LONGEST_PAUSE_S: Final = 2.0
_FULL_S: Final = 5.0
_LISTED: Final = 3
_MULTIPLIES: Final = 16
_STORM: Final = 24
_STORM_PAUSE_S: Final = 0.1
_STORM_WATCH_S: Final = 0.5
"""More tasks since the last look than an agent starts that only makes itself at home."""


class NearLimit(msgspec.Struct, frozen=True):
    """A limit is near; told once until the use has gone well below it."""

    reason: ExitReason
    message: str


class Excess(msgspec.Struct, frozen=True):
    """A limit is passed: the session is to end."""

    reason: ExitReason
    message: str


class Pause(msgspec.Struct, frozen=True):
    """The tree used more than its share of the processors, or multiplies: stop it for so long."""

    for_s: float


Finding = NearLimit | Excess | Pause


class Budget:
    """The limits of one session, and how far it is from them.

    Args:
        now: Monotonic seconds at which the session began.

    Attributes:
        next_s: How long the next look may wait; never above a second.
        rest_s: How long it may wait if the session does nothing meanwhile.
        cpu_is_kept: Somebody else keeps the share of processors: no `Pause` for it.
    """

    def __init__(self, limits: Limits, now: float) -> None:
        plain = limits.plain()
        self._memory = plain.get("memory_bytes")
        self._cores = plain.get("cpu")
        self._cpu_total = plain.get("cpu_total_s")
        self._pids = plain.get("pids")
        self._files = plain.get("files")
        self._timeout = plain.get("timeout_s")
        self._idle = plain.get("idle_timeout_s")
        self._began = now
        self._warned: set[ExitReason] = set()
        self._at: float | None = None
        self._rss = 0
        self._inherited = 0
        self._tasks = 0
        self._processes = 0
        self._storm_until = 0.0
        self._multiplies = False
        self._unweighed = False
        self._cpu_s = 0.0
        self._credit_s = _CPU_BURST_S
        self._full_since: float | None = None
        self.next_s = _SHORTEST_S
        self.rest_s = 0.0
        self.cpu_is_kept = False

    def wants_pss(self, use: TreeUse) -> bool:
        """Whether so much resident memory must be judged by whose it is.

        Not while processes multiply, as long as they are limited: a process cannot be asked for its share
        before its fork is done, which among hundreds on few processors takes seconds in which nothing else
        is done.  The limit of processes ends that growth, or it stops; then memory is judged again.
        """
        self._multiplies = self._pids is not None and use.threads > self._tasks + _MULTIPLIES
        return self._memory is not None and not self._multiplies and use.rss_bytes >= SOFT * self._memory

    def do_not_weigh(self) -> None:
        """What belongs to the tree is not known yet: the reading that is taken next says nothing of it."""
        self._unweighed = True

    def crowd(self) -> tuple[int, int] | None:
        """Processes and threads, and processes alone, beyond which a tree is stopped while it is counted."""
        if self._pids is None:
            return None
        return int(self._pids), self._processes + _STORM if self._at is not None else int(self._pids)

    def take(self, use: TreeUse, now: float, *, active_at: float | None = None) -> list[Finding]:
        """Judge a reading of the whole tree.

        Args:
            use: With `pss_bytes` and `uss_bytes` where `wants_pss` says so.
            active_at: Monotonic seconds of the last message; None when there was none yet.

        Returns:
            What was found; at most one `Excess`, and nothing after it.
        """
        gap_s = 0.0 if self._at is None else max(0.0, now - self._at)
        self.next_s = _IDLE_LOOK_S
        found: list[Finding] = []
        for judge in (self._judge_pids, self._judge_memory, self._judge_files, self._judge_cpu):
            found += judge(use, now, gap_s)
            if found and isinstance(found[-1], Excess):
                return found
        if self._pids is not None and use.processes > self._processes + _STORM and self._at is not None:
            # Hundreds of forking processes leave nobody a processor to count them with: take it from them,
            # for a moment, and look again.  What only started many helpers at once hardly notices.
            found.append(Pause(_STORM_PAUSE_S))
            self._storm_until = now + _STORM_PAUSE_S + _STORM_WATCH_S
        if now < self._storm_until:
            self._look_within(_STORM_PAUSE_S + _SHORTEST_S if found else _SHORTEST_S)
        self._processes = use.processes
        is_settled = not found and self._full_since is None and now >= self._storm_until
        self.rest_s = math.inf if is_settled else 0.0
        found += self._judge_time(now, active_at)
        self._at, self._rss, self._tasks, self._cpu_s = now, use.rss_bytes, use.threads, use.cpu_s
        return found

    # ---- one method a limit

    def _judge_memory(self, use: TreeUse, now: float, gap_s: float) -> list[Finding]:
        if self._memory is None:
            return []
        if self._multiplies:
            self._look_within(_SHORTEST_S)
            return []
        if self._unweighed:
            self._unweighed = False
            self._look_within(_CLOSE_LOOK_S)
            return []
        if self._at is None:
            self._inherited = use.rss_bytes
        charged = use.rss_bytes
        if use.pss_bytes:
            charged = max(use.uss_bytes, use.pss_bytes - self._inherited)
        if charged > self._memory:
            largest = _largest(use.members)
            message = f"used {in_mib(charged)} of {in_mib(self._memory)} of memory{largest}"
            return [Excess(ExitReason.MEMORY, message)]
        growth = (use.rss_bytes - self._rss) / gap_s if gap_s > 0 and self._rss else 0.0
        pace = max(_ASSUMED_BYTES_PER_S, 2 * growth)
        self._look_within((self._memory - charged) / pace)
        if self._is_near(ExitReason.MEMORY, charged / self._memory):
            message = f"uses {in_mib(charged)} of {in_mib(self._memory)} of memory{_largest(use.members)}"
            return [NearLimit(ExitReason.MEMORY, message)]
        return []

    def _judge_pids(self, use: TreeUse, now: float, gap_s: float) -> list[Finding]:
        if self._pids is None:
            return []
        told = f"{use.threads} of {self._pids} processes and threads{_most_common(use.members)}"
        if use.threads > self._pids:
            return [Excess(ExitReason.PIDS, f"had {told}")]
        growth = (use.threads - self._tasks) / gap_s if gap_s > 0 and self._tasks else 0.0
        if growth > 0:
            self._look_within((self._pids - use.threads) / (2 * growth))
        if use.threads > SOFT * self._pids:
            self._look_within(_CLOSE_LOOK_S)
        if self._is_near(ExitReason.PIDS, use.threads / self._pids):
            return [NearLimit(ExitReason.PIDS, f"has {told}")]
        return []

    def _judge_files(self, use: TreeUse, now: float, gap_s: float) -> list[Finding]:
        # The kernel keeps this limit: opening fails.  An agent that stays there can do nothing any more.
        if self._files is None or not use.most_fds:
            return []
        told = f"{use.most_fds} of {self._files} files open in one process"
        if use.most_fds < self._files - 2:
            self._full_since = None
        elif self._full_since is None:
            self._full_since = now
        elif now - self._full_since >= _FULL_S:
            return [Excess(ExitReason.FILES, f"had {told} for {now - self._full_since:.0f} s")]
        if self._is_near(ExitReason.FILES, use.most_fds / self._files):
            return [NearLimit(ExitReason.FILES, f"has {told}")]
        return []

    def _judge_cpu(self, use: TreeUse, now: float, gap_s: float) -> list[Finding]:
        used_s = max(0.0, use.cpu_s - self._cpu_s) if self._at is not None else 0.0
        found: list[Finding] = []
        if self._cpu_total is not None:
            if use.cpu_s > self._cpu_total:
                spent = f"used {use.cpu_s:.1f} of {self._cpu_total:g} s of processor time"
                return [Excess(ExitReason.CPU, spent + _busiest(use.members))]
            if used_s > 0:
                self._look_within((self._cpu_total - use.cpu_s) / max(4.0, 2 * used_s / max(gap_s, 1e-3)))
            if self._is_near(ExitReason.CPU, use.cpu_s / self._cpu_total):
                told = f"has used {use.cpu_s:.1f} of {self._cpu_total:g} s of processor time"
                found.append(NearLimit(ExitReason.CPU, told))
        if self._cores is not None and gap_s > 0 and not self.cpu_is_kept:
            self._credit_s = min(_CPU_BURST_S, self._credit_s + self._cores * gap_s) - used_s
            if used_s > 0.5 * self._cores * gap_s:
                self._look_within(_CPU_LOOK_S)
            if self._credit_s < 0:
                pause_s = min(_LONGEST_PAUSE_S, -self._credit_s / self._cores)
                found.append(Pause(pause_s))
                self.next_s = pause_s + _CPU_LOOK_S
        return found

    def _judge_time(self, now: float, active_at: float | None) -> list[Finding]:
        found: list[Finding] = []
        if self._timeout is not None:
            left_s = self._began + self._timeout - now
            if left_s <= 0:
                return [Excess(ExitReason.DEADLINE, f"ran for longer than its {_length(self._timeout)}")]
            self._look_within(left_s)
            # Also when it is near, which is told.
            self._rest_within(left_s - (1 - SOFT) * self._timeout, left_s)
            if self._is_near(ExitReason.DEADLINE, 1 - left_s / self._timeout):
                told = f"has {left_s:.1f} s left of its {_length(self._timeout)}"
                found.append(NearLimit(ExitReason.DEADLINE, told))
        if self._idle is not None:
            left_s = max(self._began, active_at or 0.0) + self._idle - now
            if left_s <= 0:
                return [Excess(ExitReason.IDLE, f"had no message for {_length(self._idle)}")]
            self._look_within(left_s)
            self._rest_within(left_s)
        return found

    def _look_within(self, seconds: float) -> None:
        self.next_s = max(_SHORTEST_S, min(self.next_s, seconds))

    def _rest_within(self, *seconds: float) -> None:
        self.rest_s = min(self.rest_s, *(each for each in seconds if each > 0))

    def _is_near(self, reason: ExitReason, part: float) -> bool:
        """True once when the part of a limit gets above the soft one."""
        if part < _REARM:
            self._warned.discard(reason)
        if part < SOFT or reason in self._warned:
            return False
        self._warned.add(reason)
        return True


def in_mib(count: float) -> str:
    """A size for people."""
    return f"{count / (1 << 20):.0f} MiB"


def _length(seconds: float) -> str:
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds >= size and seconds % size == 0:
            return f"{seconds / size:g} {unit}"
    return f"{seconds:g} s"


def _largest(members: Sequence[Member]) -> str:
    if len(members) < 2:
        return ""
    top = sorted(members, key=lambda one: -one.rss_bytes)[:_LISTED]
    listed = ", ".join(f"{one.name} ({one.pid}) {in_mib(one.rss_bytes)}" for one in top)
    return f" in {len(members)} processes; the largest: {listed}"


def _busiest(members: Sequence[Member]) -> str:
    if len(members) < 2:
        return ""
    top = sorted(members, key=lambda one: -one.cpu_s)[:_LISTED]
    listed = ", ".join(f"{one.name} ({one.pid}) {one.cpu_s:.1f} s" for one in top)
    return f" in {len(members)} processes; the busiest: {listed}"


def _most_common(members: Sequence[Member]) -> str:
    counts: dict[str, int] = {}
    for one in members:
        counts[one.name] = counts.get(one.name, 0) + one.threads
    top = sorted(counts.items(), key=lambda item: -item[1])[:_LISTED]
    return "; the most: " + ", ".join(f"{name} {count}" for name, count in top) if top else ""
