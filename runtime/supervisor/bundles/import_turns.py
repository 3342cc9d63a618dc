"""Whose program is imported now: as many at once as there are processors.

More at once would make none of them faster, and sessions that run beside them slower.  A program that waits
instead of computing (for a network, for ever) needs no processor, and gives its turn to the next; so does one
that computes for very long.  No bundle's import holds up another's for more than a moment.

An import gives way to sessions, from when there are any: a server that starts has nobody to give way to, and
is not to be the last of its machine.  It does so for a time alone: where others leave it next to nothing of
the processors, it would not come about at all.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from typing import Final

from runtime.process import procfs
from runtime.process.program import priority

IDLE_S: Final = 0.5
LONGEST_S: Final = 5.0
PATIENT_S: Final = 3.0
"""How long an import that gives way waits for a processor in sum, until it gives way no more."""
_LOOK_S: Final = 0.25
_BUSY_SHARE: Final = 0.2


class ImportTurns:
    """The turns of one server.  Runs in: the front's event loop.

    Args:
        count: Imports at once; None for the processors that this process may use.
        serves: Whether there are sessions, which an import gives way to.
        cpu_s: Processor time of a process so far; None when it is gone.
        waited_s: How long it has waited for a processor so far; None where that is not known.
        give_way: Has a process come after those that serve.
        insist: Has it not do so any more.
    """

    def __init__(
        self,
        count: int | None = None,
        *,
        serves: Callable[[], bool],
        cpu_s: Callable[[int], float | None] | None = None,
        waited_s: Callable[[int], float | None] = procfs.waited_s,
        give_way: Callable[[int], None] = priority.give_way,
        insist: Callable[[int], None] = priority.serve_again,
    ) -> None:
        self._free = asyncio.Semaphore(count or len(os.sched_getaffinity(0)))
        self._serves, self._give_way, self._insist = serves, give_way, insist
        self._cpu_s, self._waited_s = cpu_s or _cpu_s, waited_s

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[Turn]:
        """Wait for a turn and have it until the end of the block, or until it is given up."""
        await self._free.acquire()
        turn = Turn(self._free.release, self._cpu_s, self._way_of)
        try:
            yield turn
        finally:
            await turn.end()

    def _way_of(self, pid: int) -> Iterator[bool]:
        """Whether that was the last look that the way of an import needs; it is looked after at each."""
        while not self._serves():
            yield False
        self._give_way(pid)
        before = self._waited_s(pid) or 0.0
        while (now := self._waited_s(pid)) is not None:
            if now - before >= PATIENT_S:
                self._insist(pid)
                break
            yield False
        while True:
            yield True


class Turn:
    """One import's turn."""

    def __init__(
        self,
        release: Callable[[], None],
        cpu_s: Callable[[int], float | None],
        way_of: Callable[[int], Iterator[bool]],
    ) -> None:
        self._release: Callable[[], None] | None = release
        self._cpu_s, self._way_of = cpu_s, way_of
        self._watching: asyncio.Task[None] | None = None

    def is_of(self, pid: int) -> None:
        """The import has begun in this process, which gives way, and its turn up when it does not use it.

        Said again where the program is run once more; then the process before is forgotten.
        """
        if self._watching is not None:
            self._watching.cancel()
        way = self._way_of(pid)
        self._watching = asyncio.create_task(self._watch(pid, way, next(way)), name="import turn")

    async def end(self) -> None:
        """Hand it on.  A second call does nothing."""
        if self._watching is not None:
            self._watching.cancel()
            with suppress(asyncio.CancelledError):
                await self._watching
        self._give_up()

    def _give_up(self) -> None:
        release, self._release = self._release, None
        if release is not None:
            release()

    async def _watch(self, pid: int, way: Iterator[bool], is_settled: bool) -> None:
        idle_s = passed_s = 0.0
        before = self._cpu_s(pid) or 0.0
        while self._release is not None or not is_settled:
            await asyncio.sleep(_LOOK_S)
            is_settled = next(way)
            passed_s += _LOOK_S
            now = self._cpu_s(pid)
            if now is None:
                break
            idle_s = 0.0 if now - before >= _BUSY_SHARE * _LOOK_S else idle_s + _LOOK_S
            before = now
            if idle_s >= IDLE_S or passed_s >= LONGEST_S:
                self._give_up()
        self._give_up()


def _cpu_s(pid: int) -> float | None:
    found = procfs.member(pid)
    return None if found is None else found.cpu_s
