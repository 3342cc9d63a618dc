"""What offers tools of MCP servers in rooms, with a way into the rooms of this server."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AsyncExitStack

from runtime.front.model.by_pipe.ports import OwnRoom
from runtime.front.model.provider import make_client
from runtime.front.state import Front
from runtime.logs import get_logger
from runtime.services.life.mcp.offering import ToolOffers
from runtime.tasks import Tasks


def opened(front: Callable[[], Front], url: Callable[[str], str], parts: AsyncExitStack) -> ToolOffers:
    """For the rooms of this server.

    Args:
        front: Its parts; asked for when there is something to offer.
        url: The address of a room, by its name.
        parts: Ends what is left of them.
    """
    tasks = Tasks(get_logger("mcp"), "mcp.failed")
    parts.push_async_callback(tasks.aclose)
    return ToolOffers(
        lambda room, token: OwnRoom(front(), room, url=url(room), token=token, tasks=tasks), make_client
    )
