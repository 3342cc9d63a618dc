"""What every route of the front can reach, and the questions they all ask of a request."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Protocol

import msgspec
from quart import g, has_request_context, request, websocket

from runtime.clock import Clock
from runtime.containers.contract import Health
from runtime.dispatch.dispatcher import Dispatcher
from runtime.dispatch.session_registry import SessionRegistry
from runtime.front.access.origin import Origin, Origins
from runtime.front.access.rules import Access, Caller
from runtime.front.readiness import Readiness
from runtime.metrics import Metrics
from runtime.placement.contract import Placement
from runtime.rooms.built_in.mail.post_office import PostOffice
from runtime.rooms.connection import Connection
from runtime.rooms.kept.about import About
from runtime.rooms.kept.folders import KeptFolder
from runtime.rooms.live import RoomInfo
from runtime.rooms.signing.links import LinkedFile
from runtime.rooms.token import Claims
from runtime.services.deployed.deployments import Deployments
from runtime.services.life.household import Household
from runtime.services.store import Store
from runtime.session.crash_store import CrashStore
from runtime.session.journal.journal import Journal
from runtime.settings import ServerSettings, Settings
from runtime.telemetry.history.recorder import Recorder


class Rooms(Protocol):
    """The embedded room server, as the front uses it."""

    def admit(self, room: str, token: str) -> Claims:
        """Who this token is in that room; raises PermissionDenied, NotFound or RoomFull."""
        ...

    async def serve(self, room: str, claims: Claims, connection: Connection, *, room_url: str) -> None:
        """Run one participant's connection until it ends."""
        ...

    def claims(self, token: str, *, room: str | None = None) -> Claims:
        """Who a token is, in that room or in whichever it is for; raises PermissionDenied."""
        ...

    async def linked_file(self, room: str, path: str, token: str) -> LinkedFile:
        """The file behind a link; raises PermissionDenied or NotFound."""
        ...

    async def known(self) -> list[str]:
        """Names of the rooms that are open or on disk."""
        ...

    async def create(self, room: str, about: About | None = None) -> bool:
        """Make a room known, with notes about it; False when it is."""
        ...

    async def about(self, room: str) -> About:
        """The notes about a room."""
        ...

    async def describe(self, room: str, about: About) -> None:
        """Note something else about a room."""
        ...

    async def close_room(self, room: str) -> None:
        """Send everybody away; one that is not open is no error."""
        ...

    async def delete(self, room: str) -> None:
        """Delete a room with what is in it; raises NotFound."""
        ...

    def token(
        self,
        room: str,
        name: str,
        *,
        role: str = "agent",
        scope: dict[str, Any] | None = None,
        ttl_s: float | None = None,
    ) -> str:
        """A participant token for that room; for `ttl_s` seconds, or for ever."""
        ...

    async def closed(self) -> list[KeptFolder]:
        """Rooms that are not open and have something on disk, the newest first."""
        ...

    def note(self, room: str, kind: str, data: dict[str, Any]) -> None:
        """Write into a room's developer log, if it is open."""
        ...

    def rooms(self) -> list[RoomInfo]:
        """The rooms that are open."""
        ...


class Containers(Protocol):
    """What runs containers, as the front uses it."""

    async def health(self) -> Health:
        """What it is, and whether it answers now."""
        ...

    @property
    def engine_name(self) -> str: ...

    @property
    def running_count(self) -> int: ...


class Front(msgspec.Struct, kw_only=True):
    """One server's parts.

    Attributes:
        name: The service's name in its specification; empty when it was given none.
        configuration: All settings with their origins; `settings` is the server's slice of them.
        port: The port it really listens on.
        url: Where this machine reaches it.
        is_loopback: Only this machine can reach it.
        started_at: Seconds since the epoch.
        began: The same in monotonic seconds.
        services: What runs them.
        store: What is kept for services.
        deployments: Services that are bundles; None where there can be none.
        look_for_deliveries: Has a webhook sent that was just written down.
        history: Keeps the figures of each minute.
        readiness: What is served, broken or being loaded.
        origins: Whose the connections of this machine are.
        is_ready: The journal was replayed, and it is not going away: what is loaded takes calls.
        closing: Set when streams must end because the server does.
    """

    settings: ServerSettings
    dispatcher: Dispatcher
    registry: SessionRegistry
    placement: Placement
    journal: Journal
    metrics: Metrics
    access: Access
    clock: Clock
    history: Recorder
    readiness: Readiness
    origins: Origins = msgspec.field(default_factory=Origins)
    rooms: Rooms | None = None
    crashes: CrashStore | None = None
    boxes: Containers | None = None
    services: Household | None = None
    store: Store | None = None
    deployments: Deployments | None = None
    look_for_deliveries: Callable[[], None] = lambda: None
    mail: PostOffice | None = None
    name: str = ""
    configuration: Settings = msgspec.field(default_factory=Settings)
    port: int = 0
    url: str = ""
    is_loopback: bool = True
    started_at: float = 0.0
    began: float = 0.0
    is_ready: bool = False
    closing: asyncio.Event = msgspec.field(default_factory=asyncio.Event)

    def knows(self, path: str) -> bool:
        """Whether some bundle serves the path."""
        return self.placement.serves(path)


def caller() -> Caller:
    """Where the current request or websocket comes from."""
    connection = request if has_request_context() else websocket
    headers: dict[str, str] = {}
    for name, value in connection.headers.items():
        # Quart files the peer's address among the headers; a header of that name says nothing.
        if (key := name.lower()) == "remote-addr":
            continue
        if key == "cookie" and key in headers:  # HTTP/2 may send them apart
            headers[key] += f"; {value}"
        headers.setdefault(key, value)
    client = connection.scope.get("client") or ("",)
    method = request.method if has_request_context() else "WEBSOCKET"
    return Caller.of(str(client[0]), headers, method, g.get("origin", Origin.UNASKED))
