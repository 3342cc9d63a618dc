"""One group of processes as the kernel knows it: a folder of cgroup v2, whose files are its controls.

What is in a group stays in it, whatever groups, sessions or parents its processes leave; so one write ends
or freezes all of them, those included that are just being forked.

A move into a group waits for the kernel's readers (measured: 0.8 ms, at times 14 ms), and every change of
any group waits for a move.  Nothing here but reading belongs into an event loop.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from runtime.process import procfs

_ROUNDS: Final = 5


class Cgroup:
    """A group, whether it exists or not; every question to one that is gone has an empty answer."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def make(self) -> bool:
        """Create it; False when that may not be done."""
        try:
            self.path.mkdir()
        except FileExistsError:
            return True
        except OSError:
            return False
        return True

    def write(self, name: str, value: str) -> bool:
        """Write one of its controls; False when it has no such control, or the kernel refuses the value."""
        try:
            fd = os.open(self.path / name, os.O_WRONLY | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            os.write(fd, value.encode())
        except OSError:
            return False
        finally:
            os.close(fd)
        return True

    def read(self, name: str) -> str:
        """Read one of its controls; empty when there is no such."""
        return procfs.read(f"{self.path}/{name}").decode(errors="replace").strip()

    def count(self, name: str, key: str) -> int:
        """One figure of a control that has several, such as ``oom_kill`` of ``memory.events``."""
        for line in self.read(name).splitlines():
            word, _, value = line.partition(" ")
            if word == key and value.isdigit():
                return int(value)
        return 0

    def words(self, name: str) -> set[str]:
        return set(self.read(name).split())

    def pids(self) -> set[int]:
        """Its processes, without those of groups below it."""
        return {int(word) for word in self.words("cgroup.procs")}

    @property
    def is_populated(self) -> bool:
        """Whether a process lives in it or below."""
        return self.count("cgroup.events", "populated") > 0

    def add(self, pid: int) -> bool:
        """Move a process into it, with all its threads; what it forks from then on is in it too."""
        return self.write("cgroup.procs", str(pid))

    def add_tree(self, pid: int) -> bool:
        """Move a process, then what it had forked before; False when the first could not be moved."""
        if not self.add(pid):
            return False
        for _ in range(_ROUNDS):
            inside = self.pids()
            outside = [one.pid for one in procfs.tree(pid) if one.pid not in inside]
            if not outside:
                break
            for one in outside:
                self.add(one)
        return True

    def holds_us(self) -> bool:
        """Whether this process, or one of those above it, lives in it or below."""
        # A process outside of our namespace is seen as 0: none that we have started.
        return not {0, *ours_and_above()}.isdisjoint(self._all_pids())

    def _all_pids(self) -> set[int]:
        return self.pids().union(*(each._all_pids() for each in self.below()))

    def kill(self) -> bool:
        """End everything in it and below it, now; False, and nothing is ended, when that would be us as well.

        Who put us there does not matter, an attacker or a mistake: the machine lives above us.
        """
        return not self.holds_us() and self.write("cgroup.kill", "1")

    def freeze(self, frozen: bool) -> bool:
        """Stop everything in it and below it, or let it go on; what is frozen can still be killed."""
        return self.write("cgroup.freeze", "1" if frozen else "0")

    def below(self) -> list[Cgroup]:
        """The groups directly below it."""
        try:
            return [Cgroup(Path(entry.path)) for entry in os.scandir(self.path) if entry.is_dir()]
        except OSError:
            return []

    def remove(self) -> bool:
        """Remove it and all below it; False while a process lives in any of them."""
        for each in self.below():
            each.remove()
        try:
            self.path.rmdir()
        except FileNotFoundError:
            return True
        except OSError:
            return False
        return True


def ours_and_above() -> set[int]:
    """This process and those above it."""
    return {pid for pid, _ in procfs.line(os.getpid()) or [(os.getpid(), 0)]}
