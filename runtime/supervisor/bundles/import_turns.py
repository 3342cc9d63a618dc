"""Whose program is imported now: as many at once as there are processors.

More at once would make none of them faster, and sessions that run beside them slower.  A program that waits
instead of computing (for a network, for ever) needs no processor, and gives its turn to the next; so does one
that computes for very long.  No bundle's import holds up another's for more than a moment.

An import gives way to sessions, from when there are any: a server that starts has nobody to give way to, and
is not to be the last of its machine.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Final

from runtime.process.procfs import member
from runtime.process.program import priority

IDLE_S: Final = 0.5
LONGEST_S: Final = 5.0
_LOOK_S: Final = 0.25
_BUSY_SHARE: Final = 0.2


class ImportTurns:
    """The turns of one server.  Runs in: the front's event loop.

    Args:
        count: Imports at once; None for the processors that this process may use.
        serves: Whether there are sessions, which an import gives way to.
        cpu_s: Processor time of a process so far; None when it is gone.
        give_way: Has a process come after those that serve.
    """

    def __init__(
        self,
        count: int | None = None,
        *,
        serves: Callable[[], bool],
        cpu_s: Callable[[int], float | None] | None = None,
        give_way: Callable[[int], None] = priority.give_way,
    ) -> None:
        self._free = asyncio.Semaphore(count or len(os.sched_getaffinity(0)))
        self._serves, self._give_way = serves, give_way
        self._cpu_s = cpu_s or _cpu_s

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[Turn]:
        """Wait for a turn and have it until the end of the block, or until it is given up."""
        await self._free.acquire()
        turn = Turn(self._free.release, self._cpu_s, self._made_way)
        try:
            yield turn
        finally:
            await turn.end()

    def _made_way(self, pid: int) -> bool:
        if not self._serves():
            return False
        self._give_way(pid)
        return True


class Turn:
    """One import's turn."""

    def __init__(
        self,
        release: Callable[[], None],
        cpu_s: Callable[[int], float | None],
        made_way: Callable[[int], bool],
    ) -> None:
        self._release: Callable[[], None] | None = release
        self._cpu_s, self._made_way = cpu_s, made_way
        self._watching: asyncio.Task[None] | None = None

    def is_of(self, pid: int) -> None:
        """The import has begun in this process, which gives way, and its turn up when it does not use it.

        Said again where the program is run once more; then the process before is forgotten.
        """
        if self._watching is not None:
            self._watching.cancel()
        made_way = self._made_way(pid)
        self._watching = asyncio.create_task(self._watch(pid, made_way), name="import turn")

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

    async def _watch(self, pid: int, made_way: bool) -> None:
        idle_s = passed_s = 0.0
        before = self._cpu_s(pid) or 0.0
        while self._release is not None or not made_way:
            await asyncio.sleep(_LOOK_S)
            made_way = made_way or self._made_way(pid)
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
    found = member(pid)
    return None if found is None else found.cpu_s
