"""Options that several commands share, spelt the same everywhere."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from runtime.cli import completion
from runtime.cli.terminal import Output

if TYPE_CHECKING:
    from runtime.rooms.elsewhere.server import Elsewhere
    from runtime.settings import ServerSettings

Url = Annotated[
    str | None,
    typer.Option(
        "--url",
        envvar="BULKHEAD_URL",
        help="Server to ask; default: the one running here.",
        show_default=False,
    ),
]
Form = Annotated[Output, typer.Option("--output", "-o", help="How to write the list.")]
Room = Annotated[
    str | None,
    typer.Option(
        "--room", "-r", help="Name of the room.", show_default=False, autocompletion=completion.rooms
    ),
]
NeededRoom = Annotated[
    str,
    typer.Option(
        "--room",
        "-r",
        envvar="MESHAGENT_ROOM",
        help="Name of the room.",
        autocompletion=completion.rooms,
    ),
]
Host = Annotated[
    str | None, typer.Option("--host", help="Address to listen on (127.0.0.1).", show_default=False)
]
Port = Annotated[
    int | None,
    typer.Option(
        "--port", "-p", min=0, max=65535, help="Port to listen on; 0: a free one.", show_default=False
    ),
]
Config = Annotated[
    Path | None,
    typer.Option("--config", help="File of settings (bulkhead.toml, when there is one).", show_default=False),
]
State = Annotated[
    Path | None,
    typer.Option(
        "--state-dir", help="Folder for journal, rooms and threads (.bulkhead).", show_default=False
    ),
]
Watch = Annotated[
    bool | None,
    typer.Option("--watch/--no-watch", help="Load changed and new files while running.", show_default=False),
]


class Reload(StrEnum):
    """What becomes of the sessions that a command called, when the program was loaded again."""

    RESTART = "restart"
    KEEP = "keep"


Env = Annotated[
    list[str] | None,
    typer.Option("--env", "-e", help="NAME=TEXT, a variable of it; again for more.", show_default=False),
]
Secrets = Annotated[
    list[str] | None,
    typer.Option(
        "--secret",
        help="NAME, or VARIABLE=NAME: a secret of the server as a variable of it.",
        show_default=False,
    ),
]
Remote = Annotated[
    bool,
    typer.Option(
        "--remote",
        help="The room is at MESHAGENT_API_URL (MeshAgent itself), entered with MESHAGENT_API_KEY.",
    ),
]


def elsewhere(settings: ServerSettings) -> Elsewhere:
    """The server that ``--remote`` means.

    Raises:
        ConfigError: Its address or the project's key is missing or cannot be used.
    """
    import os

    from runtime.rooms.elsewhere.server import MESHAGENT_URL, Elsewhere

    url = settings.remote or os.environ.get("MESHAGENT_API_URL") or MESHAGENT_URL
    return Elsewhere(url, settings.api_key)


def config_file(named: Path | None) -> Path | None:
    """The file of settings in force: the one named, else ``bulkhead.toml`` of this folder, else none."""
    from runtime.settings import usual_file

    return usual_file() if named is None else named.resolve()


def check_room(room: str) -> None:
    """Raise CommandFailed, with the rule, for what cannot be the name of a server's own room."""
    from runtime.cli.failure import CommandFailed, ExitCode
    from runtime.wire.room_name import ROOM_NAME_RULE, is_room_name

    if not is_room_name(room):
        raise CommandFailed(
            f"{room!r} cannot be the name of a room", cure=ROOM_NAME_RULE, exit_code=ExitCode.USAGE
        )


def variables(env: list[str] | None, secret: list[str] | None) -> list[dict[str, Any]]:
    """Variables as a manifest has them.

    Args:
        env: ``NAME=TEXT``.
        secret: ``NAME`` or ``VARIABLE=NAME``, of secrets.
    """
    from runtime.cli.failure import CommandFailed, ExitCode

    made: list[dict[str, Any]] = []
    for pair in env or ():
        name, equals, text = pair.partition("=")
        if not equals or not name:
            raise CommandFailed(f"--env {pair} has no =", cure="Write NAME=TEXT.", exit_code=ExitCode.USAGE)
        made.append({"name": name, "value": text})
    for pair in secret or ():
        name, equals, kept = pair.partition("=")
        made.append({"name": name, "secret": {"id": kept if equals else name}})
    return made
