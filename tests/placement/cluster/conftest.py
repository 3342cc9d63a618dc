"""An engine as it is in earnest, and a front and a node in this process that talk over it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import pytest_asyncio

from runtime.clock import Clock, SystemClock
from runtime.errors import ConfigError
from runtime.front.server import Server
from runtime.placement.cluster import messages as say
from runtime.placement.cluster.engine.connection import Access, Engine, connected
from runtime.placement.cluster.engine.home import EngineHome, EngineProcess, program
from runtime.placement.cluster.follower import Follower
from runtime.placement.cluster.memory import Memory
from runtime.placement.cluster.node import NodeServer
from runtime.placement.cluster.remote import RemotePlacement
from runtime.placement.cluster.sent.installed import InstalledBundles
from runtime.services.deployed.kept_folders import KeptFolders
from runtime.session.events import Exited, Ready, SessionEvent
from runtime.session.info import BundleInfo, Capacity
from runtime.settings import load_settings
from tests.fakes import FakePlacement, endpoint
from tests.patience import PATIENCE

WORD = "w" * 43


def free_port() -> int:
    with socket.socket() as asked:
        asked.bind(("127.0.0.1", 0))
        return int(asked.getsockname()[1])


def has_engine() -> bool:
    try:
        program()
    except ConfigError:
        return False
    return True


def machine(name: str, boot: str = "b1") -> Any:
    """What a node serves whose sessions are data alone."""
    made = FakePlacement(listed=[endpoint("/chat", restart="on_failure")], node_id=name)
    made.listed_bundles = [
        BundleInfo(name="chat", source="chat.py", generation=1, state="ready", digest="9c1f00000000")
    ]
    made.supervisor = SimpleNamespace(boot=boot)  # type: ignore[attr-defined]
    return made


LOAD = Capacity(sessions=0, starting=0, max_sessions=9, max_starting=9)


class Wire:
    """An engine on which nobody answers.

    Attributes:
        answer: What does, if anything.
        sent: By subject.
    """

    def __init__(self) -> None:
        self.answer: say.Answer | None = None
        self.sent: list[tuple[str, bytes]] = []

    async def publish(self, subject: str, data: bytes) -> None:
        self.sent.append((subject, data))

    async def ask(self, subject: str, data: bytes, timeout_s: float) -> bytes:
        return say.encoded(self.answer or say.Answer(code="no"))


class Followed:
    """A front that follows nodes whose messages are put into its hands."""

    def __init__(self, folder: Path, clock: Clock | None = None) -> None:
        self.wire: Any = Wire()
        self.front = Follower(
            self.wire,
            cluster="main",
            front="f1",
            lease_s=6.0,
            clock=clock or SystemClock(),
            memory=Memory(folder / "nodes.json"),
            changed=lambda: None,
        )

    async def beats(self, name: str, boot: str = "b1", number: int = 1, **more: Any) -> None:
        told = {"node": name, "boot": boot, "number": number, "sent": 0.0, "capacity": LOAD, "processors": 1}
        beat = say.Beat(**{**told, **more})
        await self.front._node_beat(self.front.subjects.beat(name), say.encoded(beat))

    async def tells(self, name: str, one: say.Told) -> None:
        node = self.front.nodes[name]
        node.inbox.boot, node.inbox.taken = one.boot, one.number - 1
        await self.front._event(self.front.subjects.events("f1", name), say.encoded(one))

    @property
    def heard(self) -> list[SessionEvent]:
        return [self.front.events.get_nowait() for _ in range(self.front.events.qsize())]


class Site:
    """An engine of a test's own, and whoever is connected to it.

    Attributes:
        home: Its folder.
        process: It.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = EngineHome.opened(folder, cluster="main")
        for name in ("local", "n1", "n2"):
            self.home.admit(name, WORD)
        self.process = EngineProcess(self.home, host="127.0.0.1", port=free_port())
        self._engines: list[Engine] = []

    async def as_user(self, user: str, password: str = WORD, *, port: int = 0) -> Engine:
        """Somebody's connection, perhaps by another port than the engine's; it is closed at the end."""
        front = self.home.access(port or self.process.port)
        access = (
            front if user == "front" else Access(url=front.url, user=user, password=password, ca=front.ca)
        )
        engine = Engine(access, name=user)
        await connected(engine, 10.0 * PATIENCE)
        self._engines.append(engine)
        return engine

    async def remote(self, *, lease_s: float = 60.0, url: str = "http://front") -> RemotePlacement:
        """The placement of a front, not started yet."""
        return RemotePlacement(
            await self.as_user("front"),
            cluster="main",
            front="f1",
            lease_s=lease_s,
            clock=SystemClock(),
            memory=Memory(self.folder / "nodes.json"),
            url=url,
        )

    @asynccontextmanager
    async def server(self, **knobs: Any) -> AsyncIterator[Server]:
        """A whole server that follows nodes."""
        port = free_port()
        flags = {
            "server.port": port,
            "containers.engine": "process",
            "server.state_dir": self.folder / "state",
        }
        flags |= {f"server.{name}": value for name, value in knobs.items()}
        placement = await self.remote(url=f"http://127.0.0.1:{port}")
        made = Server(load_settings(flags=flags), [], placement=placement, owns_process=False)
        await made.start()
        try:
            yield made
        finally:
            await made.stop()

    @asynccontextmanager
    async def front(self, *, lease_s: float = 60.0) -> AsyncIterator[Front]:
        """A front that follows nodes."""
        placement = await self.remote(lease_s=lease_s)
        await placement.start([], watch=False)
        made = Front(placement)
        try:
            yield made
        finally:
            await made.aclose()

    @asynccontextmanager
    async def node(self, placement: Any, loads: Any = None, *, port: int = 0) -> AsyncIterator[NodeServer]:
        """Serve a placement of this process; with `loads`, also bundles that are sent."""
        engine, sent = await self.as_user(placement.node_id, port=port), None
        if loads is not None:
            folders = KeptFolders(self.folder / f"sent-{placement.node_id}")
            sent = InstalledBundles(loads, folders, engine, cluster="main", node=placement.node_id)
        server = NodeServer(placement, engine, cluster="main", sent=sent)
        await server.start()
        try:
            yield server
        finally:
            await server.aclose()
            if sent is not None:
                await sent.aclose()

    async def aclose(self) -> None:
        for engine in self._engines:
            await engine.aclose()
        await self.process.aclose()


class Front:
    """A front and what it heard."""

    def __init__(self, placement: RemotePlacement) -> None:
        self.placement = placement
        self.seen: list[SessionEvent] = []
        self._news = asyncio.Condition()
        self._reader = asyncio.create_task(self._read())

    async def _read(self) -> None:
        async for event in self.placement.events():
            async with self._news:
                self.seen.append(event)
                self._news.notify_all()

    async def until(self, found: Callable[[], Any]) -> Any:
        """Wait until `found` returns something; it is asked after each event."""
        async with asyncio.timeout(30 * PATIENCE), self._news:
            while not (result := found()):
                await self._news.wait()
            return result

    async def event(self, session: str, kind: type[SessionEvent]) -> Any:
        return await self.until(
            lambda: next((e for e in self.seen if e.session_id == session and type(e) is kind), None)
        )

    async def ready(self, session: str) -> None:
        """Wait until it is; one that ends instead is told."""
        found = await self.until(
            lambda: next(
                (e for e in self.seen if e.session_id == session and isinstance(e, (Ready, Exited))), None
            )
        )
        assert isinstance(found, Ready), found

    async def served(self, path: str) -> None:
        """Wait until some node serves it."""
        changed = asyncio.Event()
        self.placement.changed.append(changed.set)
        async with asyncio.timeout(30 * PATIENCE):
            while not any(one.path == path and one.state == "ready" for one in self.placement.endpoints()):
                await changed.wait()
                changed.clear()

    async def silence(self) -> None:
        """Say nothing more and follow nobody, as one that was killed; what runs goes on."""
        self._reader.cancel()
        await self.placement._follower.aclose()

    async def aclose(self) -> None:
        await self.silence()


@pytest_asyncio.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    """An engine that runs."""
    if not has_engine():
        pytest.skip("SEVERAL MACHINES NOT TESTED: no nats-server was found (apt-get install nats-server)")
    made = Site(tmp_path / "cluster")
    await made.process.start()
    yield made
    await made.aclose()
