"""Keep a session's whole tree from running, and let it go on: for its share of processors, or an operator.

Two may want it at the same time; it goes on when nobody does any more.  Where the session has a group of
cgroup v2, that is frozen, which its own children do not see; elsewhere each process is stopped by a signal.
"""

from __future__ import annotations

import signal
from collections.abc import Sequence
from enum import Enum

from runtime.process import procfs, tree
from runtime.process.procfs import Member
from runtime.process.worker_process import WorkerProcess
from runtime.supervisor.watch.cgroups import SessionCgroup


class Holder(Enum):
    """Who wants it to stand still."""

    SHARE = "its share of processors"
    OPERATOR = "an operator"


class Standstill:
    """Of one session.  Runs in: the front's event loop."""

    def __init__(self, worker: WorkerProcess, cgroup: SessionCgroup) -> None:
        self._worker, self._cgroup = worker, cgroup
        self._holders: set[Holder] = set()
        self._stopped: list[Member] = []
        self._frozen = False

    def __bool__(self) -> bool:
        return bool(self._holders)

    def is_held_by(self, holder: Holder) -> bool:
        return holder in self._holders

    def hold(self, holder: Holder, members: Sequence[Member], *, freeze: bool = True) -> None:
        """Stop these, which are its tree.

        Args:
            freeze: By its group where it has one; False where its processes were stopped one by one already.
        """
        self._holders.add(holder)
        if self._frozen:
            return
        if freeze and self._cgroup.freeze(True):  # all of them, and its own children do not see it stopped
            self._frozen = True
            return
        # The group first, at one blow; then those who left it.
        self._worker.signal_tree(signal.SIGSTOP)
        known = {one.pid for one in self._stopped}
        self._stopped += [one for one in members if one.pid not in known]
        tree.signal_all(members, signal.SIGSTOP)

    def let_go(self, holder: Holder) -> None:
        """This one does not want it any more."""
        if holder not in self._holders:
            return
        self._holders.discard(holder)
        if self._holders:
            return
        if self._frozen:
            self._cgroup.freeze(False)
            self._frozen = False
        if self._stopped:
            tree.signal_all(self._stopped, signal.SIGCONT)
            self._worker.signal_tree(signal.SIGCONT)
            self._stopped = []

    def was_undone(self, main: Member) -> bool:
        """Whether somebody let it go on, or wants it to end: a signal of theirs says so."""
        continued = not self._frozen and main.state not in ("T", "t")
        return continued or procfs.has_pending(main.pid, signal.SIGTERM)
