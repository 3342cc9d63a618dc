"""MeshAgent's accounts API, as far as its command line needs it: one project, its rooms, its key.

Who may operate the server may use it: from this machine, or with the project's API key as the bearer.
"""

from __future__ import annotations

import uuid
from difflib import get_close_matches
from functools import partial
from typing import Final

from msgspec import to_builtins
from quart import Blueprint, request

from runtime.errors import Conflict, NotFound
from runtime.front.access.rules import project_of
from runtime.front.http.contract import asks, belongs, gives, takes
from runtime.front.http.origin import room_address
from runtime.front.openapi.shapes.rooms import (
    ApiKeyName,
    ApiKeys,
    Connection,
    KeptRoom,
    KeptRooms,
    MadeApiKey,
    NewApiKey,
    NewRoom,
    Nothing,
    PageQuery,
    Project,
    Projects,
)
from runtime.front.state import Front, Rooms, caller
from runtime.rooms.kept.about import about_of
from runtime.rooms.token import FULL, ApiKey
from runtime.services.service import PROJECT

MAX_PAGE: Final = 1000
MAX_NAMED: Final = 10
"""So many rooms are named to whoever asks for one that there is not."""
MAX_COMPARED: Final = 1000
"""Of so many, the nearest to what was asked for is looked for."""
BASE: Final = "/accounts/projects"


def routes(front: Front) -> Blueprint:
    """``/accounts/projects…``."""
    paths = Blueprint("rest", __name__)
    belongs(paths, "accounts", to_operators=True)
    key = ApiKey.parse(front.settings.api_key) if front.settings.api_key else None
    own = project_of(front.settings.api_key)

    @paths.before_request
    async def trust() -> None:
        front.access.operator(caller())

    opened = partial(opened_project, front)

    @paths.get(BASE)
    @gives(Projects)
    async def projects() -> Projects:
        """The server's one project"""
        return Projects(projects=[Project(id=own, name="bulkhead")])

    @paths.get(f"{BASE}/<project>")
    @gives(Project)
    async def project(project: str) -> Project:
        """The server's one project, by its id"""
        opened(project)
        return Project(id=project, name="bulkhead")

    @paths.get(f"{BASE}/<project>/api-keys")
    @gives(ApiKeys)
    async def keys(project: str) -> ApiKeys:
        """Its API keys, by name and id"""
        opened(project)
        made_by = "made by bulkhead setup"
        first = [ApiKeyName(id=key.id, name="default", description=made_by)] if key else []
        kept = await front.store.keys.listed() if front.store is not None else []
        return ApiKeys(
            keys=[
                *first,
                *(ApiKeyName(id=one.id, name=one.name, description=one.description) for one in kept),
            ]
        )

    @paths.post(f"{BASE}/<project>/api-keys")
    @takes(NewApiKey, example=NewApiKey(name="ci", description="For the build"))
    @gives(MadeApiKey)
    async def make_key(project: str, data: NewApiKey) -> MadeApiKey:
        """Make an API key, which is shown this once"""
        opened(project)
        assert front.store is not None
        by = front.access.how(caller())
        made, text = await front.store.keys.create(data.name, description=data.description, by=by)
        return MadeApiKey(id=made.id, name=made.name, description=made.description, value=text)

    @paths.delete(f"{BASE}/<project>/api-keys/<key_id>")
    @gives(Nothing)
    async def delete_key(project: str, key_id: str) -> Nothing:
        """Delete an API key; tokens that it signed are void at once"""
        opened(project)
        assert front.store is not None
        if key is not None and key_id == key.id:
            raise Conflict("this key is the server's own", cure="Take it out of MESHAGENT_API_KEY instead.")
        await front.store.keys.delete(key_id)
        return Nothing()

    @paths.get(f"{BASE}/<project>/rooms")
    @asks(PageQuery)
    @gives(KeptRooms)
    async def rooms(project: str, query_args: PageQuery) -> KeptRooms:
        """Rooms that are open, have something on disk, or a service"""
        held = opened(project)
        named = await known_rooms(front)
        page = named[query_args.offset :][: min(MAX_PAGE, query_args.limit)]
        return KeptRooms(rooms=[await _room(held, name) for name in page], total=len(named))

    @paths.post(f"{BASE}/<project>/rooms")
    @takes(NewRoom, example=NewRoom(name="myroom"))
    @gives(KeptRoom)
    async def create(project: str, data: NewRoom) -> KeptRoom:
        """Make a room"""
        held = opened(project)
        if not await held.create(data.name, about_of(to_builtins(data))) and not data.if_not_exists:
            cure = "Where that is no mistake, say if_not_exists (bulkhead room create --if-not-exists)."
            raise Conflict(f"there is a room {data.name!r} already", cure=cure)
        return await _room(held, data.name)

    @paths.get(f"{BASE}/<project>/rooms/<room>")
    @gives(KeptRoom)
    async def get(project: str, room: str) -> KeptRoom:
        """One room, by name or id"""
        held = opened(project)
        return await _room(held, await named_room(front, room))

    @paths.delete(f"{BASE}/<project>/rooms/<room>")
    @gives(Nothing)
    async def delete(project: str, room: str) -> Nothing:
        """Delete a room with its files and documents"""
        held = opened(project)
        name = await named_room(front, room)
        if name in await held.known():
            await held.delete(name)
        if front.store is not None:
            await front.store.services.delete_room(name)
        if front.services is not None:
            front.services.changed(name)
        return Nothing()

    @paths.post(f"{BASE}/<project>/rooms/<room>/connect")
    @takes(Nothing, example=Nothing())
    @gives(Connection)
    async def connect(project: str, room: str, data: Nothing) -> Connection:
        """What to enter a room with"""
        held = opened(project)
        return Connection(
            jwt=held.token(room, "user", role="user", scope=dict(FULL), ttl_s=front.settings.token_s),
            room_name=room,
            project_id=project,
            room_url=room_address(
                room, caller().headers, scheme=request.scheme, public_url=front.settings.public_url
            ),
        )

    return paths


def opened_project(front: Front, project: str) -> Rooms:
    """The rooms of a project; raises NotFound where that is not ours."""
    if front.rooms is None:
        raise NotFound("this server has no rooms", cure="Ask the server that has the room.")
    key = ApiKey.parse(front.settings.api_key) if front.settings.api_key else None
    # Without a key, whatever project a client was set up for is as good as any.
    if key is not None and project != key.project:
        raise NotFound("this server has another project", cure="Set MESHAGENT_PROJECT_ID to its own.")
    return front.rooms


async def _room(held: Rooms, name: str) -> KeptRoom:
    return KeptRoom(id=room_id(name), name=name, **await held.about(name))


def room_id(name: str) -> str:
    """The id of a room."""
    # Made from the name: a room needs no register of its own to be found again.
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"bulkhead:room:{name}"))


async def known_rooms(front: Front) -> list[str]:
    """Names of the rooms that are open, have something on disk, or a service, sorted."""
    assert front.rooms is not None
    names = set(await front.rooms.known())
    if front.store is not None:
        names |= {one.room for one in await front.store.services.listed(room=None) if one.room != PROJECT}
    return sorted(names)


async def named_room(front: Front, asked: str) -> str:
    """The name of a room that is known, by its name or its id; raises NotFound."""
    known = await known_rooms(front)
    for name in known:
        if asked in (name, room_id(name)):
            return name
    told = ", ".join(known[:MAX_NAMED]) + (" …" if len(known) > MAX_NAMED else "")
    near = get_close_matches(asked[:100], known[:MAX_COMPARED], n=1)
    guess = f"Did you mean {near[0]}? " if near else ""
    raise NotFound(
        f"there is no room {asked[:100]!r}",
        cure=f"{guess}Known are: {told}." if known else "There is none yet.",
    )
