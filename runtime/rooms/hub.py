"""All rooms of this server: admitting connections, opening and closing rooms.

A room opens when its first participant is admitted and closes some time after the last one left.  Its files
and documents stay on disk, under the folder of its name; one without any leaves no folder, unless it was made
by name.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any

from runtime.clock import Clock, SystemClock
from runtime.containers.contract import Boxes
from runtime.errors import NotFound, RoomFull
from runtime.rooms.agents import Caller
from runtime.rooms.connection import Connection
from runtime.rooms.files import REMEMBER_S, on_disk, remove_unused
from runtime.rooms.holdings import Contents, Holdings
from runtime.rooms.hosted import HostedRoom
from runtime.rooms.kept import about as about_room
from runtime.rooms.kept import folders
from runtime.rooms.kept.about import About
from runtime.rooms.kept.folders import KeptFolder
from runtime.rooms.limits import RoomLimits
from runtime.rooms.live import RoomEvent, RoomInfo
from runtime.rooms.signing.kept_secret import kept_secret
from runtime.rooms.signing.links import FileLinks, LinkedFile
from runtime.rooms.token import Claims, Keys, Scope, mint, verify
from runtime.services.in_room import ServicesOfRooms
from runtime.session.redaction import Hidden
from runtime.wire.room_name import ROOM_NAME_RULE, is_room_name, room_folder_name
from runtime.wire.sealed import Seal

MAX_KNOWN_ROOMS = 10_000
MAX_REMEMBERED_ROOMS = 1_000
"""With more, rooms that have nothing but what they remember of runs are removed when they close."""


class RoomHub:
    """The embedded room server.

    Args:
        limits: Bounds of everything.
        state_dir: Where rooms keep their files, and the hub its secret.
        caller: Posts the webhooks of participants that call somebody in; None refuses them.
        listener: Is told what happens, synchronously; must not raise or wait.
        secret: Signs and verifies tokens without a key id; None uses one made once and kept (0600).
        keys: Secrets of API keys by key id, accepted besides; looked at anew for each token.
        seal: What seals the secrets of rooms; asked for when there is one to be kept.
        boxes: Runs containers of rooms; None refuses them.
        hidden: Learns the secrets of rooms.
        services: Runs services of rooms; None runs none.
    """

    def __init__(
        self,
        limits: RoomLimits | None = None,
        *,
        state_dir: Path,
        clock: Clock | None = None,
        caller: Caller | None = None,
        listener: Callable[[RoomEvent], None] | None = None,
        secret: str | None = None,
        keys: Mapping[str, str] | None = None,
        seal: Callable[[], Seal] | None = None,
        boxes: Boxes | None = None,
        hidden: Hidden | None = None,
        services: ServicesOfRooms | None = None,
    ) -> None:
        self._limits = limits or RoomLimits()
        self._folder = state_dir / "rooms"
        folders.make(self._folder / "data")
        self._clock = clock or SystemClock()
        self._caller = caller
        self._boxes, self._services = boxes, services
        self._listener = listener
        self._seal, self._hidden = seal, hidden
        self._secret = secret or kept_secret(self._folder / "secret")
        self._keys = Keys(shared=(self._secret,), by_id=keys if keys is not None else {})
        self._links = FileLinks(self._secret, self._clock)
        self._rooms: dict[str, HostedRoom] = {}
        self._holdings = Holdings(self._limits.max_held_bytes)
        self._contents = Contents(self._limits.max_contents_bytes)
        self._connections: Counter[str] = Counter()  # by token
        self._closings: dict[str, asyncio.Task[None]] = {}
        self._idle: dict[str, asyncio.TimerHandle] = {}

    @property
    def max_rooms(self) -> int:
        """How many may be open at once."""
        return self._limits.max_rooms

    @property
    def open_count(self) -> int:
        """Rooms that are open, those that nobody is in included."""
        return len(self._rooms)

    def occupied(self) -> set[str]:
        """Names of the rooms that somebody is in."""
        return {name for name, hosted in self._rooms.items() if not hosted.is_empty}

    async def tidy(self) -> int:
        """Remove the folders that rooms left without anything in them; how many.

        Call it before anybody is admitted, or when all rooms are closed.
        """
        left = await on_disk(folders.entries, self._folder / "data")
        return sum([await on_disk(remove_unused, folder) for folder in left])

    def admit(self, room: str, token: str) -> Claims:
        """Decide about a connection before its upgrade is accepted.

        Raises:
            PermissionDenied: The token does not open this room (HTTP 403).
            NotFound: There cannot be a room of that name (404).
            RoomFull: The room or the server is full, or the token has its connections (503).
        """
        self._room_folder(room)
        claims = verify(token, room=room, keys=self._keys, now=self._clock.wall())
        self._check_connections(claims)
        hosted = self._rooms.get(room)
        if hosted is None and claims.service:
            raise NotFound("the room has ended, and its services with it")
        if hosted is not None and hosted.is_full:
            raise RoomFull(f"room {room!r} is full: {self._limits.max_participants} participants")
        if hosted is None:
            self._check_room_count()
        return claims

    async def serve(self, room: str, claims: Claims, connection: Connection, *, room_url: str) -> None:
        """Serve one upgraded websocket until it closes; call it with what `admit` returned.

        The connection is closed on return.  Cancelling is allowed: the participant leaves.

        Raises:
            RoomFull: The last place went to somebody else since `admit`; the connection is closed.
        """
        mark = claims.mark
        self._connections[mark] += 1
        try:
            self._check_connections(claims, 1)
            hosted = await self._opened(room)
            if not claims.service:
                self._watch_no_more(room)
            await hosted.serve(claims, connection, room_url=room_url)
        except RoomFull:
            await connection.close(1013)
            raise
        finally:
            self._connections[mark] -= 1
            if not self._connections[mark]:
                del self._connections[mark]
            self._watch_idle(room)

    def token(
        self,
        room: str,
        name: str,
        *,
        role: str = "agent",
        scope: Scope | None = None,
        ttl_s: float | None = None,
        service: str = "",
    ) -> str:
        """A participant token that this hub accepts; for `ttl_s` seconds, or for ever.

        Who is in the room when it expires stays.  Each is another token, with connections of its own.
        """
        now = self._clock.wall()
        return mint(
            name,
            room=room,
            secret=self._secret,
            role=role,
            scope=scope,
            ttl_s=ttl_s,
            now=now,
            serial=secrets.token_hex(8),
            service=service,
        )

    def claims(self, token: str, *, room: str | None = None) -> Claims:
        """Who a token is, without entering: in that room, or in whichever it is for.

        Raises:
            PermissionDenied: It is not valid, or for another room.
        """
        return verify(token, room=room, keys=self._keys, now=self._clock.wall())

    async def linked_file(self, room: str, path: str, token: str) -> LinkedFile:
        """The file behind a link that a participant was given.

        Raises:
            PermissionDenied: The link is for something else, or too old.
            NotFound: There is no such room or file.
        """
        return await on_disk(self._links.open, self._room_folder(room), room, path, token)

    async def known(self) -> list[str]:
        """Names of the rooms that are open or have something on disk, sorted."""
        return sorted({*self._rooms, *await on_disk(folders.names, self._folder / "data")})

    async def create(self, room: str, about: About | None = None) -> bool:
        """Make a room's folder, so that it is known before anybody enters; False when it is known already.

        Args:
            about: Notes to keep with it.

        Raises:
            NotFound: There cannot be a room of that name.
            RoomFull: There are as many as this server keeps by name.
        """
        folder, names = self._room_folder(room), await self.known()
        if room in names:
            return False
        if len(names) >= MAX_KNOWN_ROOMS:
            raise RoomFull(f"this server knows {MAX_KNOWN_ROOMS} rooms", cure="Delete some.")
        await on_disk(about_room.write, folder, about or {})
        return True

    async def about(self, room: str) -> About:
        """The notes that were kept when the room was made."""
        return await on_disk(about_room.read, self._room_folder(room))

    async def describe(self, room: str, about: About) -> None:
        """Keep other notes about a room."""
        await on_disk(about_room.write, self._room_folder(room), about)

    async def delete(self, room: str) -> None:
        """Send everybody away and delete the room with its files and documents.

        Raises:
            NotFound: No such room.
        """
        if room not in await self.known():
            raise NotFound(f"no room {room!r}")
        await self._end(room, self._room_folder(room))

    async def closed(self) -> list[KeptFolder]:
        """Rooms that are not open and have something on disk: of very many the newest, the newest first."""
        names = filter(is_room_name, await on_disk(folders.names, self._folder / "data"))
        closed = {name: self._room_folder(name) for name in names if name not in self._rooms}
        return await on_disk(folders.newest, closed)

    def rooms(self) -> list[RoomInfo]:
        """The open rooms, by name."""
        return [self._rooms[name].info() for name in sorted(self._rooms)]

    def room(self, name: str) -> RoomInfo:
        """One open room.

        Raises:
            NotFound: It is not open.
        """
        return self._hosted(name).info()

    def note(self, room: str, kind: str, data: dict[str, Any]) -> None:
        """Write into a room's developer log, if it is open."""
        if (hosted := self._rooms.get(room)) is not None:
            hosted.note(kind, data)

    def waits(self, room: str, queue: str) -> bool:
        """Whether somebody in that room waits for a message of this queue."""
        hosted = self._rooms.get(room)
        return hosted is not None and hosted.waits(queue)

    def hand_over(self, room: str, queue: str, message: Any) -> bool:
        """Give a message to who waits for one of this queue; False where nobody does."""
        hosted = self._rooms.get(room)
        return hosted is not None and hosted.hand_over(queue, message)

    async def dismiss(self, room: str, participant_name: str) -> int:
        """Ask the participants of that name to leave; return how many there are.

        Asking again is harmless: nobody is told twice.

        Raises:
            NotFound: The room is not open.
        """
        return self._hosted(room).dismiss(participant_name)

    async def close_room(self, room: str) -> None:
        """Send everybody away and write the room's documents.  A room that is not open is no error."""
        await self._end(room)

    async def _end(self, room: str, folder: Path | None = None) -> None:
        """Close it, and remove its folder; who comes back at once waits for both, and opens it anew."""
        self._watch_no_more(room)
        hosted, before = self._rooms.pop(room, None), self._closings.get(room)
        if hosted is not None or folder is not None:
            self._close_by(room, self._ended(before, hosted, folder))
        if (pending := self._closings.get(room)) is not None:
            await asyncio.shield(pending)

    async def _ended(
        self, before: asyncio.Task[None] | None, hosted: HostedRoom | None, folder: Path | None
    ) -> None:
        if before is not None:
            await asyncio.wait((before,))
        if hosted is not None:
            await hosted.close()
        if folder is not None:
            await on_disk(folders.remove, folder)

    def _close_by(self, room: str, work: Coroutine[Any, Any, None]) -> None:
        def over(closing: asyncio.Task[None]) -> None:
            if self._closings.get(room) is closing:
                del self._closings[room]

        self._closings[room] = asyncio.get_running_loop().create_task(work)
        self._closings[room].add_done_callback(over)

    async def aclose(self) -> None:
        """Close every room; documents are on disk afterwards."""
        await asyncio.gather(*(self.close_room(name) for name in {*self._rooms, *self._closings}))

    async def _opened(self, room: str) -> HostedRoom:
        while (closing := self._closings.get(room)) is not None:
            await asyncio.shield(closing)  # the old run may still be writing its files
        hosted = self._rooms.get(room)
        if hosted is None:
            self._check_room_count()
            hosted = self._rooms[room] = HostedRoom(
                room,
                limits=self._limits,
                folder=self._room_folder(room),
                clock=self._clock,
                mint=lambda name, scope, *, role="agent", service="": self.token(
                    room, name, role=role, scope=scope, service=service
                ),
                link=lambda room_url, path: self._links.make(room_url, room, path),
                caller=self._caller,
                listener=self._listener,
                holdings=self._holdings,
                contents=self._contents.of_room(),
                seal=self._seal,
                boxes=self._boxes,
                hidden=self._hidden,
                services=self._services,
            )
        return hosted

    def _check_connections(self, claims: Claims, mine: int = 0) -> None:
        most = self._limits.max_connections
        if claims.mark and self._connections[claims.mark] - mine >= most:
            raise RoomFull(
                f"there are {most} connections with this token already",
                cure="Close some, ask for a token for each client, or raise rooms.max_connections.",
            )

    def _check_room_count(self) -> None:
        if len(self._rooms) < self._limits.max_rooms:
            return
        for name, hosted in self._rooms.items():  # the oldest that nobody is in gives way
            if hosted.is_empty:
                self._expire(name)
                return
        raise RoomFull(
            f"this server has {self._limits.max_rooms} rooms open",
            cure="Leave some, or raise rooms.max_open.",
        )

    def _watch_idle(self, room: str) -> None:
        hosted = self._rooms.get(room)
        if hosted is not None and hosted.is_empty and room not in self._idle:
            loop = asyncio.get_running_loop()
            self._idle[room] = loop.call_later(self._limits.idle_close_s, self._expire, room)

    def _watch_no_more(self, room: str) -> None:
        if (timer := self._idle.pop(room, None)) is not None:
            timer.cancel()

    def _expire(self, room: str) -> None:
        self._watch_no_more(room)
        hosted = self._rooms.get(room)
        if hosted is not None and hosted.is_empty:
            del self._rooms[room]
            self._close_by(room, self._close_unused(hosted))

    async def _close_unused(self, hosted: HostedRoom) -> None:
        await hosted.close()
        rooms = len(await on_disk(folders.entries, self._folder / "data"))
        remember_s = REMEMBER_S if rooms <= MAX_REMEMBERED_ROOMS else 0.0
        await on_disk(remove_unused, self._room_folder(hosted.name), remember_s=remember_s)

    def _hosted(self, name: str) -> HostedRoom:
        hosted = self._rooms.get(name)
        if hosted is None:
            raise NotFound(f"room {name!r} is not open")
        return hosted

    def _room_folder(self, room: str) -> Path:
        if not is_room_name(room):
            raise NotFound("there is no room of that name", cure=ROOM_NAME_RULE)
        return self._folder / "data" / room_folder_name(room)
