"""How packets reach a room: the contract, and the websocket that dials a room's address."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Protocol
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from runtime.errors import RoomLost, RoomRefused, RoomUnreachable

PROTOCOL_VERSION = "0.28.15"
"""What the query parameter ``v`` says.  Servers read the client's vocabulary from it; ours is that of
0.28 to 0.29: the ``agent.*`` names, tool arguments as content headers."""

MAX_PACKET_BYTES = 4 * 1024 * 1024
"""No packet of the protocol may be larger (the message it belongs to may)."""

PING_INTERVAL_S = 30.0
_NEAR = {"Bulkhead-Near": "1"}
"""Asks the room's server for no pings, which would wake a session that has nothing to do."""

_LOOPBACK = re.compile(r"127(\.[0-9]{1,3}){3}")

_CURES = {
    401: "the token is missing or malformed: get a new one from the room's owner",
    403: "the token is wrong, expired or made for another room: check the secret or key that signed it",
    404: "there is no such room: check the room's name in the address",
    423: "the room is disabled by its owner",
}


class Transport(Protocol):
    """A connection to a room, in packets: a websocket, or a pipe that relays one.

    ``send`` and ``receive`` may each be used by one task at a time; ``close`` by any, more than once.
    """

    async def send(self, packet: bytes) -> None:
        """Send one packet.  Raises RoomLost when the connection is gone."""
        ...

    async def receive(self) -> bytes | None:
        """The next packet; None when the other side closed the connection properly.

        Raises:
            RoomLost: The connection broke.
        """
        ...

    async def close(self) -> None:
        """Close the connection; a second call does nothing."""
        ...


class WebSocketClientProtocol:
    """The address of a room and the token to enter it with; ``open`` dials it.

    Args:
        url: ``ws://``, ``wss://``, ``http://`` or ``https://`` address of the room.
        token: The participant token.
        heartbeat: Seconds between pings; a room on this machine is sent none.
    """

    def __init__(self, *, url: str, token: str, heartbeat: float = PING_INTERVAL_S) -> None:
        self._url = url
        self._token = token
        self._heartbeat_s = heartbeat

    @property
    def url(self) -> str:
        """The address as given."""
        return self._url

    @property
    def token(self) -> str:
        """The participant token; adapters present it to the room's own model endpoint."""
        return self._token

    def create_factory(self) -> Callable[[], WebSocketClientProtocol]:
        """A function that returns this protocol, for callers that expect to build one per connection."""
        return lambda: self

    async def open(self, *, timeout_s: float) -> Transport:
        """Dial the room.

        Raises:
            RoomRefused: The server answered 401, 403, 404 or 423; asking again will not help.
            RoomUnreachable: No server, no answer before the deadline, or any other answer.
        """
        # Here and not at the top: the zygote imports this module for its names long before anybody dials.
        from websockets.asyncio.client import connect
        from websockets.exceptions import InvalidHandshake, InvalidStatus, InvalidURI

        address = dial_address(self._url)
        is_near = _is_loopback(address)  # then the kernel tells the end of the other side
        options: dict[str, Any] = {"proxy": None} if is_near and _knows_proxies() else {}
        try:
            socket = await connect(
                address,
                # The header and not the query: addresses end up in access logs.
                additional_headers={"Authorization": f"Bearer {self._token}"} | (_NEAR if is_near else {}),
                open_timeout=timeout_s,
                ping_interval=None if is_near else self._heartbeat_s,
                ping_timeout=self._heartbeat_s / 2,
                close_timeout=2,
                max_size=MAX_PACKET_BYTES,
                compression=None,  # 300 KB of each end, for messages that are mostly short
                **options,
            )
        except InvalidStatus as error:
            raise _refusal(self._url, error.response.status_code) from error
        except TimeoutError as error:
            raise RoomUnreachable(
                f"the room at {self._url} did not answer within {timeout_s:g} s",
                cure="check that its server is running and that this machine may reach it",
            ) from error
        except (OSError, InvalidHandshake, InvalidURI) as error:
            raise RoomUnreachable(
                f"the room at {self._url} cannot be reached: {error}",
                cure="check the address, and that its server is running",
            ) from error
        return _WebSocketTransport(socket)


class _WebSocketTransport:
    def __init__(self, socket: Any) -> None:
        self._socket = socket

    async def send(self, packet: bytes) -> None:
        from websockets.exceptions import ConnectionClosed

        try:
            await self._socket.send(packet)
        except ConnectionClosed as error:
            raise RoomLost(f"the room closed the connection: {error}") from error

    async def receive(self) -> bytes | None:
        from websockets.exceptions import ConnectionClosedError, ConnectionClosedOK

        try:
            packet = await self._socket.recv()
        except ConnectionClosedOK:
            return None
        except ConnectionClosedError as error:
            raise RoomLost(f"the websocket ended without a proper close: {error}") from error
        # A text message has no meaning in this protocol; the assembler names the fault.
        return packet.encode() if isinstance(packet, str) else bytes(packet)

    async def close(self) -> None:
        await self._socket.close()


def dial_address(url: str) -> str:
    """The address to dial for a room's url: websocket scheme, and the version parameter set once."""
    parts = urlsplit(url)
    scheme = {"http": "ws", "https": "wss"}.get(parts.scheme, parts.scheme)
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    query.setdefault("v", PROTOCOL_VERSION)
    return urlunsplit((scheme, parts.netloc, parts.path, urlencode(query), ""))


def _refusal(url: str, status: int) -> RoomRefused | RoomUnreachable:
    cure = _CURES.get(status)
    if cure is None:
        return RoomUnreachable(f"the server of the room at {url} answered {status}", cure="try again later")
    return RoomRefused(f"the room at {url} refused the connection with status {status}", cure=cure)


def _is_loopback(address: str) -> bool:
    host = urlsplit(address).hostname or ""
    # Not by `ipaddress`: this is asked at each join, and costs a session some 26 pages.
    return host in ("localhost", "::1") or bool(_LOOPBACK.fullmatch(host))


def _knows_proxies() -> bool:
    """websockets 15 began to obey HTTP_PROXY, for loopback too; before, it had no such option."""
    from websockets.version import version

    return int(version.split(".", 1)[0]) >= 15
