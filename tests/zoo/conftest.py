"""A node for one animal and its healthy neighbour, and the conversation that nothing may disturb."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from runtime.sdk.room.client import RoomClient, WebSocketClientProtocol
from tests.patience import PATIENCE
from tests.placement.conftest import Node

HERE = Path(__file__).parent
PERIOD_S = 0.02
LATE_S = 5.0 * PATIENCE
"""Far above what a busy machine does to an answer; far below what a blocked or restarted neighbour would."""


class Conversation:
    """Numbered messages to the neighbour, one each 20 ms; every answer must come, in order, and not late."""

    def __init__(self, room: RoomClient) -> None:
        self._room = room
        self._sent: list[float] = []
        self._answers: list[int] = []
        self._worst_s = 0.0
        self._news = asyncio.Event()
        room.messaging.on("message", self._answered)

    async def talk(self) -> None:
        """Until cancelled."""
        while True:
            self._sent.append(time.monotonic())
            number = {"n": len(self._sent) - 1}
            self._room.messaging.send_message_nowait(to=self._sibling(), type="say", message=number)
            await asyncio.sleep(PERIOD_S)

    async def check(self) -> None:
        """Wait for the last answer; then none may be missing, out of order, or late."""
        async with asyncio.timeout(LATE_S):
            while len(self._answers) < len(self._sent):
                self._news.clear()
                await self._news.wait()
        assert self._answers == list(range(len(self._sent)))
        assert self._worst_s < LATE_S

    def _sibling(self) -> str:
        found = self._room.messaging.get_participant_by_name("sibling")
        assert found is not None, "the neighbour left the room"
        return found.id

    def _answered(self, message: Any) -> None:
        number = message.message["n"]
        self._worst_s = max(self._worst_s, time.monotonic() - self._sent[number])
        self._answers.append(number)
        self._news.set()


@asynccontextmanager
async def conversation(node: Node) -> AsyncIterator[Conversation]:
    """Talk to the neighbour for as long as this is entered, and check every answer at the end."""
    url = f"ws://127.0.0.1:{node.port}/rooms/r"
    protocol = WebSocketClientProtocol(url=url, token=node.hub.token("r", "tester", role="user"))
    async with RoomClient(protocol=protocol) as room:
        await room.messaging.enable()
        held = Conversation(room)
        talking = asyncio.create_task(held.talk())
        try:
            yield held
        finally:
            talking.cancel()
            await asyncio.gather(talking, return_exceptions=True)
        await held.check()


@pytest_asyncio.fixture
async def zoo(tmp_path: Path, state_dir: Path) -> AsyncIterator[Any]:
    """``await zoo("segfaults")``: a running node with that animal and its neighbour."""
    nodes: list[Node] = []

    async def keep(animal: str) -> Node:
        folder = tmp_path / "agents"
        folder.mkdir()
        shutil.copy(HERE / "healthy.py", folder)
        shutil.copy(HERE / "animals" / f"{animal}.py", folder)
        # Short deadlines: what they are is not asked here, but what happens at them.
        short: dict[str, Any] = {"stop_s": 1.0, "start_s": 6.0 * PATIENCE, "heartbeat_s": 0.2}
        short |= {"hang_warn_s": 0.6, "hang_kill_s": 1.5 * PATIENCE}
        node = Node(folder, state_dir, **short)
        nodes.append(node)
        await node.start()
        return node

    yield keep
    for node in nodes:
        await node.close()


@pytest.fixture
def facts() -> Any:
    """``facts("segfaults")``: what an animal's file states in capitals, its expected end among it."""

    def read(animal: str) -> dict[str, Any]:
        import ast

        found = {}
        for line in ast.parse((HERE / "animals" / f"{animal}.py").read_text()).body:
            if isinstance(line, ast.Assign) and isinstance(line.targets[0], ast.Name):
                name = line.targets[0].id
                if name.isupper():
                    found[name] = ast.literal_eval(line.value)
        return found

    return read
