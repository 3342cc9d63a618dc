"""A participant's connection to a room: handshake, requests, one-way messages, pushes.

Theory: one task reads, one writes.  The reader never waits for anybody's code: an answer completes the
future of the request it belongs to, a push goes to its handlers, and a handler that returns a coroutine
gets a task of its own.  When either task ends, the connection is over: every pending request fails at
once with RoomLost, and ``wait_for_close`` returns.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from runtime.errors import ProtocolError, RoomError, RoomLost, RoomUnreachable
from runtime.sdk.emitter import Emitter, Listener
from runtime.sdk.outbox import Outbox
from runtime.sdk.participant import LocalParticipant
from runtime.sdk.room_exception import RoomException
from runtime.sdk.transport import Transport, WebSocketClientProtocol
from runtime.wire.content import Content, ErrorContent, from_header
from runtime.wire.room import Assembler, Message

if TYPE_CHECKING:
    from runtime.sdk.developer import DeveloperClient
    from runtime.sdk.messaging import MessagingClient
    from runtime.sdk.queues import QueuesClient
    from runtime.sdk.room_agents import AgentsClient
    from runtime.sdk.storage import StorageClient
    from runtime.sdk.sync import SyncClient

__all__ = ["ClientProtocol", "RoomClient", "RoomException", "Transport", "WebSocketClientProtocol"]

CONNECT_TIMEOUT_S = 30.0
FLUSH_TIMEOUT_S = 2.0
MAX_PENDING_COUNT = 4096

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
        self._outbox = Outbox()
        self._events = Emitter()
        self._handlers: dict[str, list[Listener]] = {}
        self._pending: dict[int, asyncio.Future[Content]] = {}
        self._ids = itertools.count(1)
        self._closed = asyncio.Event()
        self._close_reason = ""
        self._was_lost = False
        self._reader: asyncio.Task[None] | None = None
        self._writer: asyncio.Task[None] | None = None
        self._families: dict[str, Any] = {}
        self._room_ready: asyncio.Future[dict[str, Any]] | None = None
        self._connected: asyncio.Future[dict[str, Any]] | None = None
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
        loop = asyncio.get_running_loop()
        self._room_ready, self._connected = loop.create_future(), loop.create_future()
        try:
            async with asyncio.timeout(self._connect_timeout_s):
                if self._transport is None:
                    assert self._protocol is not None
                    self._transport = await self._protocol.open(timeout_s=self._connect_timeout_s)
                self._reader = asyncio.create_task(self._read(self._transport), name="room:read")
                self._writer = asyncio.create_task(self._write(self._transport), name="room:write")
                self._room_info = await self._room_ready
                greeting = await self._connected
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
        self._outbox.close()
        if self._writer is not None and not self.is_closed:
            await asyncio.wait([self._writer], timeout=FLUSH_TIMEOUT_S)
        await self._shut("the client left the room")

    async def wait_for_close(self) -> None:
        """Return when the connection is over, whoever ended it."""
        await self._closed.wait()

    @property
    def is_closed(self) -> bool:
        """True once the connection is over."""
        return self._closed.is_set()

    @property
    def close_reason(self) -> str:
        """Why the connection is over, in words; empty while it lives."""
        return self._close_reason

    @property
    def was_lost(self) -> bool:
        """True when the connection broke; False while it lives, and after either side closed it properly."""
        return self._was_lost

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
        """Send a request and return its answer.  Cancelling forgets the answer, not the request.

        Raises:
            RoomException: The room answered with an error.
            RoomLost: The connection is, or goes, away.
            LocalProtocolError: The header is not JSON.
        """
        if self.is_closed:
            raise self._lost(type)
        if len(self._pending) >= MAX_PENDING_COUNT:
            raise RoomException(
                f"{type!r} was not sent: {MAX_PENDING_COUNT} requests wait for an answer",
                cure="await earlier requests first",
            )
        message = Message(next(self._ids), type, header, data)
        future: asyncio.Future[Content] = asyncio.get_running_loop().create_future()
        self._pending[message.id] = future
        try:
            await self._outbox.put(message)
            content = await future
        finally:
            self._pending.pop(message.id, None)
        if isinstance(content, ErrorContent):
            raise RoomException(content.text, error_code=content.code)
        return content

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
        number = next(self._ids) if message_id is None else message_id
        self._outbox.put_nowait(Message(number, type, header, data))

    def on_push(self, type: str, handler: Callable[[Message], Any]) -> Callable[[], None]:
        """Call ``handler`` for each message of this type that the room sends unasked.

        A type that ends in ``.`` matches everything that begins so (``agent.tool_call.``).  Handlers
        may be plain functions or coroutines, and run in order of arrival up to their first ``await``.

        Returns:
            A function that unsubscribes.
        """
        handlers = self._handlers.setdefault(type, [])
        handlers.append(handler)

        def unsubscribe() -> None:
            if handler in handlers:
                handlers.remove(handler)

        return unsubscribe

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
        from runtime.sdk.messaging import MessagingClient

        return self._family("messaging", MessagingClient)

    @property
    def agents(self) -> AgentsClient:
        """Agents and toolkits in the room."""
        from runtime.sdk.room_agents import AgentsClient

        return self._family("agents", AgentsClient)

    @property
    def storage(self) -> StorageClient:
        """The room's files."""
        from runtime.sdk.storage import StorageClient

        return self._family("storage", StorageClient)

    @property
    def queues(self) -> QueuesClient:
        """The room's queues."""
        from runtime.sdk.queues import QueuesClient

        return self._family("queues", QueuesClient)

    @property
    def developer(self) -> DeveloperClient:
        """The room's developer log."""
        from runtime.sdk.developer import DeveloperClient

        return self._family("developer", DeveloperClient)

    @property
    def sync(self) -> SyncClient:
        """Shared documents; the first use imports the document library."""
        from runtime.sdk.sync import SyncClient

        return self._family("sync", SyncClient)

    def _family(self, name: str, make: Callable[[RoomClient], _Family]) -> _Family:
        family: _Family | None = self._families.get(name)
        if family is None:
            family = self._families[name] = make(self)
        return family

    # ---- the two tasks

    async def _read(self, transport: Transport) -> None:
        assembler = Assembler()
        reason, lost = "the room closed the connection", False
        try:
            while (packet := await transport.receive()) is not None:
                message = assembler.receive(packet)
                if message is not None:
                    self._dispatch(message)
        except Exception as error:  # noqa: BLE001 - the edge of the connection, whoever made it
            # After a packet that breaks the format the rest of the stream means nothing: leave.
            reason, lost = f"the connection to the room broke: {error}", True
        self._over(reason, lost=lost)

    async def _write(self, transport: Transport) -> None:
        try:
            await self._outbox.run(transport)
        except Exception as error:  # noqa: BLE001 - the edge of the connection, whoever made it
            self._over(f"the connection to the room broke: {error}", lost=True)

    def _dispatch(self, message: Message) -> None:
        # By type first: an answer and a push may carry the same number.
        match message.type:
            case "__response__":
                self._answered(message)
            case "room_ready":
                _settle(self._room_ready, message.header, needs=("room_name", "room_url", "session_id"))
            case "connected":
                _settle(self._connected, message.header, needs=("participantId", "attributes"))
            case _:
                self._pushed(message)

    def _answered(self, message: Message) -> None:
        future = self._pending.get(message.id)
        if future is None or future.done():
            return  # its asker was cancelled
        try:
            future.set_result(from_header(message.header, message.data))
        except ProtocolError as error:
            future.set_exception(RoomException(f"the room's answer makes no sense: {error}"))

    def _pushed(self, message: Message) -> None:
        if message.type == "room.status":
            self._events.emit("room.status", **{str(key): value for key, value in message.header.items()})
        for pattern, handlers in list(self._handlers.items()):
            if message.type == pattern or (pattern.endswith(".") and message.type.startswith(pattern)):
                for handler in list(handlers):
                    self._events.call(handler, message.type, message)

    # ---- the end

    def _over(self, reason: str, *, lost: bool = False) -> None:
        if self.is_closed:
            return
        self._close_reason, self._was_lost = reason, lost
        self._closed.set()
        self._outbox.close()
        error = RoomLost(reason, cure="the agent's session ends with it; call it in again")
        for future in (*self._pending.values(), self._room_ready, self._connected):
            if future is not None and not future.done():
                future.set_exception(error)
                future.exception()  # marks it as seen: not every asker is still there
        self._events.emit("close", reason=reason)

    async def _shut(self, reason: str) -> None:
        self._over(reason)
        tasks = [task for task in (self._reader, self._writer) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._events.cancel_all()
        for family in self._families.values():
            stop = getattr(family, "cancel_listeners", None)
            if stop is not None:
                await stop()
        if self._transport is not None:
            await self._transport.close()

    def _lost(self, type: str) -> RoomLost:
        return RoomLost(f"{type!r} was not sent: {self._close_reason}")

    def _info(self, name: str) -> str:
        if not self._room_info:
            raise RoomError("the room has not been entered yet", cure="Use `async with` on the RoomClient.")
        return str(self._room_info[name])


def _settle(
    future: asyncio.Future[dict[str, Any]] | None, header: dict[str, Any], *, needs: tuple[str, ...]
) -> None:
    if future is None or future.done():
        return
    missing = [name for name in needs if name not in header]
    if missing:
        future.set_exception(RoomException(f"the room's handshake lacks {', '.join(missing)}"))
    else:
        future.set_result(header)
