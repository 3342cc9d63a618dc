"""``bulkhead logs``: what sessions wrote, now or as they write it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from runtime.cli import completion
from runtime.cli.options import Room, Url
from runtime.cli.terminal import clean, note, say

if TYPE_CHECKING:
    from runtime.cli.api import Api

_LOOK_S = 0.3


def logs(
    session: Annotated[
        str | None,
        typer.Argument(help="Id of one session.", show_default=False, autocompletion=completion.all_sessions),
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on with what is written from now on.")
    ] = False,
    room: Room = None,
    identity: Annotated[str | None, typer.Option("--identity", help="Only this identity.")] = None,
    tail: Annotated[
        int, typer.Option("--tail", "-n", min=0, help="Lines of each session to begin with.")
    ] = 100,
    url: Url = None,
) -> int:
    """Show what sessions wrote."""
    from runtime.cli.api import find_server, session_path
    from runtime.cli.failure import CommandFailed

    api = find_server(url)
    if session is not None:
        api.get(session_path(session))  # an unknown id is told at once
    seen: dict[str, int] = {}
    while True:
        lines = []
        for worker in _chosen(api, session, room, identity):
            try:
                lines += _fresh(api, worker, seen, tail)
            except CommandFailed:
                if not follow:  # forgotten between the list and the question: no loss for a follower
                    raise
        for line in sorted(lines, key=lambda line: str(line["at"])):
            say(_text(line))
        if not follow:
            if not seen:
                note("no session matches; `bulkhead ps --all` lists them")
            return 0
        time.sleep(_LOOK_S)


def _chosen(api: Api, session: str | None, room: str | None, identity: str | None) -> list[dict[str, Any]]:
    return [
        worker
        for worker in api.get("/workers?all=1")["workers"]
        if (session is None or worker["id"] == session)
        and (room is None or worker["room"] == room)
        and (identity is None or worker["identity"] == identity)
    ]


def _fresh(api: Api, worker: dict[str, Any], seen: dict[str, int], tail: int) -> list[dict[str, Any]]:
    from runtime.cli.api import session_path

    session = str(worker["id"])
    is_first = session not in seen
    answer = api.get(f"{session_path(session)}/logs?after={seen.get(session, 0)}")
    lines: list[dict[str, Any]] = answer["lines"] if isinstance(answer, dict) else answer
    seen[session] = max([seen.get(session, 0), *(int(line["seq"]) for line in lines)])
    kept = lines[-tail:] if is_first and tail else ([] if is_first else lines)
    return [{**line, "session": session, "identity": worker["identity"]} for line in kept]


def _text(line: dict[str, Any]) -> str:
    at = str(line["at"])
    stamp = at[11:23] if "T" in at else time.strftime("%H:%M:%S", time.localtime(float(at)))
    level = f"{line['level']:<7} " if line.get("level") else ""
    return clean(f"{stamp} {line['session']} {line['identity']} │ {level}{line['text']}").rstrip()
