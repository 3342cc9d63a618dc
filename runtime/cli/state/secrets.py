"""``bulkhead secret``: what services are given that nobody is to see."""

from __future__ import annotations

from typing import Annotated

import typer

from runtime.cli.options import Form, Url
from runtime.cli.state.in_project import Kept
from runtime.cli.terminal import Output, clean, note, say, show

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
    kept = _secrets(url)
    held = {one["name"]: one["id"] for one in kept.listed()}
    body = {"name": name, "type": type, "data_base64": base64.b64encode(value).decode()}
    sent, json_type = json.dumps(body).encode(), {"Content-Type": "application/json"}
    method, path = ("PUT", f"{kept.path}/{held[name]}") if name in held else ("POST", kept.path)
    answer = kept.api.request(method, path, sent, json_type).body
    if answer["behind"]:
        services = ", ".join(clean(one) for one in answer["behind"])
        note(f"these go on with the older value until `bulkhead service update`: {services}", "yellow")
    say(f"set {clean(name)} {answer['id']}")


def list_secrets(url: Url = None, output: Form = Output.TABLE) -> None:
    """List the secrets, without their values."""
    rows = [{**one, "entries": ", ".join(one["data"])} for one in _secrets(url).listed()]
    columns = {"table": _COLUMNS, "wide": ("id", *_COLUMNS)}
    say(show(rows, output, name="name", columns=columns, empty="no secret is kept"))


def delete_secret(name: Name, url: Url = None) -> None:
    """Delete a secret that no service is given."""
    _secrets(url).delete(name)


def _secrets(url: str | None) -> Kept:
    return Kept.of(url, "secret", "secrets", "secrets")


def _value(name: str) -> bytes:
    import sys

    from runtime.cli.failure import CommandFailed, ExitCode, typed_with

    if sys.stdin.isatty():
        value = str(typer.prompt(f"Value of {clean(name)}", hide_input=True, err=True)).encode()
    else:
        value = sys.stdin.buffer.read(_MAX_BYTES + 1).removesuffix(b"\n")
    if not value or len(value) > _MAX_BYTES:
        told = "the value is empty" if not value else f"the value has more than {_MAX_BYTES} bytes"
        cure = f"Write it to standard input: {typed_with()} < FILE, or type it where it is asked for."
        raise CommandFailed(told, cure=cure, exit_code=ExitCode.USAGE)
    return value
