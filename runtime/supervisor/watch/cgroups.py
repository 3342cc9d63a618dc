"""A cgroup for each session, where there is a place for them; without one, every question has its answer too.

Writing to groups may wait for milliseconds, so all of it is done in one thread, in order; a session is
enclosed right after its start, which does not wait for it.  Until then, and wherever there are no groups,
watching and signals do alone what they do anyway.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import structlog

from runtime.process import procfs
from runtime.process.cgroup.ground import Ground, Unusable, find, must_stay
from runtime.process.cgroup.group import Cgroup
from runtime.session.info import Enforcement
from runtime.session.spec import Limits

log = structlog.get_logger("supervisor")

_CPU_PERIOD_US: Final = 100_000
_AGAIN_S: Final = 0.2
_ROOM_PART: Final = 8
_ROOM_LEAST_BYTES: Final = 32 << 20
_WATCHED: Final = ("memory", "pids", "disk", "cpu", "cpu_total", "timeout", "idle_timeout")
_OFF: Final = "switched off (supervisor.cgroups)"


def controls(limits: Limits) -> dict[str, str]:
    """What to write into a session's group, by name of the control.

    Memory gets an eighth, 32 MiB at least, above the limit: the kernel also counts files in its cache and its
    own tables, and watching should come first, which takes the stacks.  No ``memory.high``: it slows a
    session down for ever instead of ending it.
    """
    plain, found = limits.plain(), {}
    if (most := plain.get("memory_bytes")) is not None:
        found["memory.oom.group"] = "1"
        found["memory.max"] = str(int(most) + max(int(most) // _ROOM_PART, _ROOM_LEAST_BYTES))
    if (pids := plain.get("pids")) is not None:
        found["pids.max"] = str(int(pids))
    if (cores := plain.get("cpu")) is not None:
        found["cpu.max"] = f"{max(1000, int(cores * _CPU_PERIOD_US))} {_CPU_PERIOD_US}"
    return found


class SessionCgroup:
    """One session's group, from the moment it is asked for; `leave` must be called.

    Attributes:
        kept: The controls that the kernel has taken: from then on it keeps these limits.
    """

    def __init__(
        self,
        group: Cgroup | None,
        later: Callable[[Callable[[], object]], None],
        cannot_go: Callable[[Cgroup], None],
    ) -> None:
        self._group = group
        self._later = later
        self._cannot_go = cannot_go
        self._left = False
        self._enclosed = False
        self._counts_memory = False
        self.kept: frozenset[str] = frozenset()

    @property
    def is_enclosed(self) -> bool:
        """Whether the session's processes are in the group."""
        return self._enclosed and not self._left

    def enclose(self, pid: int, wanted: Mapping[str, str]) -> None:
        """Move a process there that descends from this one, with its own.  Runs in the thread.

        No other is moved, whoever names it: what is in the group is frozen and ended with the session.
        """
        group = self._group
        if group is None or self._left or not procfs.descends(pid, os.getpid()) or not group.make():
            return
        kept = frozenset(name for name, value in wanted.items() if group.write(name, value))
        self._counts_memory = bool(group.read("memory.max"))
        self._enclosed = group.add_tree(pid)
        self.kept = kept if self._enclosed else frozenset()

    def kill(self) -> None:
        """End everything in it, soon; what is frozen too."""
        if self._group is not None and self._enclosed:
            self._later(self._group.kill)

    def freeze(self, frozen: bool) -> bool:
        """Have everything in it stopped, or go on, soon; False when it has to be done with signals."""
        if self._group is None or not self.is_enclosed:
            return False
        group = self._group
        self._later(lambda: group.freeze(frozen))
        return True

    def is_frozen(self) -> bool:
        """Everything in it is frozen, by whoever."""
        return (
            self._group is not None
            and self.is_enclosed
            and bool(self._group.count("cgroup.events", "frozen"))
        )

    def ended_by_kernel(self) -> str:
        """That the kernel ended processes for want of memory, in words; empty when it did not."""
        if self._group is None or not self._counts_memory:
            return ""  # asked at every look: where there is no such controller, for nothing
        if not self._group.count("memory.events", "oom_kill"):
            return ""
        most = self._group.read("memory.max")
        if not most.isdigit() or not self._group.count("memory.events", "oom"):
            # Those of a group above ours, or of the machine, are counted here too.
            return (
                "was ended by the kernel for want of memory: not here, but on the whole machine or container"
            )
        return (
            f"grew above its limit of memory: the kernel ended it at {int(most) >> 20} MiB, caches included"
        )

    def refused_forks(self) -> str:
        """That the kernel refused processes or threads beyond the limit, in words; empty when it did not."""
        if self._group is None or "pids.max" not in self.kept:
            return ""
        count = self._group.count("pids.events", "max")
        if not count:
            return ""
        most, peak = self._group.read("pids.max"), self._group.read("pids.peak")
        if most.isdigit() and peak.isdigit() and int(peak) < int(most):
            # Before Linux 6.11 what a group above ours refuses is counted here, where it was wanted.
            return ""
        return f"wanted more than {most} processes and threads: {count} were refused"

    def leave(self) -> None:
        """The session is over: remove the group."""
        self._left = True
        if self._group is not None:
            self._later(self._remove)

    def _remove(self) -> None:
        assert self._group is not None
        if not self._group.remove():
            self._cannot_go(self._group)


class Cgroups:
    """Makes and removes the groups of a server's sessions.  Runs in: the front's event loop, and one thread.

    Args:
        mode: ``auto``, or ``off``.
        may_move: Whether this process may be moved into a group of its own.
        counts_disk: Whether sessions have folders of their own, in which what they keep can be counted.
        find: How a place for groups is found.
    """

    def __init__(
        self,
        mode: str,
        *,
        may_move: bool = True,
        counts_disk: bool = True,
        find: Callable[[], Ground | Unusable] = find,
    ) -> None:
        self._mode, self._may_move, self._find = mode, may_move, find
        self._counts_disk = counts_disk
        self._ground: Ground | None = None
        self._reason = _OFF
        self._thread: ThreadPoolExecutor | None = None
        self._left: list[Cgroup] = []
        self._loop: asyncio.AbstractEventLoop | None = None

    async def open(self) -> None:
        """Find a place for groups, once."""
        if self._mode == "off":
            return
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="cgroups")
        self._loop = asyncio.get_running_loop()
        found = await self._loop.run_in_executor(self._thread, self._divided)
        if isinstance(found, Unusable):
            self._reason = found.reason
            self._thread.shutdown()
            self._thread = None
        else:
            self._ground, self._reason = found, found.missing
        told = self.told()
        log.info("limits.enforced", **told.limits, kill=told.kill, group=told.group, reason=told.reason)

    def _divided(self) -> Ground | Unusable:
        found = self._find()
        if isinstance(found, Ground):
            found.divide(may_move=self._may_move)
        return found

    def enclose(self, name: str, pid: int, limits: Limits) -> SessionCgroup:
        """A group for a session; its processes are moved there soon."""
        ground = self._ground
        group = None if ground is None else Cgroup(ground.group.path / name)
        cgroup = SessionCgroup(group, self._later, self._cannot_go)
        if ground is not None:
            wanted = controls(limits)
            self._later(lambda: cgroup.enclose(pid, wanted))
        return cgroup

    def told(self) -> Enforcement:
        """What keeps each limit."""
        by = dict.fromkeys(_WATCHED, "watching") | {"files": "rlimit", "file_size": "rlimit"}
        if not self._counts_disk:
            by["disk"] = "nothing"
        ground = self._ground
        if ground is not None:
            by |= dict.fromkeys(ground.controllers, "cgroup")
        return Enforcement(
            limits=by,
            kill="signals" if ground is None else "cgroup",
            group="" if ground is None else str(ground.group.path),
            reason=self._reason,
        )

    async def aclose(self) -> None:
        """Remove what there is; what is still alive in it is ended."""
        thread, self._thread = self._thread, None
        ground, self._ground = self._ground, None
        if thread is None:
            return
        if ground is not None:
            removed = await asyncio.get_running_loop().run_in_executor(thread, ground.release)
            if not removed:
                log.warning("limits.group_left", group=str(ground.group.path))
        thread.shutdown()

    def _cannot_go(self, group: Cgroup) -> None:
        """Something in it is still dying; it is tried again soon.  Runs in the thread."""
        self._left.append(group)
        if len(self._left) == 1:
            self._try_again()

    def _try_again(self) -> None:
        assert self._loop is not None
        self._loop.call_soon_threadsafe(self._loop.call_later, _AGAIN_S, self._later, self._remove_left)

    def _remove_left(self) -> None:
        """Runs in the thread."""
        self._left[:] = [group for group in self._left if not _is_done_with(group)]
        if self._left:
            self._try_again()

    def _later(self, work: Callable[[], object]) -> None:
        if self._thread is not None:
            self._thread.submit(work)


def _is_done_with(group: Cgroup) -> bool:
    """Whether a group is removed, or will never be.  Removed first: one that is gone cannot be killed."""
    return group.remove() or (group.remove() if group.kill() else must_stay(group))
