"""``POST /rooms/{room}/token``: a token with which a person can enter a room of this server."""

from __future__ import annotations

from quart import Blueprint, request

from runtime.errors import NotFound
from runtime.front.http.contract import belongs, gives, takes
from runtime.front.http.origin import room_address
from runtime.front.http.refusal import Refusal
from runtime.front.openapi.shapes.rooms import Ticket, TokenRequest
from runtime.front.state import Front, caller
from runtime.rooms.token import PERSON
from runtime.session.info import served
from runtime.wire.room_name import ROOM_NAME_RULE, is_room_name


def routes(front: Front) -> Blueprint:
    """The one route; whoever may operate the server may enter its rooms."""
    paths = Blueprint("tokens", __name__)
    belongs(paths, "rooms", to_operators=True)

    @paths.before_request
    async def trust() -> None:
        front.access.operator(caller())

    @paths.post("/rooms/<room>/token")
    @takes(TokenRequest, example=TokenRequest(name="ada"))
    @gives(Ticket)
    async def token(room: str, data: TokenRequest) -> Ticket:
        """What a person can enter a room with"""
        if front.rooms is None:
            raise NotFound("this server has no rooms", cure="Ask the server that has the room.")
        if not is_room_name(room):
            raise Refusal("invalid_request", ROOM_NAME_RULE)
        if _is_agent(front, room, data.name):
            raise Refusal(
                "name_taken",
                f"{data.name} is the name of an agent here: what is said to it would come to you. "
                "Choose another.",
            )
        lasts_s = front.settings.token_s
        scope = {**PERSON, "containers": {}} if data.containers else dict(PERSON)
        return Ticket(
            room=room,
            room_url=room_address(
                room, caller().headers, scheme=request.scheme, public_url=front.settings.public_url
            ),
            token=front.rooms.token(room, data.name, role="user", scope=scope, ttl_s=lasts_s),
            expires_in_s=lasts_s,
        )

    return paths


def _is_agent(front: Front, room: str, name: str) -> bool:
    """Whether an agent has this name: one that is served, or one from elsewhere that is in the room."""
    if any(endpoint.identity == name for endpoint in served(front.placement.endpoints())):
        return True
    rooms = [] if front.rooms is None else front.rooms.rooms()
    return any(
        member.name == name and member.role == "agent"
        for one in rooms
        if one.name == room
        for member in one.participants
    )
