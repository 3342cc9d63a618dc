"""The containers of a service in a room that have ended: the latest stay, for their logs."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final

from runtime.containers.contract import Boxes, BoxId
from runtime.containers.errors import ContainerNotFound
from runtime.errors import RuntimeServiceError
from runtime.logs import get_logger

KEPT_BOXES: Final = 5
_log = get_logger("services")


class EndedBoxes:
    """Runs in: the front's event loop.

    Args:
        hide: Takes secrets out of a text.
    """

    def __init__(self, boxes: Boxes, room: str, hide: Callable[[str], str]) -> None:
        self._boxes, self._room, self._hide = boxes, room, hide
        self._kept: deque[BoxId] = deque()

    async def keep(self, box: BoxId) -> None:
        """One has ended; the oldest makes way."""
        self._kept.append(box)
        while len(self._kept) > KEPT_BOXES:
            try:
                await self._boxes.remove(self._room, self._kept.popleft())
            except RuntimeServiceError as error:
                _log.warning("service.container_left", room=self._room, error=str(error))

    async def logs(self) -> list[str]:
        """What all of them wrote, the oldest first, with a line before each."""
        lines: list[str] = []
        for box in list(self._kept):
            lines += [f"--- container {box}", *await self.log(box)]
        return lines

    async def last_log(self) -> list[str]:
        """What the latest of them wrote."""
        return await self.log(self._kept[-1]) if self._kept else []

    async def log(self, box: BoxId) -> list[str]:
        """What any container of the room wrote; nothing when it made way for newer ones."""
        try:
            return [self._hide(line) async for line in self._boxes.logs(self._room, box, follow=False)]
        except ContainerNotFound:
            return []
