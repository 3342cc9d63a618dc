"""Links to a room's files: who has one may read that one file for a while, without being in the room."""

from __future__ import annotations

from pathlib import Path
from typing import Final
from urllib.parse import quote

import msgspec

from runtime.clock import Clock
from runtime.errors import PermissionDenied
from runtime.rooms.files import Files, clean_path
from runtime.wire import signature

LINK_S: Final = 3600.0
_PURPOSE: Final = "file"


class LinkedFile(msgspec.Struct, frozen=True):
    """The file that a link is for."""

    name: str
    size_bytes: int
    _files: Files
    _path: str

    def read(self, at: int, most_bytes: int) -> bytes:
        """A piece of it, as it is now.  Blocks.  Raises NotFound."""
        return self._files.read(self._path, offset=at, max_bytes=most_bytes)


class FileLinks:
    """Makes and honours links, for all rooms of a server.

    A link is signed with the hub's secret for one purpose: it is no participant token, nor is one a link.
    """

    def __init__(self, secret: str, clock: Clock) -> None:
        self._secret, self._clock = secret, clock

    def make(self, room_url: str, room: str, path: str) -> str:
        """The address of a file, from the address at which its asker reached the room."""
        claims = {"use": _PURPOSE, "room": room, "path": path, "exp": int(self._clock.wall() + LINK_S)}
        token = signature.sign_jwt(claims, self._secret)
        base = room_url.replace("ws", "http", 1) if room_url.startswith("ws") else room_url
        return f"{base}/files/{quote(path)}?token={token}"

    def open(self, folder: Path, room: str, path: str, token: str) -> LinkedFile:
        """The file that a link is for; `folder` is the room's.  Touches the disk.

        Raises:
            PermissionDenied: The token is for something else, or its time has passed.
            NotFound: The file is gone.
        """
        try:
            found = signature.read_jwt(token)
        except ValueError as error:
            raise PermissionDenied("the link's token is not valid") from error
        claims = found.claims
        if not found.is_signed_by(self._secret) or "exp" not in claims:
            raise PermissionDenied("the link's token is not valid")
        expires_at = claims["exp"]
        if not isinstance(expires_at, int | float) or expires_at <= self._clock.wall():
            raise PermissionDenied("the link has expired", cure="Ask the room for a new one.")
        path = clean_path(path)
        if (claims.get("use"), claims.get("room"), claims.get("path")) != (_PURPOSE, room, path):
            raise PermissionDenied("the link's token is for another file")
        files = Files((folder / "files").resolve(), folder / "staging", max_bytes=0)
        return LinkedFile(path.rpartition("/")[2], files.size(path), files, path)
