"""Names of this server's own rooms: one rule for the door, the rooms and the command line.  Pure.

A name is part of an address (``/rooms/{name}``) and, quoted, the name of a folder.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

MAX_QUOTED_CHARS: Final = 200

ROOM_NAME_RULE: Final = (
    "A room's name has 1 to 200 printable characters and no slash, and is not '.' or '..' "
    "(a character other than A-Z, a-z, 0-9, '-', '_', '~' and space counts as three or more)."
)


def is_room_name(name: str) -> bool:
    """Whether this server can have a room of that name."""
    folder = room_folder_name(name)
    return (
        0 < len(folder) <= MAX_QUOTED_CHARS
        and name.isprintable()
        and "/" not in name
        and name not in (".", "..")
    )


def room_folder_name(name: str) -> str:
    """The name of the room's folder; empty when there cannot be one."""
    try:
        return quote(name, safe=" ").replace(".", "%2E")  # no name may be "." or ".."
    except UnicodeEncodeError:
        return ""
