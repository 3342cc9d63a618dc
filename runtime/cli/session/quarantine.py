"""``bulkhead quarantine``: the inputs that killed their sessions."""

from __future__ import annotations

from typing import Annotated

import typer

from runtime.cli.options import Form, Url
from runtime.cli.session.each import each
from runtime.cli.terminal import Output, clean, say, show

_COLUMNS = ("hash", "endpoint", "room", "deaths", "parked_at", "message")


def list_inputs(url: Url = None, output: Form = Output.TABLE) -> None:
    """List the inputs that are not run any more."""
    from runtime.cli.api import find_server, told_paths

    api = find_server(url)
    inputs = api.get("/quarantine")["inputs"]
    if output in (Output.TABLE, Output.WIDE):
        told = told_paths(api, (one["endpoint"] for one in inputs))
        inputs = [{**one, "endpoint": told[one["endpoint"]]} for one in inputs]
    columns = {"table": _COLUMNS, "wide": (*_COLUMNS, "session")}
    say(show(inputs, output, name="hash", columns=columns, empty="no input is in quarantine"))


def release(
    hashes: Annotated[list[str], typer.Argument(help="Hashes, as `quarantine list` shows them.")],
    url: Url = None,
) -> int:
    """Let inputs run again."""
    from urllib.parse import quote

    from runtime.cli.api import find_server

    api = find_server(url)

    def let(hash: str) -> str:
        released = api.delete(f"/quarantine/{quote(hash, safe='')}")["released"]
        return f"released {clean(released['hash'])} of {clean(released['endpoint'])}"

    return each(hashes, let)
