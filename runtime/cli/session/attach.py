"""``bulkhead attach``: a debugger in a session that runs."""

from __future__ import annotations

import json
import time
from typing import Annotated

import typer

from runtime.cli import completion
from runtime.cli.options import Url
from runtime.cli.terminal import clean, note, say

_LOOK_S = 1.0
_PATIENCE_S = 40.0


def attach(
    session: Annotated[str, typer.Argument(help="Id of a session.", autocompletion=completion.sessions)],
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="Where the debugger listens; 0: a free port.")
    ] = 0,
    url: Url = None,
) -> int:
    """Have a debugger listen in a session that runs.

    That is debugpy; until Ctrl-C the hang detector is held still. It needs debugpy in the agent's
    environment.  Whoever can reach the port on the session's machine can run code in the session.
    """
    from runtime.cli.api import find_server, session_path
    from runtime.cli.failure import CommandFailed, ExitCode

    api = find_server(url, timeout_s=_PATIENCE_S)
    found = api.post(f"{session_path(session)}/debug?port={port}", {}).body
    launch = {
        "name": session,
        "type": "debugpy",
        "request": "attach",
        "connect": {"host": found["host"], "port": found["port"]},
        "justMyCode": False,
    }
    say(f"debugpy listens at {found['host']}:{found['port']}, in the process of {session}.")
    if found["node"] not in ("", "local"):
        note(f"That is on {found['node']}: ssh -L {found['port']}:{found['host']}:{found['port']} …", "dim")
    say(json.dumps(launch))
    note("Attach with these lines in .vscode/launch.json, or any other client. Ctrl-C ends the truce.", "dim")
    try:
        while (one := api.get(session_path(session)))["exit"] is None:
            time.sleep(_LOOK_S)
        note(clean(f"{session} ended: {one['exit']['message']}"))
        return ExitCode.OK
    except KeyboardInterrupt:
        try:
            api.delete(f"{session_path(session)}/debug")
        except CommandFailed:
            pass  # it ended, or its server did
        note("From now on a silence counts as a hang again.", "dim")
        return ExitCode.OK
