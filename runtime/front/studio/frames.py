"""The newest frames of the Studio's stream, numbered, for readers with a cursor."""

from __future__ import annotations

import asyncio
from collections import deque
from itertools import islice
from typing import Final

import msgspec

KEPT_FRAMES: Final = 256


class Frame(msgspec.Struct, frozen=True):
    """Some events, ready to be sent."""

    seq: int
    data: bytes


class Frames:
    """The newest frames, for readers with a cursor."""

    def __init__(self) -> None:
        self._kept: deque[Frame] = deque(maxlen=KEPT_FRAMES)
        self._last = 0
        self._news = asyncio.Event()

    @property
    def last(self) -> int:
        """Number of the newest frame; 0 before the first."""
        return self._last

    @property
    def first(self) -> int:
        """Number of the oldest kept frame; one above `last` when none is kept."""
        return self._last - len(self._kept) + 1

    def publish(self, data: bytes) -> None:
        """Number and keep a frame."""
        self._last += 1
        self._kept.append(Frame(self._last, data))
        self._news.set()
        self._news = asyncio.Event()

    def after(self, cursor: int, *, limit: int = 100) -> list[Frame]:
        """Up to `limit` frames numbered above `cursor`."""
        skip = max(0, cursor - self.first + 1)
        return list(islice(self._kept, skip, skip + limit))

    async def news(self, cursor: int) -> None:
        """Return once there is a frame numbered above `cursor`."""
        while self._last <= cursor:
            await self._news.wait()
