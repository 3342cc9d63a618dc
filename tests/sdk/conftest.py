"""A real room hub without sockets: both ends of a connection are queues."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from runtime.errors import RoomLost
from runtime.rooms.hub import RoomHub
from runtime.sdk.room.client import RoomClient


class Line:
    """One connection.  It is a client's transport; ``server`` is the hub's side of it."""

    def __init__(self) -> None:
        self._up: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._down: asyncio.Queue[bytes | BaseException | None] = asyncio.Queue()
        self.server = _ServerSide(self._up, self._down)
        self.sent: list[bytes] = []

    async def send(self, packet: bytes) -> None:
        self.sent.append(packet)
        self._up.put_nowait(packet)

    async def receive(self) -> bytes | None:
        packet = await self._down.get()
        if isinstance(packet, BaseException):
            raise packet
        return packet

    async def close(self) -> None:
        self._up.put_nowait(None)

    def push(self, packet: bytes) -> None:
        """Say something as the room would."""
        self._down.put_nowait(packet)

    def hang_up(self) -> None:
        """Close it properly, from the room's side."""
        self._down.put_nowait(None)

    def cut(self) -> None:
        """Break it, so that neither side hears a proper close."""
        self._down.put_nowait(RoomLost("the line was cut"))
        self._up.put_nowait(None)


class _ServerSide:
    def __init__(
        self, up: asyncio.Queue[bytes | None], down: asyncio.Queue[bytes | BaseException | None]
    ) -> None:
        self._up = up
        self._down = down
        self._is_closed = False

    async def receive(self) -> bytes | None:
        return await self._up.get()

    async def send(self, packet: bytes) -> None:
        self._down.put_nowait(packet)

    async def close(self, code: int = 1000) -> None:
        if not self._is_closed:
            self._is_closed = True
            self._down.put_nowait(None)


class House:
    """A hub, and everybody who entered one of its rooms through it."""

    def __init__(self, hub: RoomHub, stack: AsyncExitStack) -> None:
        self.hub = hub
        self._stack = stack
        self._serving: list[asyncio.Task[None]] = []

    def dial(self, name: str, *, role: str = "agent", room: str = "myroom", **scope: Any) -> Line:
        """A line into the room, on which the hub has begun to speak."""
        token = self.hub.token(room, name, role=role, scope=scope or None)
        line = Line()
        claims = self.hub.admit(room, token)
        serve = self.hub.serve(room, claims, line.server, room_url=f"ws://test/rooms/{room}")
        self._serving.append(asyncio.create_task(serve))
        return line

    async def enter(self, name: str, **options: Any) -> RoomClient:
        """A participant in the room; it leaves at the end of the test."""
        return await self._stack.enter_async_context(RoomClient(transport=self.dial(name, **options)))

    async def close(self) -> None:
        await self._stack.aclose()
        await self.hub.aclose()
        await asyncio.gather(*self._serving, return_exceptions=True)


@pytest_asyncio.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """An open house: ``await house.enter("ada")`` is a RoomClient in the room ``myroom``."""
    opened = House(RoomHub(state_dir=tmp_path), AsyncExitStack())
    yield opened
    await opened.close()


@pytest.fixture
def line() -> Line:
    """A connection whose other side the test plays itself."""
    return Line()


async def offered(client: Any, **asked: Any) -> list[Any]:
    """The toolkits that participants offer, without the room's own."""
    return [kit for kit in await client.agents.list_toolkits(**asked) if kit.participant_id is not None]
