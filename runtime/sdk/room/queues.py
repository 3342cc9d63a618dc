"""The queues of a room: JSON messages that one receiver takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from runtime.sdk.room.exchange import RoomExchange
from runtime.wire.content import JsonContent, TextContent


class Queue(msgspec.Struct, frozen=True, kw_only=True):
    """A queue and how many messages wait in it."""

    name: str
    size: int


class QueuesClient:
    """What ``room.queues`` is."""

    def __init__(self, room: RoomExchange) -> None:
        self._room = room

    async def list(self) -> list[Queue]:
        """The room's queues."""
        content = await self._room.request("queues.list", {})
        listing = content.json if isinstance(content, JsonContent) and isinstance(content.json, dict) else {}
        return [
            Queue(name=str(entry.get("name", "")), size=int(entry.get("size") or 0))
            for entry in listing.get("queues") or []
            if isinstance(entry, dict)
        ]

    async def send(self, *, name: str, message: Mapping[str, Any], create: bool = True) -> None:
        """Append a message; with ``create`` the queue is made when there is none."""
        await self._room.request("queues.send", {"name": name, "create": create, "message": dict(message)})

    async def receive(self, *, name: str, create: bool = True, wait: bool = True) -> Any:
        """Take the oldest message.

        With ``wait`` it returns when a message comes, or None when the queue is closed; without, None
        at once when the queue is empty.
        """
        content = await self._room.request("queues.receive", {"name": name, "create": create, "wait": wait})
        match content:
            case JsonContent(json=value):
                return value
            case TextContent(text=text):
                return text
            case _:
                return None

    async def drain(self, *, name: str) -> None:
        """Throw away what waits."""
        await self._room.request("queues.drain", {"name": name})

    async def close(self, *, name: str) -> None:
        """Close the queue; whoever waits on it gets None."""
        await self._room.request("queues.close", {"name": name})
