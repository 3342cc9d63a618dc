"""The front's ways into a room for a session without a network: within this process, or by dialling."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from runtime.errors import RoomError, RoomFull, RoomLost, RoomRefused, RoomUnreachable, RuntimeServiceError
from runtime.front.http.problems import STATUS
from runtime.front.http.refusal import Refusal
from runtime.front.model.by_pipe.pair import Pair
from runtime.front.state import Front
from runtime.logs import get_logger

PROTOCOL_VERSION: Final = "0.28.15"
"""What our own client says of its vocabulary, and so who dials for it; see `runtime.sdk.room.transport`."""

MAX_PACKET_BYTES: Final = 4 << 20
DIAL_S: Final = 30.0
PING_S: Final = 30.0
_PROPER: Final = (1000, 1001)
_REFUSALS: Final = (401, 403, 404, 423)
_log = get_logger("by_pipe")


class OwnRoom:
    """A room of this server, entered without a socket; a `runtime.session.info.RelayPort`.

    It is entered when it is first read.

    Args:
        spawn: Runs the room's side until it is over.
    """

    def __init__(
        self,
        front: Front,
        room: str,
        *,
        url: str,
        token: str,
        spawn: Callable[[Coroutine[Any, Any, None]], None],
    ) -> None:
        self._front, self._room, self._url, self._token = front, room, url, token
        self._spawn = spawn
        self._pair = Pair()
        self._is_entered = False

    async def receive(self) -> bytes | None:
        if not self._is_entered:
            self._enter()
        packet = await self._pair.receive()
        if packet is None and self._pair.code not in (None, *_PROPER):
            raise RoomLost(f"the room closed the connection ({self._pair.code})")
        return packet

    async def send(self, packet: bytes) -> None:
        await self._pair.send(packet)

    async def close(self) -> None:
        self._pair.close()

    def _enter(self) -> None:
        self._is_entered = True
        rooms = self._front.rooms
        try:
            if self._front.closing.is_set():
                raise Refusal("draining", "The server is shutting down.")
            assert rooms is not None
            claims = rooms.admit(self._room, self._token)
        except (RuntimeServiceError, Refusal) as error:
            raise _refusal(self._url, STATUS.get(error.code, STATUS["internal"])[0]) from error
        self._spawn(self._serve(rooms.serve(self._room, claims, self._pair.room, room_url=self._url)))

    async def _serve(self, served: Coroutine[Any, Any, None]) -> None:
        try:
            await served
        except RoomFull:
            pass  # it closed the connection
        except Exception:  # noqa: BLE001 - the edge of one connection
            _log.exception("room.connection_failed", room=self._room)
            self._pair.closed_by_room(1011)
        finally:
            self._pair.closed_by_room(1000)


class RoomElsewhere:
    """A room of another server, dialled when it is first read; a `runtime.session.info.RelayPort`."""

    def __init__(self, url: str, token: str) -> None:
        self._url, self._token = url, token
        self._socket: Any = None
        self._is_closed = False

    async def receive(self) -> bytes | None:
        from websockets.exceptions import ConnectionClosedError, ConnectionClosedOK

        if self._socket is None:
            self._socket = await self._dial()
            if self._is_closed:
                await self._socket.close()
        try:
            packet = await self._socket.recv()
        except ConnectionClosedOK:
            return None
        except ConnectionClosedError as error:
            raise RoomLost(f"the websocket ended without a proper close: {error}") from error
        return packet.encode() if isinstance(packet, str) else bytes(packet)

    async def send(self, packet: bytes) -> None:
        from websockets.exceptions import ConnectionClosed

        if self._socket is not None:
            try:
                await self._socket.send(packet)
            except ConnectionClosed:
                pass  # who reads is told

    async def close(self) -> None:
        self._is_closed = True
        if self._socket is not None:
            await self._socket.close()

    async def _dial(self) -> Any:
        # Loaded when the first such room is entered: most servers have none.
        from websockets.asyncio.client import connect
        from websockets.exceptions import InvalidHandshake, InvalidStatus, InvalidURI

        try:
            return await connect(
                _address(self._url),
                additional_headers={"Authorization": f"Bearer {self._token}"},
                open_timeout=DIAL_S,
                ping_interval=PING_S,
                ping_timeout=PING_S / 2,
                close_timeout=2,
                max_size=MAX_PACKET_BYTES,
                compression=None,
            )
        except InvalidStatus as error:
            raise _refusal(self._url, error.response.status_code) from error
        except (OSError, TimeoutError, InvalidHandshake, InvalidURI) as error:
            raise RoomUnreachable(
                f"the room at {self._url} cannot be reached: {error or type(error).__name__}",
                cure="check the address, and that its server is running",
            ) from error


def _address(url: str) -> str:
    parts = urlsplit(url)
    scheme = {"http": "ws", "https": "wss"}.get(parts.scheme, parts.scheme)
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    query.setdefault("v", PROTOCOL_VERSION)
    return urlunsplit((scheme, parts.netloc, parts.path, urlencode(query), ""))


def _refusal(url: str, status: int) -> RoomError:
    if status in _REFUSALS:
        return RoomRefused(
            f"the room at {url} refused the connection with status {status}",
            cure="check the room's name and the secret or key that signed the token",
        )
    return RoomUnreachable(f"the server of the room at {url} answered {status}", cure="try again later")
