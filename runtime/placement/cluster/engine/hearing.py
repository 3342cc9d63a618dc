"""How much of one node a front listens to.

An engine passes on what a node says as fast as it is said, and gives up who does not keep up: then nobody is
heard.  So a subject on which more comes than a node has to say is not listened to for a while.  All are heard
by one subscription as long as none is so, and each by its own while one is: what is not asked for, an engine
drops.  Names that nobody knows, which may be made up, are one then, the empty one.

Runs in: the front's event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Final

import msgspec

from runtime.clock import Clock
from runtime.errors import RemoteProtocolError
from runtime.placement.cluster.engine.connection import Engine, Handler
from runtime.placement.cluster.engine.rates import Most, Spent
from runtime.placement.cluster.engine.subjects import node_of
from runtime.tasks import Tasks

MUTE_S: Final = 5.0
"""So long at first; each time twice as long, as long as it goes on."""
MOST_MUTE_S: Final = 60.0
TICK_S: Final = 1.0
MAX_NAMES: Final = 2000
"""That nobody knows, within a second."""
WORSE: Final = 50
"""What cannot be read counts as so many more."""
SHED_S: Final = 0.5

Subject = Callable[[str], str]
"""That of a node; of all of them, for ``*``."""


class _Ear(msgspec.Struct, eq=False):
    subject: Subject
    handler: Handler
    most: Most
    in_order: bool
    named: Callable[[str], str]
    wide: Callable[[], Awaitable[None]] | None = None
    narrow: dict[str, Callable[[], Awaitable[None]]] = msgspec.field(default_factory=dict)
    spent: dict[str, Spent] = msgspec.field(default_factory=dict)
    muted: dict[str, float] = msgspec.field(default_factory=dict)
    waits: dict[str, float] = msgspec.field(default_factory=dict)
    turn: asyncio.Lock = msgspec.field(default_factory=asyncio.Lock)

    def takes(self, name: str, size: int, *, times: int = 1) -> bool:
        """One more message of a node, or so many; False for one too many."""
        return not self.spent.setdefault(name, Spent()).exceeds(self.most, size, times=times)


class Hearing:
    """What a front hears of its nodes.

    Args:
        tasks: Run what is done beside.
        names: The nodes that are known: they alone are heard while one is not.
        heard: Called with a node that is listened to again: what it said meanwhile is lost.

    Attributes:
        flooded: Called, in order, with each node of which something is not listened to for a while; the empty
            name is for all that nobody knows.
    """

    def __init__(
        self,
        engine: Engine,
        clock: Clock,
        tasks: Tasks,
        names: Callable[[], Iterable[str]] = tuple,
        heard: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._engine, self._clock, self._tasks = engine, clock, tasks
        self._names, self._heard = names, heard
        self.flooded: list[Callable[[str], None]] = []
        self._ears: list[_Ear] = []
        self._known = set[str]()

    async def listen(
        self,
        subject: Subject,
        handler: Handler,
        most: Most,
        *,
        in_order: bool = True,
        named: Callable[[str], str] = node_of,
    ) -> None:
        """Call a handler with each message of any node; see `Engine.listen`.

        Args:
            named: Whose subject one is.
        """
        ear = _Ear(subject, handler, most, in_order, named)
        if not self._ears:
            self._tasks.repeat(self._tick, TICK_S, "hearing")
        self._ears.append(ear)
        await self._arrange(ear)

    async def _arrange(self, ear: _Ear) -> None:
        async def hear(subject: str, data: bytes) -> bytes | None:
            name = ear.named(subject)
            is_known = name in self._known
            if name in ear.muted or (not is_known and "" in ear.muted):
                return None  # it was on its way
            if not is_known and name not in ear.spent and len(ear.spent) >= MAX_NAMES:
                name = ""
            if not ear.takes(name, len(data)):
                self._mute(ear, name)
                return None
            try:
                return await ear.handler(subject, data)
            except RemoteProtocolError:
                ear.takes(name, 0, times=WORSE)
                raise

        async def listen(name: str) -> Callable[[], Awaitable[None]]:
            return await self._engine.listen(ear.subject(name), hear, in_order=ear.in_order)

        async with ear.turn:
            if not ear.muted:
                if ear.wide is None:
                    ear.wide = await listen("*")
                    while ear.narrow:
                        await ear.narrow.popitem()[1]()
                return
            self._known = set(self._names())
            wanted = self._known - ear.muted.keys()
            for name in ear.narrow.keys() - wanted:
                await ear.narrow.pop(name)()
            for name in wanted - ear.narrow.keys():
                ear.narrow[name] = await listen(name)
            if ear.wide is not None:
                stop, ear.wide = ear.wide, None
                await stop()

    def _mute(self, ear: _Ear, name: str) -> None:
        self._known = set(self._names())
        if name not in self._known:
            name = ""
        if name in ear.muted:
            return
        wait_s = ear.waits.get(name, MUTE_S)
        ear.muted[name] = self._clock.now() + wait_s
        ear.waits[name] = min(2 * wait_s, MOST_MUTE_S)
        for listener in self.flooded:
            listener(name)
        self._tasks.spawn(self._unheard(ear), f"mute {name}")

    async def _unheard(self, ear: _Ear) -> None:
        await self._arrange(ear)
        await self._engine.shed(SHED_S)

    async def _tick(self) -> None:
        now, self._known = self._clock.now(), set(self._names())
        for ear in self._ears:
            ear.spent.clear()
            over = [name for name, until in ear.muted.items() if now >= until]
            for name in over:
                del ear.muted[name]
            for name in ear.waits.keys() - ear.muted.keys():
                ear.waits[name] -= TICK_S / 2
                if ear.waits[name] < MUTE_S:
                    del ear.waits[name]
            if ear.muted or ear.wide is None:  # others may have come
                await self._arrange(ear)
            for name in over:
                self._heard(name)
