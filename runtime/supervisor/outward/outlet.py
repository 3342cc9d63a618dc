"""What becomes of the calls of one session that wait to be answered for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from runtime.confinement.policy import Policy
from runtime.confinement.refusal import NETWORK_CONNECT
from runtime.process.confine.watch import Asked
from runtime.process.worker_process import WorkerProcess
from runtime.supervisor.outward.gate import Leaves
from runtime.wire import control

MOST_TOLD: Final = 20
"""So many hosts are told of one attempt of a session; the others are counted."""


class Outlet:
    """Of one attempt.  Runs in: the front's event loop.

    Args:
        refused: Takes what it was refused, as if the session had said so itself.
        hostile: Ends the session; takes what it did.

    Attributes:
        leaves: What it may be connected to.
    """

    def __init__(self, refused: Callable[[control.Refused], None], hostile: Callable[[str], None]) -> None:
        self._refused, self._hostile = refused, hostile
        self._pid = 0
        self._count = 0
        self._told: set[str] = set()
        self.leaves = Leaves.of(Policy())

    def began(self, worker: WorkerProcess) -> None:
        """It has a process, which is held by this."""
        self._pid = worker.pid
        self.leaves = Leaves.of(worker.policy, self._connection_refused)

    def never_innocent(self, asked: Asked) -> None:
        """It makes a call that no agent makes by accident.

        Nobody answers: the call waits until its process is ended, so that the line that made it is seen.
        """
        who = "" if asked.pids[0] == self._pid else f" in process {asked.pids[0]}"
        self._hostile(f"made the system call {asked.name}{who}")

    def _connection_refused(self, what: str) -> None:
        self._count += 1
        # A name is asked for once for each kind of address, and once more with each domain of a search list.
        known = what in self._told or any(what.startswith(f"{name}.") for name in self._told)
        found = [] if known or len(self._told) >= MOST_TOLD else [(NETWORK_CONNECT, what)]
        self._told.update(what for _, what in found)
        self._refused(control.Refused(found, {NETWORK_CONNECT: self._count}))
