"""How packets reach a room: the contract, and a room's address as clients have it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from runtime.rooms.elsewhere.dialled import PING_INTERVAL_S, dial


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
        return await dial(self._url, self._token, timeout_s=timeout_s, heartbeat_s=self._heartbeat_s)
