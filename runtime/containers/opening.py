"""The containers of a server that starts."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from runtime.clock import Clock
from runtime.containers.boxes import RoomBoxes
from runtime.containers.choice import choose
from runtime.settings import Settings


async def open_boxes(
    settings: Settings, *, clock: Clock, url: Callable[[str], str], hears: Callable[[str], None]
) -> RoomBoxes:
    """Choose an engine, and begin to remove what a dead server left with it.

    Args:
        url: Where the server is reached from an address; from its own machine, if that is empty.
        hears: Has the server listen at an address of the engine's bridge as well.

    Raises:
        ConfigError: A setting cannot be used, or asks for an engine that is not here.
    """
    state = settings.server.state_dir.resolve()
    server_id = hashlib.sha256(str(state).encode()).hexdigest()[:16]
    choice = await choose(settings, server_id=server_id)
    if choice.listen:
        hears(choice.listen)
    boxes = RoomBoxes(
        choice.engine,
        settings.containers,
        clock=clock,
        base_url=lambda: url(choice.listen),
        missing=choice.missing,
        server_id=server_id,
    )
    boxes.reclaim()
    return boxes
