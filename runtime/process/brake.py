"""Stop a tree that multiplies while it is being counted.

Hundreds of processes that fork take the processors from the one who counts them: a count of 12 ms then takes
seconds, in which there come to be hundreds more.  So the count itself pulls the brake as soon as it has seen
more than a tree may have: the group at one blow, then each as it is found.  What is counted after that is
counted on a machine that is quiet again.
"""

from __future__ import annotations

import os
import signal

from runtime.process.procfs import Member

GIVES_WAY: int = 19
"""The priority of those who are about to be killed: hundreds that end at once leave the others no time."""


class Brake:
    """For one count of one tree.

    Args:
        group: The process group of its first process.
        most_tasks: Processes and threads beyond which it is stopped.
        most_processes: The same of processes alone.

    Attributes:
        pulled: Whether the tree was stopped; whoever counts decides how it goes on.
    """

    def __init__(self, group: int, *, most_tasks: int, most_processes: int) -> None:
        self._group = group
        self._most_tasks, self._most_processes = most_tasks, most_processes
        self._tasks = 0
        self._seen: list[Member] = []
        self.pulled = False

    def see(self, one: Member) -> None:
        """One more of the tree was found."""
        if self.pulled:
            _stop(one)
            return
        self._seen.append(one)
        self._tasks += one.threads
        if self._tasks > self._most_tasks or len(self._seen) > self._most_processes:
            self.pulled = True
            try:
                os.killpg(self._group, signal.SIGSTOP)
            except (ProcessLookupError, PermissionError):
                pass
            for each in self._seen:
                _stop(each)


def give_way(group: int, members: tuple[Member, ...]) -> None:
    """Let everybody else go first from now on; it cannot be taken back without privileges."""
    for which, who in [(os.PRIO_PGRP, group), *((os.PRIO_PROCESS, one.pid) for one in members)]:
        try:
            os.setpriority(which, who, GIVES_WAY)
        except (ProcessLookupError, PermissionError):
            continue


def _stop(one: Member) -> None:
    # By number: it was read a moment ago, and is not used again before a parent of the same tree reaps it.
    if one.state == "T":
        return
    try:
        os.kill(one.pid, signal.SIGSTOP)
    except (ProcessLookupError, PermissionError):
        pass
