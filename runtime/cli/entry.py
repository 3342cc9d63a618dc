"""Entering a room from the command line: a token from the server, and the connection."""

from __future__ import annotations

import asyncio
import getpass
from collections.abc import Coroutine
from typing import Any, TypeVar
from urllib.parse import quote

from runtime.cli.api import Api, project_path
from runtime.cli.failure import CommandFailed, ExitCode
from runtime.cli.options import check_room
from runtime.sdk.room.client import RoomClient
from runtime.sdk.room.transport import WebSocketClientProtocol

T = TypeVar("T")


def person() -> str:
    """The name by which the user of this terminal enters rooms."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "me"


def client(api: Api, room: str, name: str) -> RoomClient:
    """A client that enters the room as this person; use it as an async context manager.

    Raises:
        CommandFailed: There cannot be such a room, or the server gives no token for it.
    """
    check_room(room)
    answer = api.post(f"/rooms/{quote(room, safe='')}/token", {"name": name}).body
    if not isinstance(answer, dict) or "token" not in answer:
        cure = "It seems to be something else than bulkhead."
        raise CommandFailed(
            f"{api.url} gave no token for the room {room}", cure=cure, exit_code=ExitCode.AUTH
        )
    return RoomClient(WebSocketClientProtocol(url=str(answer["room_url"]), token=str(answer["token"])))


def keeper(api: Api, room: str) -> RoomClient:
    """A client that enters the room with every right, as whoever operates the server; use it likewise.

    Raises:
        CommandFailed: There cannot be such a room, or the server gives no token for it.
    """
    check_room(room)
    given = api.post(f"{project_path(api)}/rooms/{quote(room, safe='')}/connect", {}).body
    return RoomClient(WebSocketClientProtocol(url=str(given["room_url"]), token=str(given["jwt"])))


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine; Ctrl-C cancels it and comes out as KeyboardInterrupt."""
    return asyncio.run(work)
