"""``bulkhead setup``: a local project, its key and a default room.  Offline; harmless to repeat."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

from runtime.cli.terminal import note, say

SECOND_NAME: Final = "meshagent"


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
    if second_name():
        note("meshagent is now a second name of bulkhead here: no other was installed")
    note()
    note("next      bulkhead service run main.py --room=" + found.room)


def second_name(script: Path | None = None) -> bool:
    """Let ``meshagent`` be this command as well, where nobody else's is found; whether it was not before.

    Args:
        script: The file of this command; the one that runs when None.
    """
    import shutil
    import sys

    script = Path(sys.argv[0]) if script is None else script
    other = script.with_name(SECOND_NAME)
    if script.name != "bulkhead" or not script.is_file() or other.exists() or shutil.which(SECOND_NAME):
        return False
    try:
        # A copy, not a link: whoever installs the real one writes over it.
        shutil.copy2(script, other)
    except OSError:
        return False  # somebody else's environment
    return True


def _is_secret(name: str) -> bool:
    return any(word in name for word in ("KEY", "SECRET", "TOKEN"))
