"""A front that was started again finds what its nodes went on to run.

Nothing is placed before every node of its last life was asked what it has, or can have nothing any more
because its lease is over.  So a session that runs is never started a second time.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterable, Iterator, Sequence

from runtime.placement.cluster.messages import Synced
from runtime.placement.contract import Attempt
from runtime.session.spec import SessionId


class Adoption:
    """The first moments of a front.

    Args:
        nodes: Those of its last life.
        until: When the lease of each that was not heard by then is over, by the clock of `tick`.

    Attributes:
        begun: Set when it is known what may be found.
    """

    def __init__(self, nodes: Iterable[str], *, until: float) -> None:
        self._missing, self._until = set(nodes), until
        self._wanted: dict[tuple[SessionId, int], set[str]] = {}
        self._found: set[SessionId] = set()
        self.begun, self._over = asyncio.Event(), asyncio.Event()
        if not self._missing:
            self._over.set()

    async def of(self, attempts: Sequence[Attempt]) -> set[SessionId]:
        """Those of the attempts that were found, once all that can be found was."""
        self._wanted = {(one.session_id, one.generation): set(one.seen) for one in attempts}
        if not self._wanted:
            self._over.set()  # there is nothing to wait for
        self.begun.set()
        await self._over.wait()
        self._wanted.clear()
        return self._found

    def found(self, node: str, answer: Synced) -> Iterator[tuple[SessionId, int, set[str]]]:
        """The wanted attempts that a node has, and what is known of each."""
        for session, generation in (*((one.session, one.generation) for one in answer.told), *answer.untold):
            if (seen := self._wanted.pop((session, generation), None)) is not None:
                self._found.add(session)
                yield session, generation, seen
        self._missing.discard(node)
        if not self._missing:
            self._over.set()

    def tick(self, now: float) -> bool:
        """Time has passed; whether with that nobody who was not heard can have anything any more."""
        if now < self._until:
            return False
        self._until = math.inf
        self._over.set()
        return True
