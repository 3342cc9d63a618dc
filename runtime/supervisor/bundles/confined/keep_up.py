"""Load programs again for what came to lie beside them, which nobody who runs can be given."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

import structlog

from runtime.process.confine.files.entries import Entries
from runtime.supervisor.bundles.confined.held import Held

log = structlog.get_logger("supervisor")

LOOK_S: Final = 2.0
AGAIN_S: Final = 30.0
"""So long after it was done once it is not done again, and twice as long each time after that."""
MOST_S: Final = 600.0


class Loaded(Protocol):
    """A bundle, as far as it is of concern here."""

    @property
    def name(self) -> str: ...

    @property
    def held(self) -> Held: ...

    @property
    def error(self) -> object: ...

    @property
    def under_way(self) -> object: ...

    def load_soon(self) -> object: ...


class KeepUp:
    """Runs in: the front's event loop.

    Args:
        bundles: Those that there are, now.
        foreign: Where others may write in a bundle's folder, by what is known now.  Called in a thread.
        follows: Files of bundles are followed; else only those of the system are.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        bundles: Callable[[], Sequence[Loaded]],
        foreign: Callable[[Any], Sequence[str]],
        *,
        follows: bool,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._bundles, self._foreign, self._follows, self._clock = bundles, foreign, follows, clock
        self._seen: dict[str, str] = {}
        self._not_before: dict[str, float] = {}
        self._delay_s: dict[str, float] = {}

    async def run(self) -> None:
        """Look now and then, until it is cancelled."""
        while True:
            await asyncio.sleep(LOOK_S)
            try:
                await self.look()
            except Exception:
                log.exception("bundle.look_failed")

    async def look(self) -> None:
        """Look once: what is seen the second time is there to stay."""
        for bundle in self._bundles():
            entries = bundle.held.entries
            if entries is None or bundle.under_way is not None or bundle.error is not None:
                continue
            news = await asyncio.to_thread(self._news, bundle, entries)
            was_seen = bool(news) and self._seen.get(bundle.name) == news
            self._seen[bundle.name] = news
            if was_seen and self._clock() >= self._not_before.get(bundle.name, 0.0):
                delay_s = self._delay_s.get(bundle.name, AGAIN_S)
                self._not_before[bundle.name] = self._clock() + delay_s
                self._delay_s[bundle.name] = min(2 * delay_s, MOST_S)
                log.info("bundle.loads_again", bundle=bundle.name, detail=news)
                bundle.load_soon()

    def _news(self, bundle: Loaded, entries: Entries) -> str:
        """What makes it worth a load, in words; empty for nothing."""
        if path := entries.news(of_system_alone=not self._follows):
            return f"{path} was put there since"
        known = bundle.held.ground.foreign if bundle.held.ground is not None else ()
        others = [path for path in self._foreign(bundle) if path not in known] if self._follows else []
        return f"{others[0]} is where another program may write" if others else ""
