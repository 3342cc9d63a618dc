"""``bulkhead service create`` and its siblings: services that a server keeps and rooms start."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from runtime.cli.failure import typed_with
from runtime.cli.options import Env, Form, Room, Secrets, Url
from runtime.cli.service.changed import change, changed, filled_anew, newest_of
from runtime.cli.service.manifest import (
    ByOption,
    MaybeFile,
    Values,
    ValuesFile,
    chosen,
    given_values,
    read_or_fail,
    text_of,
)
from runtime.cli.service.scope import (
    NEWEST,
    Everywhere,
    InRoom,
    Name,
    everywhere,
    going,
    image_of,
    kept,
    place,
    running,
    tell_open,
)
from runtime.cli.service.watched import is_open, told, until_live, written
from runtime.cli.terminal import Output, clean, note, say, show, to_yaml

if TYPE_CHECKING:
    from runtime.cli.api import Api

Wait = Annotated[bool, typer.Option("--wait", help="Tell how it comes up, and return once it serves.")]
WaitS = Annotated[float, typer.Option("--wait-s", min=1, help="For how long at most.")]
_COLUMNS = ("name", "of", "image", "state", "restarts")


def create(
    file: MaybeFile = None,
    by_option: ByOption = None,
    room: Room = None,
    is_global: Everywhere = False,
    value: Values = None,
    values_file: ValuesFile = None,
    wait: Wait = False,
    wait_s: WaitS = 90.0,
    url: Url = None,
) -> None:
    """Keep a service: rooms start it when somebody enters."""
    _check_wait(room, wait=wait)
    body = _sent(chosen(file, by_option), value, values_file)
    api, base = place(url, room, is_global=is_global)
    made = api.request("POST", base, _json(body), NEWEST).body
    if wait and room is not None:
        _wait(api, base, room, made, [], within_s=wait_s)
    tell_open(api, room, made["metadata"]["name"])
    say(f"created {clean(made['metadata']['name'])} {made['id']}")


def update(
    what: Annotated[
        str | None, typer.Argument(help="The manifest, or the name or id of a service.", show_default=False)
    ] = None,
    of_it: Annotated[
        Path | None,
        typer.Argument(metavar="FILE", help="The manifest of what is named before it.", show_default=False),
    ] = None,
    by_option: ByOption = None,
    name: Annotated[
        str | None,
        typer.Option("--name", help="Name or id of the service; default: the file's.", show_default=False),
    ] = None,
    room: Room = None,
    is_global: Everywhere = False,
    image: Annotated[
        str | None, typer.Option("--image", help="Another image for it.", show_default=False)
    ] = None,
    env: Env = None,
    secret: Secrets = None,
    value: Values = None,
    values_file: ValuesFile = None,
    wait: Wait = False,
    wait_s: WaitS = 90.0,
    url: Url = None,
) -> None:
    """Change a service, by its manifest or by name.

    A room's follows at once, a project's when rooms open. By name, --image, --env and --secret change what
    is kept, and --value fills in its template anew. Secrets that it is given are those of now."""
    _check_wait(room, wait=wait)
    file = by_option if of_it is None else chosen(of_it, by_option)
    if file is None and (what is None or _is_file(what)):
        file, what = chosen(None if what is None else Path(what), None), None
    body = {} if file is None else _sent(file, value, values_file)
    name = name or what or str(_service(body)["metadata"]["name"])

    def wanted(found: dict[str, Any]) -> dict[str, Any]:
        new = body if file is not None else found
        if file is None and (value or values_file):
            new = filled_anew(found, value, values_file)
        return changed(new, image=image, env=env, secret=secret) if image or env or secret else new

    api, base, found = kept(url, room, name, is_global=is_global)
    before = told(api, base, found["id"]).get("events", []) if wait and room else []
    if file is None:
        change(api, base, found["id"], wanted)
    else:
        api.request("PUT", f"{base}/{found['id']}", _json(wanted(found)), NEWEST)
    if wait and room is not None:
        _wait(api, base, room, found, before, within_s=wait_s)
    tell_open(api, room, found["metadata"]["name"])
    say(f"updated {clean(found['metadata']['name'])} {found['id']}")


def list_services(room: Room = None, url: Url = None, output: Form = Output.TABLE) -> None:
    """List the project's services, or with --room how all go in it."""
    api, base = place(url, room, is_global=room is None)
    states: dict[str, Any] = {}
    services = api.request("GET", base, headers=NEWEST).body["services"]
    of_room = {one["id"] for one in services} if room is not None else ()
    if room is not None:
        answer = going(api, base)
        services, states = answer["services"], answer["states"]
    rows = [
        {
            "name": one["metadata"]["name"],
            "id": one["id"],
            "of": "room" if one["id"] in of_room else "project",
            "image": image_of(one),
            "state": states.get(one["id"], {}).get("state", "" if one.get("enabled", True) else "disabled"),
            "restarts": states.get(one["id"], {}).get("restart_count", ""),
        }
        for one in services
    ]
    if room is not None and not rows and output in (Output.TABLE, Output.WIDE):
        from runtime.cli.room.awaited import check_known

        check_known(api, room, only_looks=True)
    columns = {"table": _COLUMNS, "wide": ("id", *_COLUMNS)}
    empty = _none_everywhere(api) if room is None and not rows else "no service is kept"
    say(show(rows, output, name="name", columns=columns, empty=empty))
    if room is not None:
        _note_older(api, room)


def _note_older(api: Api, room: str) -> None:
    """Say what goes on with an older revision there, as where a newer one does not get live."""
    from runtime.cli.api import project_path

    for one in api.get(f"{project_path(api)}/service-states")["services"]:
        serving = one["states"].get(room, {}).get("revision", 0)
        if 0 < serving < one["revision"]:
            name = clean(one["name"])
            why = f"bulkhead service history {shlex.quote(name)} --room {shlex.quote(clean(room))}"
            note(f"{name} goes on with revision {serving}, the newest is {one['revision']}: {why}", "yellow")


def _none_everywhere(api: Api) -> str:
    rooms = sorted({room for room, _ in everywhere(api) if room is not None})
    if not rooms:
        return "no service is kept"
    return f"no service is kept for every room; of one room: {clean(typed_with('--room', rooms[0]))}"


def in_one_room(
    name: Annotated[str, typer.Argument(help="Name of the room.", show_default=False)],
    url: Url = None,
    output: Form = Output.TABLE,
) -> None:
    """List what runs in a room: its services and the project's."""
    list_services(room=name, url=url, output=output)


def get(name: Name, room: Room = None, is_global: Everywhere = False, url: Url = None) -> None:
    """Print a service's manifest."""
    _, _, found = kept(url, room, name, is_global=is_global, only_looks=True)
    say(to_yaml(found))


def delete(name: Name, room: Room = None, is_global: Everywhere = False, url: Url = None) -> None:
    """Delete a service; where it runs it ends."""
    api, base, found = kept(url, room, name, is_global=is_global)
    api.delete(f"{base}/{found['id']}")
    say(f"deleted {clean(found['metadata']['name'])} {found['id']}")


def enable(name: Name, room: Room = None, is_global: Everywhere = False, url: Url = None) -> None:
    """Let a service run again."""
    _switch(name, room, is_global=is_global, url=url, is_on=True)


def disable(name: Name, room: Room = None, is_global: Everywhere = False, url: Url = None) -> None:
    """Keep a service from running; where it runs it ends."""
    _switch(name, room, is_global=is_global, url=url, is_on=False)


def restart(name: Name, room: InRoom = None, url: Url = None) -> None:
    """Start a service anew in an open room, by its newest revision."""
    api, base, found = running(url, room, name)
    api.post(f"{base}/{found['id']}/restart", {})
    say(f"restarted {clean(found['metadata']['name'])} {found['id']}")


def logs(
    name: Name,
    room: InRoom = None,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on with what it writes, over its restarts.")
    ] = False,
    previous: Annotated[
        bool, typer.Option("--previous", help="Of the containers that have ended, the oldest first.")
    ] = False,
    url: Url = None,
) -> None:
    """Show what a service wrote in a room that is open."""
    api, base, found = running(url, room, name, only_looks=True)
    if previous:
        for line in api.get(f"{base}/{found['id']}/logs?previous=true")["lines"]:
            say(clean(line))
    if follow:
        for line in written(api, base, found["id"]):
            say(clean(line))
    if not previous:
        for line in api.get(f"{base}/{found['id']}/logs")["lines"]:
            say(clean(line))


def _check_wait(room: str | None, *, wait: bool) -> None:
    """Raise CommandFailed, before anything is changed, where there is nothing to wait for."""
    from runtime.cli.failure import CommandFailed, ExitCode

    if wait and room is None:
        what = "a project's service starts where rooms open: there is nothing to wait for"
        raise CommandFailed(what, cure="Leave --wait out, or name a --room.", exit_code=ExitCode.USAGE)


def _wait(
    api: Api, base: str, room: str, spec: dict[str, Any], before: list[Any], *, within_s: float
) -> None:
    if not is_open(api, room):
        note(f"nobody is in {room}: it starts with whoever enters", "yellow")
        return
    newest = newest_of(api, base, spec["id"])
    named = clean(shlex.join([spec["metadata"]["name"], "--room", room]))
    until_live(api, base, spec["id"], newest, before, within_s=within_s, named=named)


def _is_file(what: str) -> bool:
    path = Path(what)
    return what == "-" or path.suffix in (".yaml", ".yml", ".json") or (os.sep in what and path.is_file())


def _switch(name: str, room: str | None, *, is_global: bool, url: str | None, is_on: bool) -> None:
    api, base, found = kept(url, room, name, is_global=is_global)
    change(api, base, found["id"], lambda spec: {**spec, "enabled": is_on})
    say(f"{'enabled' if is_on else 'disabled'} {clean(found['metadata']['name'])} {found['id']}")


def _sent(file: Path, value: list[str] | None, values_file: Path | None) -> dict[str, Any]:
    """What the server is sent for a manifest, which was looked at here first."""
    from runtime.cli.failure import CommandFailed, ExitCode
    from runtime.wire.manifest.manifest import read
    from runtime.wire.manifest.template import is_template, read_template

    text = text_of(file)
    values = given_values(value, values_file)
    if is_template(text):
        template = read_or_fail(file, text, read_template)
        read_or_fail(file, values, template.render, "Give each variable its value: --value NAME=TEXT.")
        return {"template": text, "values": values}
    if values:
        cure = "Leave --value out."
        raise CommandFailed(
            f"{file} is no template, and takes no values", cure=cure, exit_code=ExitCode.USAGE
        )
    spec: dict[str, Any] = read_or_fail(file, text, read).spec
    return {name: one for name, one in spec.items() if name != "id"}


def _service(body: dict[str, Any]) -> dict[str, Any]:
    if "template" not in body:
        return body
    from runtime.wire.manifest.template import read_template

    return dict(read_template(body["template"]).render(body["values"]).service)


def _json(body: dict[str, Any]) -> bytes:
    import json

    return json.dumps(body).encode()
