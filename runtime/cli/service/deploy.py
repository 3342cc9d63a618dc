"""``bulkhead deploy``: a folder becomes a service of a server, here or elsewhere."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from runtime.cli.options import Env, Room, Secrets, Url, check_room, variables
from runtime.cli.service.scope import Now, tell_going_on, tell_open
from runtime.cli.terminal import Output, clean, note, say
from runtime.wire.text import size

if TYPE_CHECKING:
    from runtime.cli.api import Api

_WAIT_S = 20
_STATES = {"installing": "its environment", "loading": "loading it"}

Bundle = Annotated[
    Path, typer.Argument(help="A folder with a main.py, or a file of Python.", show_default=False)
]


def deploy(
    path: Bundle,
    room: Room = None,
    name: Annotated[
        str | None, typer.Option("--name", help="Of the service; default: the folder's.", show_default=False)
    ] = None,
    env: Env = None,
    secret: Secrets = None,
    now: Now = False,
    url: Url = None,
    output: Annotated[Output, typer.Option("--output", "-o", help="table or json.")] = Output.TABLE,
) -> None:
    """Send a folder to a server, which keeps it as a service.

    It is --room's, or else runs in every room. It is loaded beside the revision that serves, and takes its
    place only when it is up; sessions of older ones go on. What does not load changes nothing. Variables
    stay until others are given."""
    import json

    from runtime.cli.api import find_server, project_path
    from runtime.cli.service.packing import packed

    if room is not None:
        check_room(room)
    bundle = packed(path)
    service = _name(path, name)
    wanted = {
        "name": service,
        "room": room or "",
        "environment": variables(env, secret) or None,
        "now": now,
    }
    api = find_server(url)
    base = f"{project_path(api)}/deployments"
    one = api.post(base, wanted).body
    if bundle.has_dotenv:
        note(
            "its .env is not sent: give variables with --env, and what nobody may see with --secret", "yellow"
        )
    files = "1 file" if bundle.file_count == 1 else f"{bundle.file_count} files"
    note(f"sending {files}, {size(len(bundle.archive))}, to {api.url}")
    api.request(
        "PUT", f"{base}/{one['id']}/archive", bundle.archive, {"Content-Type": "application/gzip"}, 600
    )
    done = _followed(api, f"{base}/{one['id']}", service)
    if output is Output.JSON:
        keys = ("name", "room", "service", "revision", "digest", "going_on")
        say(json.dumps({key: done[key] for key in keys}))
        return
    tell_going_on(done["going_on"])
    where = ("--room", room) if room else ("--global",)
    if done["revision"] == 1:
        tell_open(api, room, service)
    else:
        note(f"back to the one before: bulkhead service rollback {shlex.join([service, *where])}")
    digest = done["digest"][:12]
    say(f"deployed {clean(service)} {done['service']} revision {done['revision']} sha256:{digest}")


def _followed(api: Api, path: str, service: str) -> dict[str, Any]:
    """Tell how it goes until it is over; raises CommandFailed when nothing was switched."""
    import sys

    from runtime.cli.failure import CommandFailed
    from runtime.cli.service.install_progress import Progress

    progress = Progress(service, sys.stderr)
    state, after = "checking", 0
    try:
        progress.line("unpacking it")
        while True:
            asked = f"{path}?after={after}&state={state}&wait={_WAIT_S}"
            one: dict[str, Any] = api.request("GET", asked, timeout_s=_WAIT_S + 30).body
            for line in one["lines"]:  # said before the state that it came to
                progress.line(clean(line))
            if one["state"] != state and (told := _STATES.get(one["state"])):
                progress.line(told)
            state, after = one["state"], one["next"]
            if state in ("ready", "failed"):
                break
    finally:
        progress.end()
    if (error := one["error"]) is not None:
        raise CommandFailed(
            f"{service} was not deployed, and nothing was switched: {error['message'].rstrip('.')}",
            cure=error["cure"],
            detail=error["detail"] if "\n" in error["detail"].strip() else "",
        )
    return one


def _name(path: Path, given: str | None) -> str:
    import re

    from runtime.cli.failure import CommandFailed, ExitCode

    found = given or re.sub(r"[^a-z0-9.-]+", "-", path.resolve().name.removesuffix(".py").lower()).strip("-.")
    if not re.fullmatch(r"[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?", found):
        cure = "Give --name: up to 63 of a-z, 0-9, - and a full stop."
        raise CommandFailed(f"{found!r} is no name of a service", cure=cure, exit_code=ExitCode.USAGE)
    return found
