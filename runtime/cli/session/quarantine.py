"""``bulkhead quarantine``: the inputs that killed their sessions."""

from __future__ import annotations

from typing import Annotated

import typer

from runtime.cli.options import Form, Url
from runtime.cli.terminal import Output, clean, say, show

_COLUMNS = ("hash", "endpoint", "room", "deaths", "parked_at", "message")


def list_inputs(url: Url = None, output: Form = Output.TABLE) -> None:
    """List the inputs that are not run any more."""
    from runtime.cli.api import find_server

    inputs = find_server(url).get("/quarantine")["inputs"]
    columns = {"table": _COLUMNS, "wide": (*_COLUMNS, "session")}
    say(show(inputs, output, name="hash", columns=columns, empty="no input is in quarantine"))


def release(
    hashes: Annotated[list[str], typer.Argument(help="Hashes, as `quarantine list` shows them.")],
    url: Url = None,
) -> None:
    """Let inputs run again."""
    from runtime.cli.api import find_server

    api = find_server(url)
    for hash in hashes:
        released = api.delete(f"/quarantine/{hash}")["released"]
        say(f"released {clean(released['hash'])} of {clean(released['endpoint'])}")
