"""Which processes are this session's own."""

from __future__ import annotations

import os
from typing import Final

_MOST_STEPS: Final = 64


class Kin:
    """This process, and what came of it.

    Args:
        sees_others: What /proc says of other processes may be read.

    Attributes:
        pid: This one's.
    """

    def __init__(self, *, sees_others: bool = True) -> None:
        self._sees_others = sees_others
        self.begin()

    def begin(self) -> None:
        """It is this process from now on."""
        self.pid = os.getpid()

    def has_another(self, pid: int) -> bool:
        """Whether a process is there, our user might reach it, and it is none of this session's."""
        try:
            owner = os.stat(f"/proc/{pid}").st_uid
        except OSError:
            return False
        return os.geteuid() in (0, owner) and not self._is_own(pid)

    def _is_own(self, pid: int) -> bool:
        """This process, or one that came of it; it takes in its orphans."""
        if not self._sees_others:  # it cannot look up whose child a process is
            return pid == self.pid or _is_near(pid)
        for _ in range(_MOST_STEPS):
            if pid == self.pid:
                return True
            if pid <= 1:
                return False
            try:
                with open(f"/proc/{pid}/stat", "rb") as opened:
                    pid = int(opened.read(4096).rpartition(b")")[2].split()[1])
            except (OSError, ValueError, IndexError):
                return False
        return False


def _is_near(pid: int) -> bool:
    """Whether a process is a child of this one, or shares its session of the kernel."""
    try:
        if os.getsid(pid) == os.getsid(0):
            return True
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except OSError:
        return False
    return True
