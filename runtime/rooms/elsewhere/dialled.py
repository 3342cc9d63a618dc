"""The websocket that dials a room's address: for sessions, and for the front where a session may not.

websockets is imported when somebody dials and not before: a zygote knows this module long before that, and
most servers enter no room of another.
"""

from __future__ import annotations

import re
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from runtime.errors import RoomLost, RoomRefused, RoomUnreachable

PROTOCOL_VERSION: Final = "0.28.15"
"""What the query parameter ``v`` says.  Servers read the client's vocabulary from it; ours is that of
0.28 to 0.29: the ``agent.*`` names, tool arguments as content headers."""

MAX_PACKET_BYTES: Final = 4 << 20
"""No packet of the protocol may be larger (the message it belongs to may)."""

PING_INTERVAL_S: Final = 30.0
_NEAR: Final = {"Bulkhead-Near": "1"}
"""Asks the room's server for no pings, which would wake a session that has nothing to do."""

INWARD: Final = "Bulkhead-Inward"
_INWARD: Final = {INWARD: "1"}

_LOOPBACK: Final = re.compile(r"127(\.[0-9]{1,3}){3}")

_CURES: Final = {
    401: "the token is missing or malformed: get a new one from the room's owner",
    403: "the token is wrong, expired or made for another room: check the secret or key that signed it",
    404: "there is no such room: check the room's name in the address",
    423: "the room is disabled by its owner",
}


async def dial(
    url: str,
    token: str,
    *,
    timeout_s: float,
    heartbeat_s: float = PING_INTERVAL_S,
    is_inward: bool = False,
) -> Dialled:
    """Enter a room.

    Args:
        url: ``ws://``, ``wss://``, ``http://`` or ``https://`` address of the room.
        token: The participant token.
        heartbeat_s: Seconds between pings; a room on this machine is sent none.
        is_inward: As of `runtime.rooms.token.Claims`: a room of ours is told.

    Raises:
        RoomRefused: The server answered 401, 403, 404 or 423; asking again will not help.
        RoomUnreachable: No server, no answer before the deadline, or any other answer.
    """
    from websockets.asyncio.client import connect
    from websockets.exceptions import InvalidHandshake, InvalidStatus, InvalidURI

    address = address_of(url)
    is_near = _is_loopback(address)  # then the kernel tells the end of the other side
    options: dict[str, Any] = {"proxy": None} if is_near and _knows_proxies() else {}
    try:
        socket = await connect(
            address,
            # The header and not the query: addresses end up in access logs.
            additional_headers={"Authorization": f"Bearer {token}"}
            | (_NEAR if is_near else {})
            | (_INWARD if is_inward else {}),
            open_timeout=timeout_s,
            ping_interval=None if is_near else heartbeat_s,
            ping_timeout=heartbeat_s / 2,
            close_timeout=2,
            max_size=MAX_PACKET_BYTES,
            compression=None,  # 300 KB of each end, for messages that are mostly short
            **options,
        )
    except InvalidStatus as error:
        raise refusal(url, error.response.status_code) from error
    except TimeoutError as error:
        raise RoomUnreachable(
            f"the room at {url} did not answer within {timeout_s:g} s",
            cure="check that its server is running and that this machine may reach it",
        ) from error
    except (OSError, InvalidHandshake, InvalidURI) as error:
        raise RoomUnreachable(
            f"the room at {url} cannot be reached: {error or type(error).__name__}",
            cure="check the address, and that its server is running",
        ) from error
    return Dialled(socket)


class Dialled:
    """A room that was entered, in packets.  ``send`` and ``receive`` may each be used by one task at a time;
    ``close`` by any, more than once."""

    def __init__(self, socket: Any) -> None:
        self._socket = socket

    async def send(self, packet: bytes) -> None:
        """Send one packet.  Raises RoomLost when the connection is gone."""
        from websockets.exceptions import ConnectionClosed

        try:
            await self._socket.send(packet)
        except ConnectionClosed as error:
            raise RoomLost(f"the room closed the connection: {error}") from error

    async def receive(self) -> bytes | None:
        """The next packet; None when the other side closed the connection properly.  Raises RoomLost."""
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
        """Close the connection; a second call does nothing."""
        await self._socket.close()


def address_of(url: str) -> str:
    """The address to dial for a room's url: websocket scheme, and the version parameter set once."""
    parts = urlsplit(url)
    scheme = {"http": "ws", "https": "wss"}.get(parts.scheme, parts.scheme)
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    query.setdefault("v", PROTOCOL_VERSION)
    return urlunsplit((scheme, parts.netloc, parts.path, urlencode(query), ""))


def refusal(url: str, status: int) -> RoomRefused | RoomUnreachable:
    """What it means that a room's server answers a dial with this status."""
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
