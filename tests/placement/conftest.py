"""A node with real processes, and the real room server for its agents to join."""

from __future__ import annotations

import asyncio
import textwrap
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import pytest_asyncio
import websockets
from websockets.asyncio.server import Server, ServerConnection, serve

from runtime.clock import SystemClock
from runtime.placement.local import LocalPlacement
from runtime.rooms.hub import RoomHub
from runtime.session.events import Exited, Ready, Released, SessionEvent, Started
from runtime.session.spec import Limits, SessionId, SessionSpec, new_session_id
from runtime.settings import ConfinementSettings, SupervisorSettings
from runtime.supervisor.bundles.confined.bundle_confinement import Confinement
from tests.patience import PATIENCE

AGENT = """
    import asyncio, os, signal, subprocess, sys, threading, time
    from meshagent.api.services import ServiceHost
    service = ServiceHost()

    class Base:
        async def start(self, *, room):
            self.room = room
        async def stop(self):
            pass
"""


class _Socket:
    def __init__(self, socket: ServerConnection) -> None:
        self._socket = socket

    async def receive(self) -> bytes | None:
        try:
            return await self._socket.recv(decode=False)
        except websockets.ConnectionClosed:
            return None

    async def send(self, packet: bytes) -> None:
        await self._socket.send(packet)

    async def close(self, code: int = 1000) -> None:
        await self._socket.close(code)


class Node:
    """A placement, its room server, and everything that was reported.

    Attributes:
        given: A folder that its sessions may write, unless `confinement` says what they may.
    """

    def __init__(
        self,
        folder: Path,
        state_dir: Path,
        *,
        environments: Path | None = None,
        confinement: ConfinementSettings | None = None,
        **settings: Any,
    ) -> None:
        self.folder = folder
        self.given = folder.parent / "given"
        self.given.mkdir(exist_ok=True)
        held = confinement or ConfinementSettings(level="basic", write=(str(self.given),))
        usual: dict[str, Any] = {"stop_s": 2.0, "term_s": 0.5, "start_s": 15.0, "immortal": False}
        self.settings = SupervisorSettings(**{**usual, **settings})
        self.placement = LocalPlacement(
            self.settings,
            limits=Limits(),
            clock=SystemClock(),
            environments=environments or state_dir / "environments",
            confinement=Confinement(held, state=state_dir),
        )
        self.hub = RoomHub(state_dir=state_dir, clock=SystemClock())
        self.seen: list[SessionEvent] = []
        self._news = asyncio.Condition()
        self._server: Server | None = None
        self._reader: asyncio.Task[None] | None = None

    def write(self, name: str, body: str, *, preamble: str = AGENT) -> Path:
        """Put a bundle into the agents folder; the body is added to a preamble with a ServiceHost."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        run = "\nasyncio.run(service.run())\n" if preamble else ""
        path.write_text(textwrap.dedent(preamble) + textwrap.dedent(body) + run)
        return path

    async def start(self, *, watch: bool = False) -> None:
        self._server = await serve(self._connected, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        self._reader = asyncio.create_task(self._read())
        await self.placement.start([self.folder], watch=watch)
        await self.placement.loaded()

    async def close(self) -> None:
        await self.placement.aclose()
        await self.hub.aclose()
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
        if self._reader is not None:
            self._reader.cancel()

    async def call(self, path: str, *, room: str = "r", identity: str = "agent", **more: Any) -> SessionId:
        """Place a session, as dispatch would."""
        spec = SessionSpec(
            session_id=new_session_id(),
            bundle="",
            endpoint=path,
            identity=identity,
            room=room,
            room_url=f"ws://127.0.0.1:{self.port}/rooms/{room}",
            token=self.hub.token(room, identity),
            **more,
        )
        await self.placement.place(spec, 1, more.pop("port", None))
        return spec.session_id

    async def ready(self, path: str, **more: Any) -> SessionId:
        """Place a session and wait until it is in its room."""
        session_id = await self.call(path, **more)
        event = await self.event(session_id, Ready, Exited)
        assert isinstance(event, Ready), event
        return session_id

    async def exited(self, session_id: SessionId) -> Exited:
        """Wait until the session is released; return how it ended."""
        event = await self.event(session_id, Exited)
        await self.event(session_id, Released)
        assert isinstance(event, Exited)
        return event

    def pid(self, session_id: SessionId) -> int:
        return next(e.pid for e in self.seen if isinstance(e, Started) and e.session_id == session_id)

    async def event(self, session_id: SessionId, *kinds: type[SessionEvent]) -> SessionEvent:
        async with asyncio.timeout(20 * PATIENCE):
            return await self.until(
                lambda: next(
                    (e for e in self.seen if e.session_id == session_id and isinstance(e, kinds)), None
                )
            )

    async def until(self, found: Callable[[], Any]) -> Any:
        """Wait until `found` returns something; it is asked after each event."""
        async with self._news:
            while not (result := found()):
                await self._news.wait()
            return result

    async def printed(self, session_id: SessionId, word: str) -> str:
        """Wait for a line of the session that begins so."""
        async with asyncio.timeout(20 * PATIENCE):
            while True:
                for line in self.lines(session_id):
                    if line.startswith(word):
                        return line
                await asyncio.sleep(0.01)  # lines make no event; this only spares the processor

    def connections(self) -> list[ServerConnection]:
        """Connections of agents to the room server."""
        assert self._server is not None
        return list(self._server.connections)

    async def bundle_state(self, name: str, wanted: Callable[[Any], bool]) -> Any:
        """Wait until a bundle's info is as wanted."""
        changed = asyncio.Event()
        self.placement.changed.append(changed.set)
        async with asyncio.timeout(20 * PATIENCE):
            while True:
                for info in self.placement.bundles():
                    if info.name == name and wanted(info):
                        return info
                await changed.wait()
                changed.clear()

    def lines(self, session_id: SessionId) -> list[str]:
        logbook = self.placement.supervisor.logbook(session_id)
        return [] if logbook is None else [line.text for line in logbook.after(0)]

    async def _read(self) -> None:
        async for event in self.placement.events():
            async with self._news:
                self.seen.append(event)
                self._news.notify_all()

    async def _connected(self, socket: ServerConnection) -> None:
        assert socket.request is not None
        address = urlsplit(socket.request.path)
        room = address.path.rsplit("/", 1)[-1]
        # Older clients send the token in the address.
        token = parse_qs(address.query).get("token", [""])[0] or socket.request.headers["Authorization"]
        claims = self.hub.admit(room, token.removeprefix("Bearer "))
        await self.hub.serve(
            room, claims, _Socket(socket), room_url=f"ws://127.0.0.1:{self.port}/rooms/{room}"
        )


@pytest.fixture
def agents_dir(tmp_path: Path) -> Path:
    folder = tmp_path / "agents"
    folder.mkdir()
    return folder


@pytest_asyncio.fixture
async def node(agents_dir: Path, state_dir: Path) -> AsyncIterator[Node]:
    """A node that is not started: write bundles first."""
    made = Node(agents_dir, state_dir)
    yield made
    await made.close()


@pytest.fixture
def make_node(agents_dir: Path, state_dir: Path) -> Callable[..., Node]:
    """For a test that needs its own settings; it closes the node itself."""
    return lambda **settings: Node(agents_dir, state_dir, **settings)
