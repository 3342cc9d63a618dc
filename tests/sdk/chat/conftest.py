"""Agents hosted in a real room, and a model that speaks when the test lets it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_asyncio

from runtime.model.contract import Completed, ModelEvent, ModelRequest, TextDelta, Usage
from runtime.sdk.room.client import RoomClient


class Server:
    """The house, entered as a person unless something else is said."""

    def __init__(self, house: Any) -> None:
        self._house = house

    async def enter(self, name: str, *, role: str = "user") -> RoomClient:
        client: RoomClient = await self._house.enter(name, role=role)
        return client


@pytest.fixture
def server(house: Any) -> Server:
    return Server(house)


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
