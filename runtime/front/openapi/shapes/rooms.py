"""Rooms, their participants, what to enter them with; and MeshAgent's accounts API over them."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import UNSET, Meta, UnsetType

from runtime.front.openapi.shapes.shape import Shape, Time
from runtime.rooms.token import MAX_NAME_CHARS

Token = Annotated[str, Meta(description="Participant token: a JWT")]
RoomUrl = Annotated[str, Meta(examples=["ws://127.0.0.1:8080/rooms/myroom"])]


class Participant(Shape, frozen=True, kw_only=True):
    """Somebody in a room."""

    id: str
    name: str
    role: str
    visible: bool
    attributes: dict[str, Any]
    toolkits: list[str]
    agents: list[str]


class Room(Shape, frozen=True, kw_only=True):
    """An open room, and who is in it."""

    name: str
    session_id: str
    opened_at: Time
    participants: list[Participant]
    documents: Annotated[list[str], Meta(description="Paths of the open ones")]
    queues: Annotated[dict[str, int], Meta(description="Messages that wait, by queue")]


class ClosedRoom(Shape, frozen=True, kw_only=True):
    """A room that nobody has open, and which has something on disk."""

    name: str
    size_bytes: Annotated[int, Meta(description="On disk: files, threads, tables, what it remembers")]
    used_at: Annotated[Time, Meta(description="When the last of it was written")]


class ClosedRooms(Shape, frozen=True, kw_only=True):
    """Rooms that are not open, the newest first; of very many the newest 200."""

    rooms: list[ClosedRoom]


class Rooms(Shape, frozen=True, kw_only=True):
    """Open rooms, as Studio's stream tells of them."""

    rooms: list[Room]


class TokenQuery(Shape, frozen=True, kw_only=True):
    """How one enters who cannot send a header."""

    token: Annotated[str, Meta(description="Participant token; or send it as Authorization: Bearer")] = ""


class FileQuery(Shape, frozen=True, kw_only=True):
    """What the link to a file carries."""

    token: Annotated[str, Meta(description="Of the link")] = ""


class TokenRequest(Shape, frozen=True, kw_only=True):
    """Who wants to enter."""

    name: Annotated[str, Meta(min_length=1, max_length=MAX_NAME_CHARS)] = "user"


class Ticket(Shape, frozen=True, kw_only=True):
    """What to connect to, and with what."""

    room: str
    room_url: RoomUrl
    token: Token
    expires_in_s: Annotated[float, Meta(description="Enter within it; who is in the room then stays")]


class Project(Shape, frozen=True, kw_only=True):
    """A project of MeshAgent's."""

    id: str
    name: str


class Projects(Shape, frozen=True, kw_only=True):
    """The server's one project."""

    projects: list[Project]


class ApiKeyName(Shape, frozen=True, kw_only=True):
    """An API key; not its secret."""

    id: str
    name: str
    description: str


class ApiKeys(Shape, frozen=True, kw_only=True):
    """The key of `bulkhead setup`, where the server has one, and those that were made here."""

    keys: list[ApiKeyName]


class NewApiKey(Shape, frozen=True, kw_only=True):
    """An API key to be made."""

    name: Annotated[str, Meta(min_length=1, max_length=200)]
    description: Annotated[str, Meta(max_length=2000)] = ""


class MadeApiKey(Shape, frozen=True, kw_only=True):
    """A new API key, with what it is: no other answer has that."""

    id: str
    name: str
    description: str
    value: str


class KeptRoom(Shape, frozen=True, kw_only=True):
    """A room that is open or has something on disk."""

    id: str
    name: str
    metadata: dict[str, Any]
    annotations: dict[str, Any]


class KeptRooms(Shape, frozen=True, kw_only=True):
    """A page of the rooms, and how many there are."""

    rooms: list[KeptRoom]
    total: int


class PageQuery(Shape, frozen=True, kw_only=True):
    """Which page."""

    offset: Annotated[int, Meta(ge=0, le=10**9)] = 0
    limit: Annotated[int, Meta(ge=0, le=10**9, description="At most 1000 are given")] = 1000


class NewRoom(Shape, frozen=True, kw_only=True):
    """A room to be made."""

    name: Annotated[str, Meta(min_length=1)]
    if_not_exists: Annotated[bool | None, Meta(description="Not to mind one that is there")] | UnsetType = (
        UNSET
    )
    metadata: dict[str, Any] | UnsetType | None = UNSET
    annotations: dict[str, Any] | UnsetType | None = UNSET


class Nothing(Shape, frozen=True, kw_only=True):
    """Nothing."""


class Connection(Shape, frozen=True, kw_only=True):
    """What to enter a room with."""

    jwt: Token
    room_name: str
    project_id: str
    room_url: RoomUrl
