"""``POST /rooms/{room}/token``: a token with which a person can enter a room of this server."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

from quart import Blueprint, Response, jsonify, request

from runtime.errors import NotFound
from runtime.front.http.body import read_body
from runtime.front.http.refusal import Refusal
from runtime.front.state import Front, caller
from runtime.rooms.token import MAX_NAME_CHARS
from runtime.wire.room_name import ROOM_NAME_RULE, is_room_name


def routes(front: Front) -> Blueprint:
    """The one route; whoever may operate the server may enter its rooms."""
    paths = Blueprint("tokens", __name__)

    @paths.post("/rooms/<room>/token")
    async def token(room: str) -> Response:
        front.access.operator(caller())
        if front.rooms is None:
            raise NotFound("this server has no rooms", cure="Ask the server that has the room.")
        if not is_room_name(room):
            raise Refusal("invalid_request", ROOM_NAME_RULE)
        raw = await read_body(request, timeout_s=front.settings.body_timeout_s)
        try:
            body: Any = json.loads(raw or b"{}")
        except (ValueError, RecursionError):
            body = None
        if not isinstance(body, dict):
            raise Refusal("invalid_request", 'Send {"name": "ada"} or nothing.')
        name = body.get("name", "user")
        if not isinstance(name, str) or not 0 < len(name) <= MAX_NAME_CHARS:
            raise Refusal("invalid_request", f"name must be a text of 1 to {MAX_NAME_CHARS} characters.")
        scheme = "wss" if request.scheme == "https" else "ws"
        return jsonify(
            room=room,
            room_url=f"{scheme}://{request.host}/rooms/{quote(room, safe='')}",
            token=front.rooms.token(room, name, role="user"),
        )

    return paths
