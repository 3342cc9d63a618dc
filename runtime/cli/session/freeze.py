"""``bulkhead freeze`` and ``bulkhead thaw``: hold sessions still, and let them go on."""

from __future__ import annotations

from typing import Annotated

import typer

from runtime.cli import completion
from runtime.cli.options import Url
from runtime.cli.terminal import note, say

Sessions = Annotated[list[str], typer.Argument(help="Ids of sessions.", autocompletion=completion.sessions)]


def freeze(sessions: Sessions, url: Url = None) -> int:
    """Keep all processes of sessions from running.

    Each stays as it is, memory and all, and is not taken for one that hangs, until `bulkhead thaw` lets it go
    on, or its end.
    """
    return _each(sessions, "freeze", "froze", url)


def thaw(sessions: Sessions, url: Url = None) -> int:
    """Let frozen sessions go on."""
    return _each(sessions, "thaw", "thawed", url)


def _each(sessions: list[str], what: str, done: str, url: str | None) -> int:
    from runtime.cli.api import find_server
    from runtime.cli.failure import CommandFailed, ExitCode

    api, failed = find_server(url), 0
    for session in dict.fromkeys(sessions):
        try:
            api.post(f"/workers/{session}/{what}", {})
            say(f"{done} {session}")
        except CommandFailed as error:
            failed += 1
            note(f"error: {session}: {error.message}. {error.cure}", "red")
    return ExitCode.FAILED if failed else ExitCode.OK
