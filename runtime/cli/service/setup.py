"""``bulkhead setup``: a local project, its key and a default room.  Offline; harmless to repeat."""

from __future__ import annotations

from typing import Annotated

import typer

from runtime.cli.terminal import note, say


def setup(
    room: Annotated[
        str | None,
        typer.Option("--room", "-r", help="Default room, for a new project (myroom).", show_default=False),
    ] = None,
    show_key: Annotated[
        bool, typer.Option("--show-key", help="Print the key instead of masking it.")
    ] = False,
) -> None:
    """Make a local project, a key and a default room.

    Needs no network; running it again changes nothing."""
    import os

    from runtime.cli import project

    path = project.path()
    found = project.load()
    if found is None:
        found = project.create(room or "myroom")
        note(f"created {path}")
    else:
        note(f"kept {path} as it is")
        if room is not None and room != found.room:
            note(f'its room stays {found.room}: to make it {room}, write "room": "{room}" there', "yellow")
    say(f"project   {found.project_id}")
    say(f"key       {found.api_key if show_key else project.masked(found.api_key)}")
    say(f"room      {found.room}")
    for name, value in sorted(os.environ.items()):
        if name.startswith("MESHAGENT_"):
            say(f"{name}   {project.masked(value) if _is_secret(name) else value}   (from the environment)")
    note()
    note("next      bulkhead service run main.py --room=" + found.room)


def _is_secret(name: str) -> bool:
    return any(word in name for word in ("KEY", "SECRET", "TOKEN"))
