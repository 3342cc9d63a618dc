"""``bulkhead apikey``: keys that sign tokens and open the API, beside the server's own."""

from __future__ import annotations

from typing import Annotated

import typer

from runtime.cli.options import Form, Url
from runtime.cli.state.in_project import Kept
from runtime.cli.terminal import Output, say, show

_COLUMNS = ("name", "id", "description")


def create(
    name: Annotated[str, typer.Argument(help="Name of the key.", show_default=False)],
    description: Annotated[str, typer.Option("--description", help="What it is for.")] = "",
    url: Url = None,
    output: Annotated[Output, typer.Option("--output", "-o", help="table or json.")] = Output.TABLE,
) -> None:
    """Make an API key. It is shown this once, as the last line."""
    wanted = {"name": name, "description": description}
    _keys(url).make(wanted, output, once="value", told="; nothing shows it again: keep it now")


def list_keys(url: Url = None, output: Form = Output.TABLE) -> None:
    """List the API keys, without what they are."""
    columns = {"table": _COLUMNS, "wide": _COLUMNS}
    say(show(_keys(url).listed(), output, name="name", columns=columns, empty="no key is kept"))


def delete(
    key: Annotated[str, typer.Argument(help="Name or id of the key.", show_default=False)], url: Url = None
) -> None:
    """Delete an API key; tokens that it signed are void at once."""
    _keys(url).delete(key)


def _keys(url: str | None) -> Kept:
    return Kept.of(url, "key", "api-keys", "keys")
