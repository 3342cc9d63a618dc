"""An installed MeshAgent SDK's own room client, joined, watched and left as a session needs it.

Theory: the SDK's classes are used through what every release of it offers: ``RoomClient`` as a context
manager, ``WebSocketClientProtocol`` and ``WebSocketServerProtocol``, ``messaging.on("message")``.  Where
releases differ, the class that is there is asked (a parameter, an attribute), never its version.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import inspect
import re
from collections.abc import Callable
from typing import Any, Final

import structlog

from runtime.errors import BundleError, RoomError, RoomLost, RoomRefused, RoomUnreachable
from runtime.sdk.endpoint import kind_of
from runtime.wire import control
from runtime.worker.activity import Activity, note_packets
from runtime.worker.by_pipe.relay import RelayTransport

CLOSE_S: Final = 5.0
"""Seconds that the SDK's client gets to leave the room."""

_PROPER_CODES: Final = (1000, 1001)
_BROKEN: Final = 1006
_REFUSALS: Final = (401, 403, 404, 423)
_STATUS: Final = re.compile(r"\bstatus (\d{3})\b")
_LATE_S: Final = 1.0

log = structlog.get_logger("worker")


async def join(start: control.Start, relay: RelayTransport | None, activity: Activity) -> UpstreamRoom:
    """Enter the room with the SDK's client.

    A release that reconnects by itself may do so for as long as joining may take; then the room is lost.

    Raises:
        RoomRefused: The server does not want this token here.
        RoomUnreachable: No server, or no complete handshake before the deadline.
        RoomLost: The server closed the connection in the middle of the handshake.
    """
    made: list[Any] = []
    client = _client(start, relay, made, activity)
    try:
        if relay is not None and start.dial:
            async with asyncio.timeout(start.join_s):
                await relay.dial()
        # A release that retries says itself, at the deadline, why it failed: so ours is a little later.
        async with asyncio.timeout(start.join_s + _LATE_S):
            await client.__aenter__()
    except TimeoutError as error:
        raise RoomUnreachable(
            f"the room did not complete its handshake within {start.join_s:g} s",
            cure="check that the address is that of a room server",
        ) from error
    except RoomError:
        raise
    except Exception as error:
        told = relay.error if relay is not None else None
        raise told or _explained(start.room_url, error) from error
    if client.local_participant is None:
        # Releases without reconnecting return as if all were well when the server closes early.
        raise RoomLost("the room closed the connection during the handshake")
    return UpstreamRoom(client, made)


def _client(start: control.Start, relay: RelayTransport | None, made: list[Any], activity: Activity) -> Any:
    api: Any = importlib.import_module("meshagent.api.room_server_client")
    websocket: Any = importlib.import_module("meshagent.api.websocket_protocol")

    def protocol() -> Any:
        if relay is None:
            one = websocket.WebSocketClientProtocol(url=start.room_url, token=start.token)
        else:
            socket = _RelayedSocket(relay)
            one = websocket.WebSocketServerProtocol(socket=socket, token=start.token, url=start.room_url)
        note_packets(one, activity)
        made[:] = [one]  # the newest is the one whose socket tells how the connection ended
        return one

    known = inspect.signature(api.RoomClient.__init__).parameters
    if "protocol_factory" not in known:
        return api.RoomClient(protocol=protocol())
    # Only what it dials itself can be dialled again: a pipe leads to one connection.
    patience = {"reconnect_timeout": start.join_s if relay is None else 0}
    return api.RoomClient(
        protocol_factory=protocol, **{name: value for name, value in patience.items() if name in known}
    )


def _explained(url: str, error: Exception) -> RoomRefused | RoomUnreachable:
    """Our error for whatever the SDK's client, or the library it dials with, raised."""
    status = getattr(error, "status", None)
    if status is None and (found := _STATUS.search(str(error))):
        status = int(found[1])
    if status in _REFUSALS:
        return RoomRefused(
            f"the room at {url} refused the connection with status {status}",
            cure="check the room's name and the secret or key that signed the token",
        )
    return RoomUnreachable(
        f"the room at {url} cannot be reached: {error or type(error).__name__}",
        cure="check the address, and that its server is running",
    )


class UpstreamRoom:
    """A room entered by the SDK's client; a `runtime.worker.joined.Joined`."""

    def __init__(self, client: Any, made: list[Any]) -> None:
        self.client = client
        self.participant_id = str(client.local_participant.id)
        self._made = made
        self._watching: asyncio.Task[None] | None = None
        self._is_over = False

    def watch(self, dismissed: Callable[[], None], closed: Callable[[str, str], None]) -> None:
        def heard(message: Any) -> None:
            if message.type == "dismiss":
                dismissed()

        self.client.messaging.on("message", heard)
        self._watching = asyncio.create_task(self._until_closed(closed), name="session:room")

    async def _until_closed(self, closed: Callable[[str, str], None]) -> None:
        wait = getattr(self.client, "wait_for_close", None) or self.client.protocol.wait_for_close
        # Shielded: older releases await the very future that everybody waits for, and we may be cancelled.
        await asyncio.shield(asyncio.ensure_future(wait()))
        self._is_over = True
        code = self._close_code()
        proper = code in _PROPER_CODES
        reason = "the room closed the connection" if proper else "the connection to the room broke"
        closed("room_ended" if proper else "room_lost", reason if code is None else f"{reason} ({code})")

    def _close_code(self) -> int | None:
        protocol = self._made[0]
        socket = getattr(protocol, "_ws", None) or getattr(protocol, "socket", None)
        return getattr(socket, "close_code", None)

    def excuses(self, error: BaseException | None) -> bool:
        # On a connection that is over, its requests fail with errors of several kinds, all of its own.
        own = isinstance(error, ConnectionError) or type(error).__module__.startswith(
            ("meshagent.", "aiohttp.")
        )
        return self._is_over and own

    async def close(self) -> None:
        if self._watching is not None:
            self._watching.cancel()
        try:
            async with asyncio.timeout(CLOSE_S):
                await self.client.__aexit__(None, None, None)
        except TimeoutError:
            log.warning("room.leave_timed_out", timeout_s=CLOSE_S)
        except Exception as error:  # noqa: BLE001 - what a client says while it leaves concerns nobody any more
            log.debug("room.leave_failed", error=f"{type(error).__name__}: {error}")


def hosted(instance: Any) -> Any:
    """The instance, or what puts a bare tool or toolkit of the SDK into the room.

    Raises:
        BundleError: It is nothing that can be hosted.
    """
    kind = kind_of(type(instance))
    is_portable = all(callable(getattr(instance, name, None)) for name in ("start", "stop"))
    # A tool with a start of its own gets to know its room by it, but is offered to nobody.
    if is_portable and kind != "tool":
        return instance
    if kind in ("tool", "toolkit"):
        return _Hosted(instance, is_tool=kind == "tool")
    raise BundleError(
        f"{type(instance).__name__} cannot be hosted: it has no `async def start(self, *, room)` and no "
        "`async def stop(self)`",
        cure="Derive it from ChatBot, TaskRunner, SingleRoomAgent, a tool or a toolkit, or give it both.",
    )


class _Hosted:
    """A bare tool, under its participant's name, or a bare toolkit, under its own, for others to call."""

    def __init__(self, instance: Any, *, is_tool: bool) -> None:
        self._instance = instance
        self._is_tool = is_tool
        self._remote: Any = None

    def __setattr__(self, name: str, value: Any) -> None:
        # Whatever else is set (the call's arguments) is meant for the author's own object.
        if name.startswith("_"):
            super().__setattr__(name, value)
        else:
            setattr(self._instance, name, value)

    async def start(self, *, room: Any) -> None:
        tools: Any = importlib.import_module("meshagent.tools")
        hosting: Any = importlib.import_module("meshagent.tools.hosting")
        instance = self._instance
        about = {"title": instance.title, "description": instance.description}
        # Releases 0.37 to 0.44 have it, too, and nothing else, under the name of a private function.
        start = getattr(hosting, "start_hosted_toolkit", None) or getattr(
            hosting, "_start_hosted_toolkit", None
        )
        if start is not None:
            if self._is_tool:
                name = room.local_participant.get_attribute("name")
                instance = tools.Toolkit(name=name, tools=[instance], **about)
            self._remote = await start(room=room, toolkit=instance)
            return
        if self._is_tool:
            name, offered = room.local_participant.get_attribute("name"), [instance]
        else:
            name, offered = instance.name, instance.tools
        self._remote = hosting.RemoteToolkit(name=name, tools=offered, **about)
        await self._remote.start(room=room)

    async def stop(self) -> None:
        if self._remote is not None:
            with contextlib.suppress(RoomLost):
                await self._remote.stop()


class _RelayedSocket:
    """A relayed connection in the form of the websocket that the SDK's server-side protocol reads."""

    def __init__(self, relay: RelayTransport) -> None:
        self._relay = relay
        self._message: Any = importlib.import_module("aiohttp").WSMessage
        self._binary: Any = importlib.import_module("aiohttp").WSMsgType.BINARY
        self.closed = False
        self.close_code: int | None = None

    def __aiter__(self) -> _RelayedSocket:
        return self

    async def __anext__(self) -> Any:
        try:
            packet = await self._relay.receive()
        except RoomError:
            self.close_code = _BROKEN
            packet = None
        if packet is None:
            self.closed, self.close_code = True, self.close_code or 1000
            raise StopAsyncIteration
        return self._message(self._binary, packet, None)

    async def send_bytes(self, data: bytes) -> None:
        try:
            await self._relay.send(bytes(data))
        except RoomLost as error:
            self.closed = True
            raise ConnectionResetError(str(error)) from error

    async def close(self, **_: Any) -> None:
        self.closed, self.close_code = True, self.close_code or 1000
        await self._relay.close()

    def exception(self) -> None:
        """As the SDK asks: what broke the socket.  A relayed one is closed, or not."""
