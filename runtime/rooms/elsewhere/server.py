"""Rooms of a MeshAgent server elsewhere: their addresses, and tokens that the project's API key signs."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote, urlsplit

from runtime.errors import ConfigError, PermissionDenied
from runtime.rooms.token import ApiKey, mint

MESHAGENT_URL: Final = "https://api.meshagent.com"


class Elsewhere:
    """A server that has rooms, and a project in it.

    Args:
        url: The server's base address, as in ``MESHAGENT_API_URL``.
        api_key: The project's key, as in ``MESHAGENT_API_KEY``.

    Raises:
        ConfigError: One of the two cannot be used.
    """

    def __init__(self, url: str, api_key: str) -> None:
        try:
            parts = urlsplit(url)
            is_address = parts.scheme in ("http", "https", "ws", "wss") and bool(parts.hostname)
        except ValueError:
            is_address = False
        if not is_address:
            cure = f"Set MESHAGENT_API_URL to one such as {MESHAGENT_URL}, or leave it unset for that."
            raise ConfigError(f"{url!r} is no address of a server with rooms", cure=cure)
        cure = "Set MESHAGENT_API_KEY to a key of the project there; it begins with ma-."
        if not api_key:
            raise ConfigError("rooms elsewhere are entered with the API key of a project", cure=cure)
        try:
            self._key = ApiKey.parse(api_key)
        except PermissionDenied:
            raise ConfigError("that is no API key of a project", cure=cure) from None
        self.url = url.rstrip("/")

    def room_url(self, room: str) -> str:
        """Where a participant joins."""
        scheme, rest = self.url.split("://", 1)
        websocket = {"http": "ws", "https": "wss"}.get(scheme, scheme)
        return f"{websocket}://{rest}/rooms/{quote(room, safe='')}"

    def token(self, room: str, identity: str) -> str:
        """Lets an agent of that name into the room."""
        key = self._key
        return mint(identity, room=room, secret=key.secret, kid=key.id, project=key.project)
