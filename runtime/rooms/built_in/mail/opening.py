"""The post office of a server that starts, and where mail is handed in."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path

from runtime.clock import Clock
from runtime.rooms.built_in.mail.listener import MailListener
from runtime.rooms.built_in.mail.post_office import PostOffice
from runtime.rooms.hub import RoomHub
from runtime.settings.mail import MailSettings


async def opened(
    settings: MailSettings, state_dir: Path, hub: RoomHub, clock: Clock, parts: AsyncExitStack
) -> PostOffice:
    """Open both.

    Args:
        parts: Closes them.

    Raises:
        ConfigError: The address cannot be listened on.
    """
    office = PostOffice(settings, state_dir, hub, clock)
    await office.start()
    parts.push_async_callback(office.aclose)
    if settings.port:
        listener = MailListener(office, max_bytes=settings.max_bytes)
        await listener.start(settings.host, settings.port)
        parts.push_async_callback(listener.aclose)
    return office
