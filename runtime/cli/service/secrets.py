"""``bulkhead secret``: what services are given that nobody is to see."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer

from runtime.cli.options import Form, Url
from runtime.cli.terminal import Output, clean, note, say, show

if TYPE_CHECKING:
    from runtime.cli.api import Api

Name = Annotated[str, typer.Argument(help="Name of the secret.", show_default=False)]
_COLUMNS = ("name", "type", "entries", "version")
_MAX_BYTES = 64 << 10


def set_secret(
    name: Name,
    type: Annotated[
        str, typer.Option("--type", help="text; or keys or docker, a map of texts in JSON.")
    ] = "text",
    url: Url = None,
) -> None:
    """Set a secret: its value is read from standard input, or asked for."""
    import base64
    import json

    value = _value(name)
    api, base = _place(url)
    held = {one["name"]: one["id"] for one in api.get(base)["secrets"]}
    body = {"name": name, "type": type, "data_base64": base64.b64encode(value).decode()}
    sent, json_type = json.dumps(body).encode(), {"Content-Type": "application/json"}
    if name in held:
        answer = api.request("PUT", f"{base}/{held[name]}", sent, json_type).body
    else:
        answer = api.request("POST", base, sent, json_type).body
    if answer["behind"]:
        services = ", ".join(clean(one) for one in answer["behind"])
        note(f"these go on with the older value until `bulkhead service update`: {services}", "yellow")
    say(f"set {clean(name)} {answer['id']}")


def list_secrets(url: Url = None, output: Form = Output.TABLE) -> None:
    """List the secrets, without their values."""
    api, base = _place(url)
    rows: list[dict[str, Any]] = [
        {**one, "entries": ", ".join(one["data"])} for one in api.get(base)["secrets"]
    ]
    columns = {"table": _COLUMNS, "wide": ("id", *_COLUMNS)}
    say(show(rows, output, name="name", columns=columns, empty="no secret is kept"))


def delete_secret(name: Name, url: Url = None) -> None:
    """Delete a secret that no service is given."""
    api, base = _place(url)
    api.delete(f"{base}/{quote(name, safe='')}")
    say(f"deleted {clean(name)}")


def _place(url: str | None) -> tuple[Api, str]:
    from runtime.cli.api import find_server, project_path

    api = find_server(url)
    return api, f"{project_path(api)}/secrets"


def _value(name: str) -> bytes:
    import sys

    from runtime.cli.failure import CommandFailed, ExitCode

    if sys.stdin.isatty():
        value = str(typer.prompt(f"Value of {clean(name)}", hide_input=True, err=True)).encode()
    else:
        value = sys.stdin.buffer.read(_MAX_BYTES + 1).removesuffix(b"\n")
    if not value or len(value) > _MAX_BYTES:
        told = "the value is empty" if not value else f"the value has more than {_MAX_BYTES} bytes"
        raise CommandFailed(told, cure="Write it to standard input.", exit_code=ExitCode.USAGE)
    return value
