"""MeshAgent's accounts API, as far as its command line needs it: one project, its rooms, its key.

Who may operate the server may use it: from this machine, or with the project's API key as the bearer.
"""

from __future__ import annotations

import json
import uuid
from typing import Any, Final
from urllib.parse import quote

from quart import Blueprint, Response, jsonify, request

from runtime.errors import Conflict, NotFound
from runtime.front.http.body import read_body
from runtime.front.http.refusal import Refusal
from runtime.front.state import Front, Rooms, caller
from runtime.rooms.about import about_of
from runtime.rooms.token import FULL, ApiKey

LOCAL_PROJECT: Final = "00000000-0000-4000-8000-000000000000"
"""The project of a server that was given no API key."""

MAX_PAGE: Final = 1000
BASE: Final = "/accounts/projects"


def routes(front: Front) -> Blueprint:
    """``/accounts/projects…``."""
    paths = Blueprint("rest", __name__)
    key = ApiKey.parse(front.settings.api_key) if front.settings.api_key else None

    def opened(project: str) -> Rooms:
        front.access.operator(caller())
        if front.rooms is None:
            raise NotFound("this server has no rooms", cure="Ask the server that has the room.")
        # Without a key, whatever project a client was set up for is as good as any.
        if key is not None and project != key.project:
            raise NotFound("this server has another project", cure="Set MESHAGENT_PROJECT_ID to its own.")
        return front.rooms

    @paths.get(BASE)
    async def projects() -> Response:
        front.access.operator(caller())
        return jsonify(projects=[{"id": key.project if key else LOCAL_PROJECT, "name": "bulkhead"}])

    @paths.get(f"{BASE}/<project>/api-keys")
    async def keys(project: str) -> Response:
        opened(project)
        listed = [{"id": key.id, "name": "default", "description": "made by bulkhead setup"}] if key else []
        return jsonify(keys=listed)

    @paths.get(f"{BASE}/<project>/rooms")
    async def rooms(project: str) -> Response:
        named = await opened(project).known()
        start = _count("offset", 0)
        page = named[start : start + min(MAX_PAGE, _count("limit", MAX_PAGE))]
        held = opened(project)
        return jsonify(rooms=[await _room(held, name) for name in page], total=len(named))

    @paths.post(f"{BASE}/<project>/rooms")
    async def create(project: str) -> Response:
        held = opened(project)
        body = await _object(front)
        name = body.get("name")
        if not isinstance(name, str) or not name:
            raise Refusal("invalid_request", 'Send {"name": "myroom"}.')
        if not await held.create(name, about_of(body)) and not body.get("if_not_exists"):
            raise Conflict(f"there is a room {name!r} already")
        return jsonify(await _room(held, name))

    @paths.get(f"{BASE}/<project>/rooms/<room>")
    async def get(project: str, room: str) -> Response:
        held = opened(project)
        return jsonify(await _room(held, await _named(held, room)))

    @paths.delete(f"{BASE}/<project>/rooms/<room>")
    async def delete(project: str, room: str) -> Response:
        held = opened(project)
        await held.delete(await _named(held, room))
        return jsonify({})

    @paths.post(f"{BASE}/<project>/rooms/<room>/connect")
    async def connect(project: str, room: str) -> Response:
        held = opened(project)
        await _object(front)
        scheme = "wss" if request.scheme == "https" else "ws"
        return jsonify(
            jwt=held.token(room, "user", role="user", scope=dict(FULL)),
            room_name=room,
            project_id=project,
            room_url=f"{scheme}://{request.host}/rooms/{quote(room, safe='')}",
        )

    return paths


async def _room(held: Rooms, name: str) -> dict[str, Any]:
    return {"id": _room_id(name), "name": name, **await held.about(name)}


def _room_id(name: str) -> str:
    # Made from the name: a room needs no register of its own to be found again.
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"bulkhead:room:{name}"))


async def _named(held: Rooms, asked: str) -> str:
    for name in await held.known():
        if asked in (name, _room_id(name)):
            return name
    raise NotFound(f"there is no room {asked!r}")


async def _object(front: Front) -> dict[str, Any]:
    raw = await read_body(request, timeout_s=front.settings.body_timeout_s)
    try:
        body: Any = json.loads(raw or b"{}")
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        raise Refusal("invalid_request", "Send a JSON object.")
    return body


def _count(name: str, default: int) -> int:
    try:
        return max(0, int(request.args.get(name, default)))
    except ValueError:
        return default
