"""Threads for the tables of all rooms, shared so that rooms that ask much hold up no other.

Theory: a room gets another thread as long as it has fewer than are free.  One room alone may have half of
them; the more rooms are busy the smaller is the share of each, and there is one free for who has none.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Final, TypeVar

T = TypeVar("T")


class SharedThreads:
    """Some threads, and who waits for one.  Runs in: one event loop, the work in the threads.

    Args:
        count: How many there are.
    """

    def __init__(self, count: int) -> None:
        self._free = count
        self._pool = ThreadPoolExecutor(max_workers=count, thread_name_prefix="room-tables")
        self._used: Counter[object] = Counter()
        self._waiting: list[tuple[object, asyncio.Future[None]]] = []

    async def run(self, room: object, work: Callable[[], T]) -> asyncio.Future[T]:
        """Begin something for a room once it is its turn; what is begun goes on whoever waits for it.

        Args:
            room: Whose share it is of; anything that tells it from others.
        """
        if self._waiting or not self._may(room):
            await self._turn(room)
        else:
            self._take(room)
        loop = asyncio.get_running_loop()
        running = self._pool.submit(work)

        def over(_: Future[T]) -> None:
            with suppress(RuntimeError):  # the loop is closed, and nobody asks any more
                loop.call_soon_threadsafe(self._release, room)

        running.add_done_callback(over)
        return asyncio.wrap_future(running)

    async def _turn(self, room: object) -> None:
        mine: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((room, mine))
        self._grant()  # those before may all be of rooms that have their share
        try:
            await mine
        except asyncio.CancelledError:
            if mine.done() and not mine.cancelled():
                self._release(room)
            else:
                self._waiting.remove((room, mine))
            raise

    def _may(self, room: object) -> bool:
        return self._used[room] < self._free

    def _take(self, room: object) -> None:
        self._used[room] += 1
        self._free -= 1

    def _release(self, room: object) -> None:
        self._used[room] -= 1
        if not self._used[room]:
            del self._used[room]
        self._free += 1
        self._grant()

    def _grant(self) -> None:
        for one in list(self._waiting):
            room, turn = one
            if self._free == 0:
                return
            if not turn.done() and self._may(room):
                self._waiting.remove(one)
                self._take(room)
                turn.set_result(None)


THREADS: Final = SharedThreads(32)
"""Those of this server."""
