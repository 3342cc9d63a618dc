"""Images that are not here: each is pulled once, however many rooms that want it open at once."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec

from runtime.containers.contract import Credential, Engine, Image
from runtime.errors import NotFound


class _Turn(msgspec.Struct, eq=False):
    lock: asyncio.Lock = msgspec.field(default_factory=asyncio.Lock)
    count: int = 0


class Pulls:
    """Those that are under way."""

    def __init__(self) -> None:
        self._turns: dict[str, _Turn] = {}

    async def image(self, engine: Engine, reference: str, credentials: Sequence[Credential]) -> Image:
        """An image, once it is here; who cannot pull it does not keep the next one from trying.

        Raises:
            EngineFailed, EngineSilent, NoEngine, NotFound: It is not to be had.
        """
        turn = self._turns.setdefault(reference, _Turn())
        turn.count += 1
        try:
            async with turn.lock:
                found = await engine.image(reference)
                if found is None:
                    await engine.pull(reference, credentials)
                    found = await engine.image(reference)
        finally:
            turn.count -= 1
            if not turn.count:
                del self._turns[reference]
        if found is None:
            raise NotFound(f"no image {reference!r} is here", cure="Pull it first.")
        return found
