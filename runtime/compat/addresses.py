"""Addresses and tokens out of the environment, for programs that enter a room by themselves."""

from __future__ import annotations

import os
from urllib.parse import quote

from runtime.compat.participant_token import ApiScope, ParticipantToken
from runtime.sdk.room.transport import WebSocketClientProtocol

DEFAULT_BASE_URL = "http://localhost:8080"


def meshagent_base_url(base_url: str | None = None) -> str:
    """The server's address: the argument, ``MESHAGENT_API_URL``, or a server on this machine."""
    return (base_url or os.environ.get("MESHAGENT_API_URL") or DEFAULT_BASE_URL).rstrip("/")


def websocket_room_url(*, room_name: str, base_url: str | None = None) -> str:
    """The websocket address of a room; ``MESHAGENT_ROOM_URL`` wins when no base is given."""
    if base_url is None and (url := os.environ.get("MESHAGENT_ROOM_URL")):
        return url
    base = meshagent_base_url(base_url)
    return f"ws{base.removeprefix('http')}/rooms/{quote(room_name, safe='')}"


def participant_token(*, participant_name: str, room_name: str, role: str | None = None) -> ParticipantToken:
    """A token for the room with the agents' permissions; sign it with ``to_jwt``."""
    token = ParticipantToken(name=participant_name, project_id=os.environ.get("MESHAGENT_PROJECT_ID"))
    if role is not None:
        token.add_role_grant(role)
    token.add_room_grant(room_name)
    token.add_api_grant(ApiScope.agent_default())
    return token


def websocket_protocol(
    *, participant_name: str, room_name: str, role: str | None = None
) -> WebSocketClientProtocol:
    """How to enter a room under a name, with a token signed by what the environment has."""
    token = participant_token(participant_name=participant_name, room_name=room_name, role=role)
    return WebSocketClientProtocol(url=websocket_room_url(room_name=room_name), token=token.to_jwt())
