"""Runs of rooms that are open, and ending one: sessions, as MeshAgent's accounts API calls them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Final

from quart import Blueprint

from runtime.clock import iso
from runtime.errors import InvalidRequest, NotFound
from runtime.front.http.contract import asks, belongs, gives, takes
from runtime.front.openapi.shapes.rooms import (
    ChangedRoom,
    Nothing,
    RoomRun,
    RoomRuns,
    RoomStatus,
    RunEvents,
    RunMetrics,
    RunQuery,
    RunSpans,
)
from runtime.front.openapi.shapes.shape import Shape
from runtime.front.operator.room.accounts import named_room, opened_project, room_id
from runtime.front.state import Front, caller
from runtime.rooms.kept.about import NOTES, about_of
from runtime.rooms.live import RoomInfo

BASE: Final = "/accounts/projects/<project>/sessions"
OF_ROOM: Final = "/accounts/projects/<project>/rooms/<room>"


def routes(front: Front) -> Blueprint:
    """``/accounts/projects/…/sessions``, and what else is asked of one room."""
    paths = Blueprint("room_runs", __name__)
    belongs(paths, "accounts", to_operators=True)

    @paths.before_request
    async def trust() -> None:
        front.access.operator(caller())

    def run(project: str, session_id: str) -> RoomInfo:
        for one in opened_project(front, project).rooms():
            if one.session_id == session_id:
                return one
        raise NotFound("no room is open by that session", cure="Sessions that ended are not kept here.")

    @paths.get(f"{BASE}/active")
    @gives(RoomRuns)
    async def active(project: str) -> RoomRuns:
        """Rooms that are open"""
        return _told(opened_project(front, project).rooms())

    @paths.get(BASE)
    @asks(RunQuery)
    @gives(RoomRuns)
    async def recent(project: str, query_args: RunQuery) -> RoomRuns:
        """Rooms that are open, the newest first: those that were are not kept"""
        rooms = opened_project(front, project).rooms()
        wanted = [one for one in rooms if query_args.room_id in ("", room_id(one.name))]
        return _told(sorted(wanted, key=lambda one: -one.opened_at)[: query_args.limit])

    @paths.get(f"{OF_ROOM}/sessions")
    @asks(RunQuery)
    @gives(RoomRuns)
    async def of_room(project: str, room: str, query_args: RunQuery) -> RoomRuns:
        """The run of a room that is open"""
        return _told(one for one in opened_project(front, project).rooms() if one.name == room)

    @paths.get(f"{BASE}/<session_id>")
    @gives(RoomRun)
    async def one(project: str, session_id: str) -> RoomRun:
        """One run of a room that is open"""
        return _run(run(project, session_id))

    def nothing(what: str, shape: Callable[..., Shape]) -> None:
        """A list that is always empty."""

        @gives(shape)
        async def none(project: str, session_id: str) -> Shape:
            """None: what happens in a room is in its own log"""
            run(project, session_id)
            return shape(**{what: []})

        paths.add_url_rule(f"{BASE}/<session_id>/{what}", what, none)

    nothing("events", RunEvents)
    nothing("spans", RunSpans)
    nothing("metrics", RunMetrics)

    @paths.post(f"{BASE}/<session_id>/terminate")
    @paths.post(f"{BASE}/<session_id>/kill")
    @gives(Nothing)
    async def end(project: str, session_id: str) -> Nothing:
        """Close a room: everybody is sent away, and its services end"""
        await opened_project(front, project).close_room(run(project, session_id).name)
        return Nothing()

    # ---- a room

    @paths.get(f"{OF_ROOM}/status")
    @gives(RoomStatus)
    async def status(project: str, room: str) -> RoomStatus:
        """Whether a room is open"""
        held = opened_project(front, project)
        name = await named_room(front, room)
        opened = next((one.opened_at for one in held.rooms() if one.name == name), None)
        if opened is None:
            return RoomStatus(status="Unallocated")
        return RoomStatus(status="Allocated", allocated_at=iso(opened))

    @paths.put(OF_ROOM)
    @takes(ChangedRoom, example=ChangedRoom(name="myroom", metadata={"team": "red"}))
    @gives(Nothing)
    async def change(project: str, room: str, data: ChangedRoom) -> Nothing:
        """Change the notes about a room"""
        held = opened_project(front, project)
        name = await named_room(front, room)
        if data.name != name:
            raise InvalidRequest(f"room {name!r} cannot be renamed", cure="Make another room.")
        if data.enabled is False:
            cure = "Close it with POST …/sessions/{id}/terminate, or delete it."
            raise InvalidRequest("rooms cannot be disabled here", cure=cure)
        kept = dict(await held.about(name))
        given = {note: value for note in NOTES if isinstance(value := getattr(data, note), dict)}
        await held.describe(name, about_of(kept | given))
        return Nothing()

    return paths


def _told(rooms: Iterable[RoomInfo]) -> RoomRuns:
    return RoomRuns(sessions=[_run(one) for one in rooms])


def _run(one: RoomInfo) -> RoomRun:
    return RoomRun(
        id=one.session_id,
        room_id=room_id(one.name),
        room_name=one.name,
        created_at=iso(one.opened_at),
        is_active=True,
        participants=dict(Counter(participant.role for participant in one.participants)),
    )
