"""Questions to a worker's event loop that are on their way, and how long each answer took."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable

from runtime.clock import Clock
from runtime.wire.control import Ping, Pong

MAX_WAITING = 64


class Pings:
    """Pings of one session.  Runs in: the front's event loop."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[float]] = {}

    async def ping(self, send: Callable[[Ping], bool], timeout_s: float) -> float | None:
        """Seconds until the worker's event loop answered; None when it did not, or cannot be asked."""
        if len(self._waiting) >= MAX_WAITING:
            return None
        seq, began = next(self._numbers), self._clock.now()
        answer: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self._waiting[seq] = answer
        try:
            if not send(Ping(seq)):
                return None
            async with asyncio.timeout(timeout_s):
                return await answer - began
        except TimeoutError:
            return None
        finally:
            del self._waiting[seq]

    def answered(self, pong: Pong) -> None:
        """The worker said this; an answer nobody waits for (any more) is ignored."""
        answer = self._waiting.get(pong.seq)
        if answer is not None and not answer.done():
            answer.set_result(self._clock.now())
