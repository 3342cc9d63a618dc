"""Count what sessions keep on the disk: in one thread for all, so that it costs a processor at the most."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final

from runtime.process.procfs import Member
from runtime.supervisor.watch.budget import Finding
from runtime.supervisor.watch.disk_budget import DiskBudget
from runtime.supervisor.watch.disk_use import DiskUse, filled_bytes, measure

_READING_S: Final = 0.05
"""Until it is looked whether a count is done."""


class Disks:
    """The thread, which is there as soon as a session has a folder.  Runs in: the front's event loop."""

    def __init__(self) -> None:
        self._thread: ThreadPoolExecutor | None = None

    def measure(self, work: Callable[[], DiskUse | None]) -> asyncio.Future[DiskUse | None]:
        """Have it done when those that came before are."""
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="disks")
        return asyncio.get_running_loop().run_in_executor(self._thread, work)

    def close(self) -> None:
        """What has not been begun is not done any more."""
        if self._thread is not None:
            self._thread.shutdown(wait=False, cancel_futures=True)
            self._thread = None


class SessionDisk:
    """What one session keeps on the disk.

    Args:
        folder: Gives its folder; empty while it has none, and then nothing is counted.
        most_bytes: Its limit.

    Attributes:
        bytes: As it was counted last; None before.
        next_s: How long the next look may wait.
    """

    def __init__(
        self, folder: Callable[[], str], most_bytes: int | None, *, disks: Disks, now: float
    ) -> None:
        self._folder = folder
        self._most = most_bytes
        self._disks = disks
        self._budget = DiskBudget(most_bytes, now)
        self._reading: asyncio.Future[DiskUse | None] | None = None
        self._began: tuple[float, int | None] = (now, None)
        self.bytes: int | None = None

    @property
    def next_s(self) -> float:
        return self._budget.next_s if self._reading is None else _READING_S

    @property
    def is_settled(self) -> bool:
        """What it keeps was counted, or there is nothing to count."""
        return self._reading is None and (self.bytes is not None or not self._folder())

    def look(self, members: Sequence[Member], now: float) -> list[Finding]:
        """Judge what was counted meanwhile, and have it counted again when it is time.

        Args:
            members: Its processes.
            now: Monotonic seconds.
        """
        if self._reading is not None:
            return self._taken()
        if not (folder := self._folder()):
            return []
        filled = filled_bytes(folder)
        if self._budget.wants(now, filled):
            self._began = now, filled
            enough = float("inf") if self._most is None else self._most
            pids = [one.pid for one in members]
            self._reading = self._disks.measure(partial(measure, folder, pids, enough_bytes=enough))
        return []

    def _taken(self) -> list[Finding]:
        assert self._reading is not None
        if not self._reading.done():
            return []
        done, self._reading = self._reading, None
        if done.cancelled() or done.exception() is not None or (use := done.result()) is None:
            return []
        self.bytes = use.bytes
        return self._budget.take(use, *self._began)

    def close(self) -> None:
        """The session is over."""
        if self._reading is not None:
            self._reading.cancel()
