"""Links that open the Studio, and leaving it again: for who may operate the server."""

from __future__ import annotations

from urllib.parse import quote

from quart import Blueprint, Response

from runtime.front.access.browser_sessions import CODE_S
from runtime.front.http.contract import belongs, gives, json_answer, takes
from runtime.front.http.refusal import Refusal
from runtime.front.openapi.shapes.health import Alive
from runtime.front.openapi.shapes.studio import Link, LinkRequest
from runtime.front.state import Front, caller
from runtime.wire.room_name import ROOM_NAME_RULE, is_room_name


def routes(front: Front) -> Blueprint:
    """``/studio/links`` and ``/studio/leave``."""
    paths = Blueprint("links", __name__)
    belongs(paths, "studio", to_operators=True)

    @paths.before_request
    async def trust() -> None:
        front.access.operator(caller())

    @paths.post("/studio/links")
    @takes(LinkRequest, example=LinkRequest(room="myroom"))
    @gives(Link)
    async def links(data: LinkRequest) -> Link:
        """A link that opens the Studio"""
        if data.room and not is_room_name(data.room):
            raise Refusal("invalid_request", ROOM_NAME_RULE, field="room")
        return await _link(front, data)

    @paths.post("/studio/leave")
    @gives(Alive)
    async def leave() -> Response:
        """End the browser session"""
        front.access.browser_sessions.leave(front.access.browser_session_of(caller()))
        answer = json_answer(Alive())
        answer.delete_cookie(front.access.cookie, path="/", httponly=True, samesite="Strict")
        return answer

    return paths


async def _link(front: Front, wanted: LinkRequest) -> Link:
    """With a code in it where being on this machine is not enough, or cannot be told."""
    base = (front.settings.public_url or front.url).rstrip("/")
    url = f"{base}/studio/" + (f"rooms/{quote(wanted.room, safe='')}" if wanted.room else "")
    is_open = front.settings.insecure or (
        front.is_loopback and not front.access.is_locked and await front.origins.can_tell()
    )
    if is_open and not wanted.code:
        return Link(url=url, expires_in_s=None)
    return Link(url=f"{url}?t={front.access.browser_sessions.code()}", expires_in_s=CODE_S)
