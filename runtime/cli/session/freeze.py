"""``bulkhead freeze`` and ``bulkhead thaw``: hold sessions still, and let them go on."""

from __future__ import annotations

from typing import Annotated

import typer

from runtime.cli import completion
from runtime.cli.options import Url
from runtime.cli.session.each import each

Sessions = Annotated[list[str], typer.Argument(help="Ids of sessions.", autocompletion=completion.sessions)]


def freeze(sessions: Sessions, url: Url = None) -> int:
    """Keep all processes of sessions from running.

    Each stays as it is, memory and all, and is not taken for one that hangs, until `bulkhead thaw` lets it go
    on, or its end.
    """
    return _hold(sessions, url, frozen=True)


def thaw(sessions: Sessions, url: Url = None) -> int:
    """Let frozen sessions go on."""
    return _hold(sessions, url, frozen=False)


def _hold(sessions: list[str], url: str | None, *, frozen: bool) -> int:
    from runtime.cli.api import find_server, session_path

    api = find_server(url)
    act, done, idle = (
        ("freeze", "froze", "was frozen already") if frozen else ("thaw", "thawed", "was not frozen")
    )

    def hold(session: str) -> str:
        was = api.get(session_path(session))["frozen"]
        api.post(f"{session_path(session)}/{act}", {})
        return f"{session} {idle}" if was is frozen else f"{done} {session}"

    return each(sessions, hold)
