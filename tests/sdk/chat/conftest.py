"""A real room server and real clients, joined by queues in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from runtime.errors import RoomLost
from runtime.rooms.hub import RoomHub
from runtime.sdk.client import RoomClient
from runtime.sdk.llm.model import Completed, ModelEvent, ModelRequest, TextDelta, Usage

ROOM = "myroom"


class Pipe:
    """One end of a websocket that is none."""

    def __init__(self, incoming: asyncio.Queue[bytes | None], outgoing: asyncio.Queue[bytes | None]) -> None:
        self._incoming = incoming
        self._outgoing = outgoing
        self._closed = False

    async def send(self, packet: bytes) -> None:
        if self._closed:
            raise RoomLost("closed")
        self._outgoing.put_nowait(packet)

    async def receive(self) -> bytes | None:
        if self._closed:
            return None
        packet = await self._incoming.get()
        if packet is None:
            self._closed = True
        return packet

    async def close(self, code: int = 1000) -> None:
        if not self._closed:
            self._closed = True
            self._outgoing.put_nowait(None)
            self._incoming.put_nowait(None)


class Server:
    """A room server, and a way to enter its room."""

    def __init__(self, hub: RoomHub) -> None:
        self.hub = hub
        self.served: list[asyncio.Task[None]] = []
        self.clients: list[RoomClient] = []

    async def enter(self, name: str, *, role: str = "user") -> RoomClient:
        up: asyncio.Queue[bytes | None] = asyncio.Queue()
        down: asyncio.Queue[bytes | None] = asyncio.Queue()
        claims = self.hub.admit(ROOM, self.hub.token(ROOM, name, role=role))
        serving = self.hub.serve(ROOM, claims, Pipe(up, down), room_url=f"ws://test/rooms/{ROOM}")
        self.served.append(asyncio.create_task(serving))
        client = RoomClient(transport=Pipe(down, up))
        await client.__aenter__()
        self.clients.append(client)
        return client

    async def close(self) -> None:
        for client in self.clients:
            await client.close()
        await asyncio.gather(*self.served, return_exceptions=True)
        await self.hub.aclose()


@pytest_asyncio.fixture
async def server(state_dir: Path) -> AsyncIterator[Server]:
    made = Server(RoomHub(state_dir=state_dir))
    yield made
    await made.close()


@pytest_asyncio.fixture
async def host(server: Server) -> AsyncIterator[Callable[..., Any]]:
    """``await host(bot, "chatbot")`` starts an agent in the room; it is stopped at the end."""
    started: list[Any] = []

    async def start(agent: Any, name: str = "chatbot") -> Any:
        await agent.start(room=await server.enter(name, role="agent"))
        started.append(agent)
        return agent

    yield start
    for agent in started:
        await agent.stop()


class SteppedModel:
    """A model that says one piece each time the test lets it."""

    def __init__(self, *pieces: str | Exception) -> None:
        self.pieces = list(pieces)
        self.requests: list[ModelRequest] = []
        self.asked = asyncio.Event()
        self._asked = asyncio.Semaphore(0)
        self._go = asyncio.Semaphore(0)

    def go(self, count: int = 1) -> None:
        for _ in range(count):
            self._go.release()

    async def asked_times(self, count: int) -> None:
        for _ in range(count):
            await self._asked.acquire()

    async def respond(self, request: ModelRequest) -> AsyncIterator[ModelEvent]:
        self.requests.append(request)
        self.asked.set()
        self._asked.release()
        text = ""
        for piece in self.pieces:
            await self._go.acquire()
            if isinstance(piece, Exception):
                raise piece
            text += piece
            yield TextDelta(piece)
        items = ({"role": "assistant", "content": text},)
        yield Completed(text, (), items, Usage("stepped", 1, 1))


@pytest.fixture
def stepped() -> type[SteppedModel]:
    return SteppedModel


@pytest.fixture(autouse=True)
def no_model_configured(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_MODEL", "BULKHEAD_OFFLINE_SCRIPT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("BULKHEAD_OFFLINE_DELAY_MS", "0")
