"""The small process above the front: PID 1 in a container, and the one that cleans up when the front dies.

It starts the front, passes signals on, reaps whatever becomes its child, and starts the front again when a
signal killed it, after killing what is left of its tree.  A front that ends by itself is not started again:
it was told to end, or it has said why it cannot run.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Mapping, Sequence

from runtime.process.child import become_subreaper
from runtime.process.orphans import sweep

_FORWARDED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)
PARENT_VARIABLE = "BULKHEAD_INTERNAL_INIT"
"""Tells the front who its init is, so that it ends when that one does."""
_MAX_CRASHES = 5
_WITHIN_S = 60.0


class Init:
    """Run a program, and be its init.  Runs in: a process of its own, single-threaded, without a loop.

    Args:
        argv: The program to run.
        env: Its environment; this process's own when None.
    """

    def __init__(self, argv: Sequence[str], env: Mapping[str, str] | None = None) -> None:
        self._argv = list(argv)
        self._env = {**(os.environ if env is None else env), PARENT_VARIABLE: str(os.getpid())}
        self._asked_to_end = False
        self.asked_by: int | None = None
        """The first signal that asked it to end; None when nothing did."""
        self._crashes: deque[float] = deque()
        self._front: subprocess.Popen[bytes] | None = None

    def run(self) -> int:
        """Return the program's exit code: its own, or 128 + the signal that ended it for good."""
        become_subreaper()
        for number in _FORWARDED:
            signal.signal(number, self._forward)
        while True:
            status = self._run_once()
            self._clean_up()
            if status >= 0 or self._asked_to_end:
                return status if status >= 0 else 128 - status
            if not self._may_start_again():
                _say(f"the server was killed {_MAX_CRASHES} times within {_WITHIN_S:.0f} s; giving up")
                return 128 - status
            _say(f"the server was killed by signal {-status}; starting it again")

    def _run_once(self) -> int:
        # Its own group: a signal for the group of the terminal reaches us, and through us the front once.
        self._front = front = subprocess.Popen(self._argv, env=self._env, process_group=0)
        if self._asked_to_end:  # while there was nobody yet to pass it on to
            front.send_signal(signal.SIGTERM)
        while True:
            # Any child: a process whose parent died is ours to reap.
            try:
                pid, status = os.waitpid(-1, 0)
            except ChildProcessError:
                return front.wait()
            if pid == front.pid:
                front.returncode = os.waitstatus_to_exitcode(status)
                return front.returncode

    def _forward(self, number: int, _frame: object) -> None:
        if number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
            self._asked_to_end = True
            self.asked_by = self.asked_by or number
        if self._front is not None and self._front.returncode is None:
            try:
                self._front.send_signal(number)
            except ProcessLookupError:
                pass

    def _clean_up(self) -> None:
        """The front is gone: nothing of its tree may stay.  Workers are dying by their lifelines already."""
        while sweep(()):
            time.sleep(0.005)

    def _may_start_again(self) -> bool:
        now = time.monotonic()
        self._crashes.append(now)
        while self._crashes and now - self._crashes[0] > _WITHIN_S:
            self._crashes.popleft()
        return len(self._crashes) < _MAX_CRASHES


def _say(text: str) -> None:
    print(f"bulkhead: {text}", file=sys.stderr, flush=True)
