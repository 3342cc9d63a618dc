"""A room, entered: who and where we are, and the families of requests."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from runtime.errors import RoomError, RoomUnreachable
from runtime.sdk.emitter import Emitter, Listener
from runtime.sdk.room.connection import RoomConnection
from runtime.sdk.room.participant import LocalParticipant
from runtime.sdk.room.room_exception import RoomException
from runtime.sdk.room.transport import Transport, WebSocketClientProtocol
from runtime.wire.content import Content
from runtime.wire.room import Message

if TYPE_CHECKING:
    from runtime.sdk.room.developer import DeveloperClient
    from runtime.sdk.room.messaging import MessagingClient
    from runtime.sdk.room.queues import QueuesClient
    from runtime.sdk.room.room_agents import AgentsClient
    from runtime.sdk.room.storage import StorageClient
    from runtime.sdk.room.sync import SyncClient
    from runtime.sdk.room.tables.database import DatabaseClient

__all__ = ["ClientProtocol", "RoomClient", "RoomException", "Transport", "WebSocketClientProtocol"]

CONNECT_TIMEOUT_S = 30.0

_Family = TypeVar("_Family")


class ClientProtocol(Protocol):
    """Something that can open a connection to a room."""

    async def open(self, *, timeout_s: float) -> Transport:
        """Open it, or raise RoomUnreachable or RoomRefused."""
        ...


class RoomClient:
    """A room, entered.  Use as ``async with RoomClient(protocol=...) as room:``.

    Args:
        protocol: Where to dial, usually a WebSocketClientProtocol.
        transport: A connection that is open already; then there is no ``protocol``.
        protocol_factory: A function that returns a protocol (the newest MeshAgent spelling).
        connect_timeout_s: Deadline for dialling and the handshake together.
    """

    def __init__(
        self,
        protocol: ClientProtocol | None = None,
        *,
        transport: Transport | None = None,
        protocol_factory: Callable[[], ClientProtocol] | None = None,
        connect_timeout_s: float = CONNECT_TIMEOUT_S,
    ) -> None:
        if protocol is None and protocol_factory is not None:
            protocol = protocol_factory()
        if (protocol is None) == (transport is None):
            raise RoomError("a RoomClient needs a protocol or a transport", cure="Give exactly one of them.")
        self._protocol = protocol
        self._transport = transport
        self._connect_timeout_s = connect_timeout_s
        self._events = Emitter()
        self._connection = RoomConnection(ended=lambda reason: self._events.emit("close", reason=reason))
        self._connection.on_push("room.status", self._status)
        self._families: dict[str, Any] = {}
        self._room_info: dict[str, Any] = {}
        self._local_participant: LocalParticipant | None = None

    # ---- the connection

    async def __aenter__(self) -> RoomClient:
        """Dial and shake hands.

        Raises:
            RoomRefused: The server does not want this token here.
            RoomUnreachable: No server, or no complete handshake before the deadline.
            RoomLost: The server closed the connection in the middle of the handshake.
        """
        ready = self._connection.expect("room_ready", needs=("room_name", "room_url", "session_id"))
        connected = self._connection.expect("connected", needs=("participantId", "attributes"))
        try:
            async with asyncio.timeout(self._connect_timeout_s):
                if self._transport is None:
                    assert self._protocol is not None
                    self._transport = await self._protocol.open(timeout_s=self._connect_timeout_s)
                self._connection.start(self._transport)
                self._room_info = await ready
                self._connection.takes_cancel = self._room_info.get("takes_cancel") is True
                greeting = await connected
        except TimeoutError as error:
            await self._shut("the handshake took too long")
            raise RoomUnreachable(
                f"the room did not complete its handshake within {self._connect_timeout_s:g} s",
                cure="check that the address is that of a room server",
            ) from error
        except BaseException:
            await self._shut("the handshake failed")
            raise
        self._local_participant = LocalParticipant(
            id=str(greeting["participantId"]),
            attributes=greeting.get("attributes") or {},
            publish=lambda changed: self.send_nowait("set_attributes", changed),
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        trace: TracebackType | None = None,
    ) -> None:
        """Write what waits (for two seconds at most), close, and fail what is pending."""
        await self.close()

    async def close(self) -> None:
        """Leave the room.  A second call does nothing."""
        await self._connection.flush()
        await self._shut("the client left the room")

    async def wait_for_close(self) -> None:
        """Return when the connection is over, whoever ended it."""
        await self._connection.closed.wait()

    @property
    def is_closed(self) -> bool:
        """True once the connection is over."""
        return self._connection.closed.is_set()

    @property
    def close_reason(self) -> str:
        """Why the connection is over, in words; empty while it lives."""
        return self._connection.close_reason

    @property
    def was_lost(self) -> bool:
        """True when the connection broke; False while it lives, and after either side closed it properly."""
        return self._connection.was_lost

    # ---- who and where

    @property
    def room_name(self) -> str:
        """The room's name."""
        return self._info("room_name")

    @property
    def room_url(self) -> str:
        """The room's address as its server knows it."""
        return self._info("room_url")

    @property
    def session_id(self) -> str:
        """Identifies one run of the room; the same for everyone in it."""
        return self._info("session_id")

    @property
    def local_participant(self) -> LocalParticipant:
        """Ourselves."""
        if self._local_participant is None:
            raise RoomError("the room has not been entered yet", cure="Use `async with` on the RoomClient.")
        return self._local_participant

    @property
    def protocol(self) -> ClientProtocol | None:
        """What the client dialled; None for a connection that was handed to it."""
        return self._protocol

    @property
    def token(self) -> str:
        """The participant token it came with; empty when the connection was handed to it."""
        return str(getattr(self._protocol, "token", ""))

    # ---- talking

    async def request(self, type: str, header: dict[str, Any], data: bytes = b"") -> Content:
        """Send a request and return its answer.  Cancelling forgets the answer; the host of a task or of
        a tool's call is told, and may end it.

        Raises:
            RoomException: The room answered with an error.
            RoomLost: The connection is, or goes, away.
            LocalProtocolError: The header is not JSON.
        """
        return await self._connection.request(type, header, data)

    async def send_request(self, type: str, request: dict[str, Any], data: bytes | None = None) -> Any:
        """``request`` as programs written for MeshAgent call it: a JSON answer comes back as plain data."""
        content = await self.request(type, request, data or b"")
        return getattr(content, "json", content)

    def send_nowait(
        self, type: str, header: dict[str, Any], data: bytes = b"", *, message_id: int | None = None
    ) -> None:
        """Queue a one-way message; order is kept among all messages of this client.

        Args:
            message_id: Set when the protocol asks for somebody else's id (the answer to a tool call).

        Raises:
            RoomFull: Too much is waiting to be written.
            RoomLost: The connection is over.
        """
        self._connection.send_nowait(type, header, data, message_id)

    def on_push(self, type: str, handler: Callable[[Message], Any]) -> Callable[[], None]:
        """Call ``handler`` for each message of this type that the room sends unasked.

        A type that ends in ``.`` matches everything that begins so (``agent.tool_call.``).  Handlers
        may be plain functions or coroutines, and run in order of arrival up to their first ``await``.

        Returns:
            A function that unsubscribes.
        """
        return self._connection.on_push(type, handler)

    def on(self, event_name: str, func: Listener) -> None:
        """Listen to an event of the room, such as ``room.status``; listeners get its fields as keywords."""
        self._events.on(event_name, func)

    def off(self, event_name: str, func: Listener) -> None:
        """Stop listening."""
        self._events.off(event_name, func)

    def emit(self, event_name: str, **payload: Any) -> None:
        """Raise an event for this client's own listeners; nothing is sent."""
        self._events.emit(event_name, **payload)

    # ---- families of requests, each made when it is first used

    @property
    def messaging(self) -> MessagingClient:
        """Messages between participants, and who is here."""
        from runtime.sdk.room.messaging import MessagingClient

        return self._family("messaging", MessagingClient)

    @property
    def agents(self) -> AgentsClient:
        """Agents and toolkits in the room."""
        from runtime.sdk.room.room_agents import AgentsClient

        return self._family("agents", AgentsClient)

    @property
    def storage(self) -> StorageClient:
        """The room's files."""
        from runtime.sdk.room.storage import StorageClient

        return self._family("storage", StorageClient)

    @property
    def queues(self) -> QueuesClient:
        """The room's queues."""
        from runtime.sdk.room.queues import QueuesClient

        return self._family("queues", QueuesClient)

    @property
    def database(self) -> DatabaseClient:
        """The room's tables."""
        from runtime.sdk.room.tables.database import DatabaseClient

        return self._family("database", DatabaseClient)

    @property
    def developer(self) -> DeveloperClient:
        """The room's developer log."""
        from runtime.sdk.room.developer import DeveloperClient

        return self._family("developer", DeveloperClient)

    @property
    def sync(self) -> SyncClient:
        """Shared documents; the first use imports the document library."""
        from runtime.sdk.room.sync import SyncClient

        return self._family("sync", SyncClient)

    def _family(self, name: str, make: Callable[[RoomClient], _Family]) -> _Family:
        family: _Family | None = self._families.get(name)
        if family is None:
            family = self._families[name] = make(self)
        return family

    def _status(self, push: Message) -> None:
        self._events.emit("room.status", **push.header)

    async def _shut(self, reason: str) -> None:
        await self._connection.shut(reason)
        await self._events.cancel_all()
        for family in self._families.values():
            cancel = getattr(family, "cancel_listeners", None)
            if cancel is not None:
                await cancel()

    def _info(self, name: str) -> str:
        if not self._room_info:
            raise RoomError("the room has not been entered yet", cure="Use `async with` on the RoomClient.")
        return str(self._room_info[name])
