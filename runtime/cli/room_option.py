"""The name of a room as it is given to a command."""

from __future__ import annotations

from runtime.cli.failure import CommandFailed, ExitCode
from runtime.wire.room_name import ROOM_NAME_RULE, is_room_name


def check_room(room: str) -> None:
    """Raise CommandFailed, with the rule, for what cannot be the name of a server's own room."""
    if not is_room_name(room):
        raise CommandFailed(
            f"{room!r} cannot be the name of a room", cure=ROOM_NAME_RULE, exit_code=ExitCode.USAGE
        )
