"""What runs containers of rooms, and how they reach this server."""

from __future__ import annotations

import hashlib
from contextlib import AsyncExitStack
from typing import Final

from runtime.clock import Clock
from runtime.containers.boxes import RoomBoxes
from runtime.containers.choice import choose
from runtime.errors import ConfigError
from runtime.front.http.listener import Listener
from runtime.logs import get_logger
from runtime.settings import Settings

_CURE: Final = "Set containers.listen to an address of this machine that containers reach."
_log = get_logger("containers")


async def open_boxes(
    settings: Settings, listener: Listener, clock: Clock, parts: AsyncExitStack
) -> tuple[RoomBoxes, Listener | None]:
    """What rooms run containers with, and where the server has to listen as well.  Both are closed by `parts`.

    Raises:
        ConfigError: A setting cannot be used, or asks for an engine that is not here.
    """
    server = settings.server
    server_id = hashlib.sha256(str(server.state_dir.resolve()).encode()).hexdigest()[:16]
    choice = await choose(settings, server_id=server_id)
    bridge = _listening(choice.listen, listener, parts)
    boxes = RoomBoxes(
        choice.engine,
        settings.containers,
        clock=clock,
        base_url=lambda: bridge.url if bridge else server.public_url or listener.url,
        missing=choice.missing,
        server_id=server_id,
    )
    parts.push_async_callback(boxes.aclose)
    boxes.reclaim()
    return boxes, bridge


def _listening(address: str, listener: Listener, parts: AsyncExitStack) -> Listener | None:
    """At the address by which containers reach this machine; a listener to all addresses has it already."""
    if not address or not listener.is_loopback:
        return None
    try:
        bridge = Listener.bind(address, listener.port)
    except ConfigError as error:
        _log.warning("containers.cannot_reach_us", error=error.message, cure=_CURE)
        return None
    parts.push_async_callback(bridge.aclose)
    return bridge
