"""The embedded room server's door: a websocket per participant, decided upon before it is accepted."""

from __future__ import annotations

import asyncio
import mimetypes
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Final
from urllib.parse import quote

from quart import Blueprint, Response, websocket

from runtime.clock import iso
from runtime.errors import NotFound
from runtime.front.http.contract import also, asks, belongs, for_operators, gives
from runtime.front.http.origin import room_address
from runtime.front.http.problems import UPGRADE, problem
from runtime.front.http.refusal import Refusal
from runtime.front.http.socket import PacketSocket
from runtime.front.openapi.shapes.rooms import (
    ClosedRoom,
    ClosedRooms,
    FileQuery,
    Nothing,
    Participant,
    Room,
    TokenQuery,
)
from runtime.front.state import Front, caller
from runtime.rooms.elsewhere.dialled import INWARD
from runtime.rooms.live import RoomInfo
from runtime.rooms.signing.links import LinkedFile

PIECE_BYTES: Final = 256 << 10


def routes(front: Front) -> Blueprint:
    """``/rooms`` and ``/rooms/{room}``."""
    paths = Blueprint("rooms", __name__)
    belongs(paths, "rooms")

    @paths.get("/rooms")
    @for_operators
    @gives(list[Room])
    async def rooms() -> list[Room]:
        """Open rooms, and who is in them"""
        front.access.operator(caller())
        return [] if front.rooms is None else [room_of(room) for room in front.rooms.rooms()]

    @paths.get("/closed-rooms")
    @for_operators
    @gives(ClosedRooms)
    async def closed() -> ClosedRooms:
        """Rooms that are not open and have something on disk"""
        front.access.operator(caller())
        kept = [] if front.rooms is None else await front.rooms.closed()
        return ClosedRooms(
            rooms=[
                ClosedRoom(name=one.room, size_bytes=one.size_bytes, used_at=iso(one.used_at)) for one in kept
            ]
        )

    @paths.delete("/rooms/<room>")
    @for_operators
    @gives(Nothing)
    async def delete(room: str) -> Nothing:
        """Send everybody away, and delete the room with its files and documents"""
        front.access.operator(caller())
        if front.rooms is None:
            raise NotFound("this server has no rooms", cure="Ask the server that has the room.")
        await front.rooms.delete(room)
        return Nothing()

    @paths.get("/rooms/<room>/files/<path:path>")
    @asks(FileQuery)
    @also(200, "Its bytes, to be saved", "*/*")
    async def file(room: str, path: str, query_args: FileQuery) -> Response:
        """A room's file, by the link that storage.download_url gave: good for an hour and this file"""
        if front.rooms is None:
            raise NotFound("this server has no rooms", cure="Ask the server that has the room.")
        found = await front.rooms.linked_file(room, path, query_args.token)
        answer = Response(_pieces(found), mimetype=_media_type(path))
        answer.headers["Content-Length"] = str(found.size_bytes)
        answer.timeout = None
        # What participants upload must not run as a page of this server, which trusts its own pages.
        answer.headers["Content-Disposition"] = f"attachment; filename*=UTF-8''{quote(found.name)}"
        answer.headers["Content-Security-Policy"] = "sandbox; default-src 'none'"
        answer.headers["Cache-Control"] = "private, no-store"
        return answer

    @paths.get("/rooms/<room>")
    @asks(TokenQuery)
    @also(101, "The room protocol follows")
    async def not_upgraded(room: str, query_args: TokenQuery) -> Response:
        """Enter a room, by websocket"""
        how = "Open it as a websocket, with a participant token. GET /rooms lists who is in the open rooms."
        return problem("upgrade_required", how, headers=UPGRADE)

    @paths.websocket("/rooms/<room>")
    async def enter(room: str) -> None:
        # 403 and 404 end a client's attempts for good;
        # being let in and then closed makes it try for ever.
        if front.rooms is None:
            raise NotFound("this server has no rooms", cure="Join the room where its room_url says.")
        if front.closing.is_set():
            raise Refusal("draining", "The server is shutting down.", headers={"Retry-After": "5"})
        scheme, _, bearer = websocket.headers.get("Authorization", "").partition(" ")
        token = websocket.args.get("token") or (bearer.strip() if scheme.lower() == "bearer" else "")
        claims = front.rooms.admit(room, token)
        if INWARD in websocket.headers:
            claims = replace(claims, is_inward=True)
        await websocket.accept()
        connection = PacketSocket.current()
        given = {"host": f"127.0.0.1:{front.port}", **caller().headers}
        scheme = "https" if websocket.scheme == "wss" else "http"
        room_url = room_address(room, given, scheme=scheme, public_url=front.settings.public_url)
        await front.rooms.serve(room, claims, connection, room_url=room_url)
        await connection.close()

    return paths


def _media_type(path: str) -> str:
    return mimetypes.guess_type(path)[0] or "application/octet-stream"


def room_of(room: RoomInfo) -> Room:
    """An open room as the API shows it."""
    return Room(
        name=room.name,
        session_id=room.session_id,
        opened_at=iso(room.opened_at),
        participants=[
            Participant(
                id=participant.id,
                name=participant.name,
                role=participant.role,
                visible=participant.visible,
                attributes=dict(participant.attributes),
                toolkits=list(participant.toolkits),
                agents=list(participant.agents),
            )
            for participant in room.participants
        ],
        documents=list(room.documents),
        queues=dict(room.queues),
    )


async def _pieces(file: LinkedFile) -> AsyncIterator[bytes]:
    """The file in pieces, opened for each: a request that is cancelled meanwhile leaves nothing open."""
    at, size_bytes = 0, file.size_bytes
    while at < size_bytes and (
        piece := await asyncio.to_thread(file.read, at, min(PIECE_BYTES, size_bytes - at))
    ):
        at += len(piece)
        yield piece
