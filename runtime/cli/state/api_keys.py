"""``bulkhead apikey``: keys that sign tokens and open the API, beside the server's own."""

from __future__ import annotations

from typing import Annotated

import typer

from runtime.cli.options import Form, Url
from runtime.cli.state.in_project import found, project
from runtime.cli.terminal import Output, clean, note, say, show

_COLUMNS = {"table": ("name", "id", "description"), "wide": ("name", "id", "description")}


def create(
    name: Annotated[str, typer.Argument(help="Name of the key.", show_default=False)],
    description: Annotated[str, typer.Option("--description", help="What it is for.")] = "",
    url: Url = None,
    output: Annotated[Output, typer.Option("--output", "-o", help="table or json.")] = Output.TABLE,
) -> None:
    """Make an API key. It is shown this once, as the last line."""
    import json

    api, base = project(url)
    made = api.post(f"{base}/api-keys", {"name": name, "description": description}).body
    if output is Output.JSON:
        say(json.dumps(made))
        return
    note(f"key {clean(made['name'])} {made['id']}; nothing shows it again: keep it now")
    say(made["value"])


def list_keys(url: Url = None, output: Form = Output.TABLE) -> None:
    """List the API keys, without what they are."""
    api, base = project(url)
    say(
        show(
            api.get(f"{base}/api-keys")["keys"], output, name="name", columns=_COLUMNS, empty="no key is kept"
        )
    )


def delete(
    key: Annotated[str, typer.Argument(help="Name or id of the key.", show_default=False)], url: Url = None
) -> None:
    """Delete an API key; tokens that it signed are void at once."""
    api, base = project(url)
    one = found(api.get(f"{base}/api-keys")["keys"], key, "key")
    api.delete(f"{base}/api-keys/{one['id']}")
    say(f"deleted {clean(one['name'])} {one['id']}")
