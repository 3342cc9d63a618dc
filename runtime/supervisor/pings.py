"""Questions to a worker's event loop that are on their way, and how long each answer took."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable

from runtime.clock import Clock
from runtime.wire.control import Ping, Pong
from runtime.wire.looking.debug import Debug, Debugging

MAX_WAITING = 64

Question = Ping | Debug
Answer = Pong | Debugging


class Pings:
    """Questions to one session.  Runs in: the front's event loop."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Answer]] = {}

    async def ping(self, send: Callable[[Question], bool], timeout_s: float) -> float | None:
        """Seconds until the worker's event loop answered; None when it did not, or cannot be asked."""
        began = self._clock.now()
        answer = await self.ask(send, Ping, timeout_s)
        return None if answer is None else self._clock.now() - began

    async def ask(
        self, send: Callable[[Question], bool], question: Callable[[int], Question], timeout_s: float
    ) -> Answer | None:
        """The answer of the worker's event loop; None when there was none, or it cannot be asked.

        Args:
            question: Made for a number.
        """
        if len(self._waiting) >= MAX_WAITING:
            return None
        seq = next(self._numbers)
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting[seq] = answer
        try:
            if not send(question(seq)):
                return None
            async with asyncio.timeout(timeout_s):
                return await answer
        except TimeoutError:
            return None
        finally:
            del self._waiting[seq]

    def answered(self, said: Answer) -> None:
        """The worker said this; an answer nobody waits for (any more) is ignored."""
        answer = self._waiting.get(said.seq)
        if answer is not None and not answer.done():
            answer.set_result(said)
