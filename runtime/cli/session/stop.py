"""``bulkhead stop``: end sessions, in order, and say what became of each."""

from __future__ import annotations

from typing import Annotated

import typer

from runtime.cli import completion
from runtime.cli.options import Room, Url
from runtime.cli.session.each import each
from runtime.cli.terminal import note


def stop(
    sessions: Annotated[
        list[str] | None,
        typer.Argument(help="Ids of sessions.", show_default=False, autocompletion=completion.sessions),
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Every session.")] = False,
    room: Room = None,
    url: Url = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say which.")] = False,
) -> int:
    """Stop sessions by id, by room, or all."""
    from runtime.cli.api import find_server, session_path
    from runtime.cli.failure import CommandFailed, ExitCode

    if not sessions and not every and room is None:
        cure = "Name sessions (bulkhead ps lists them), a --room, or --all."
        raise CommandFailed("stop what?", cure=cure, exit_code=ExitCode.USAGE)
    api = find_server(url, timeout_s=60.0)
    chosen = list(sessions or ())
    if every or room is not None:
        running = api.get("/workers")["workers"]
        chosen += [worker["id"] for worker in running if every or worker["room"] == room]
    if not chosen:
        note("nothing to stop")

    def end(session: str) -> str:
        if session in (sessions or ()):  # the others are known to run
            known = api.get(session_path(session))
            if known["state"] == "exited":
                return f"{session} had ended already: {known['exit']['reason']}"
        if dry_run:
            return f"would stop {session}"
        api.delete(session_path(session))
        return f"stopped {session}"

    return each(chosen, end)
