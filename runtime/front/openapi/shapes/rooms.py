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
    containers: Annotated[
        bool, Meta(description="Containers of the room, too: who operates, not who talks")
    ] = False


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


class Deployment(Shape, frozen=True, kw_only=True):
    """What clients ask of a server before all else."""

    domains: Annotated[dict[str, str], Meta(description="Of other parts of a deployment; there are none")]


class ServiceAccount(Shape, frozen=True, kw_only=True):
    """Who services act for, where it is not a person."""

    id: str
    project_id: str
    key: str
    name: str
    email: str
    description: str


class ServiceAccounts(Shape, frozen=True, kw_only=True):
    """The one that there is, or none that is meant by the filter."""

    service_accounts: list[ServiceAccount]
    continuation_token: str | None = None


class FilterQuery(Shape, frozen=True, kw_only=True):
    """Which ones."""

    filter: Annotated[str, Meta(description="Text in the name")] = ""
    page_size: Annotated[int, Meta(ge=1, le=10**9, description="All are given, whatever it says")] = 100
    project_id: Annotated[str, Meta(description="Of the server's one project")] = ""
    continuation_token: str = ""
    view: str = ""


class RoomRun(Shape, frozen=True, kw_only=True):
    """One run of a room."""

    id: str
    room_id: str
    room_name: str
    created_at: Time
    is_active: bool
    participants: Annotated[dict[str, int], Meta(description="How many there are, by role")]


class RoomRuns(Shape, frozen=True, kw_only=True):
    """Runs of rooms that are open."""

    sessions: list[RoomRun]


class RunQuery(Shape, frozen=True, kw_only=True):
    """Which runs."""

    limit: Annotated[int, Meta(ge=1, le=10**9)] = 25
    room_id: str = ""


class RunEvents(Shape, frozen=True, kw_only=True):
    """What is kept of a run here: nothing.  The room's own log has it."""

    events: list[dict[str, Any]]


class RunSpans(Shape, frozen=True, kw_only=True):
    """What is kept of a run here: nothing."""

    spans: list[dict[str, Any]]


class RunMetrics(Shape, frozen=True, kw_only=True):
    """What is kept of a run here: nothing."""

    metrics: list[dict[str, Any]]


class RoomStatus(Shape, frozen=True, kw_only=True):
    """Whether a room is open: Allocated, or Unallocated."""

    status: str
    allocated_at: Time | None = None


class ChangedRoom(Shape, frozen=True, kw_only=True):
    """What is to be noted about a room; what is left out stays."""

    name: Annotated[str, Meta(min_length=1, description="As it is: rooms are not renamed")]
    metadata: dict[str, Any] | UnsetType | None = UNSET
    annotations: dict[str, Any] | UnsetType | None = UNSET
    enabled: Annotated[bool | None, Meta(description="A room cannot be disabled")] | UnsetType = UNSET
