"""The front's way into a room of this server for its sessions: within this process, without a socket."""

from __future__ import annotations

from collections.abc import Coroutine
from dataclasses import replace
from typing import Any, Final

from runtime.errors import RoomFull, RoomLost, RuntimeServiceError
from runtime.front.http.problems import STATUS
from runtime.front.http.refusal import Refusal
from runtime.front.model.by_pipe.pair import Pair
from runtime.front.state import Front
from runtime.logs import get_logger
from runtime.rooms.elsewhere.dialled import refusal
from runtime.tasks import Tasks

_PROPER: Final = (1000, 1001)
_log = get_logger("by_pipe")


class OwnRoom:
    """A room of this server, entered without a socket; a `runtime.session.info.RelayPort`.

    It is entered when it is first read.

    Args:
        is_inward: As of `runtime.rooms.token.Claims`.
        tasks: Where the room's side runs until it is over.
    """

    def __init__(
        self,
        front: Front,
        room: str,
        *,
        url: str,
        token: str,
        tasks: Tasks,
        is_inward: bool = False,
    ) -> None:
        self._front, self._room, self._url, self._token = front, room, url, token
        self._is_inward, self._tasks = is_inward, tasks
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
            claims = replace(rooms.admit(self._room, self._token), is_inward=self._is_inward)
        except (RuntimeServiceError, Refusal) as error:
            raise refusal(self._url, STATUS.get(error.code, STATUS["internal"])[0]) from error
        served = rooms.serve(self._room, claims, self._pair.room, room_url=self._url)
        self._tasks.spawn(self._serve(served), "room:by pipe")

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
