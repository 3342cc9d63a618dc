"""Whose services are meant, a room's or the project's, and where a server keeps them."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer

from runtime.cli import completion
from runtime.cli.options import check_room
from runtime.cli.terminal import clean, note

if TYPE_CHECKING:
    from runtime.cli.api import Api

Everywhere = Annotated[bool, typer.Option("--global", help="It is the project's, and runs in every room.")]
Name = Annotated[str, typer.Argument(help="Name or id of the service.", show_default=False)]
InRoom = Annotated[
    str | None,
    typer.Option(
        "--room",
        "-r",
        envvar="MESHAGENT_ROOM",
        help="Name of the room; default: the only one that it is in.",
        show_default=False,
        autocompletion=completion.rooms,
    ),
]
Now = Annotated[bool, typer.Option("--now", help="End sessions of other revisions, and call this one.")]
_SHOWN = 10
NEWEST = {"Bulkhead-Manifest": "whole", "Consistency": "fast", "Content-Type": "application/json"}


def place(url: str | None, room: str | None, *, is_global: bool) -> tuple[Api, str]:
    """The server, and the path at which it keeps the services that are meant.

    Raises:
        CommandFailed: Neither or both of a room and the project are named; the server does not answer.
    """
    from runtime.cli.api import find_server, project_path
    from runtime.cli.failure import CommandFailed, ExitCode, typed_with

    if (room is None) is not is_global:
        told = "say whose service it is" if room is None else "a service is a room's or the project's"
        cure = "Give either --room NAME, or --global for every room."
        if room is None:
            cure = f"For every room: {typed_with('--global')}; or give the --room that it is for."
        raise CommandFailed(told, cure=cure, exit_code=ExitCode.USAGE)
    if room is not None:
        check_room(room)
    api = find_server(url)
    inside = "" if room is None else f"rooms/{quote(room, safe='')}/"
    return api, f"{project_path(api)}/{inside}services"


def kept(
    url: str | None, room: str | None, name: str, *, is_global: bool, only_looks: bool = False
) -> tuple[Api, str, dict[str, Any]]:
    """The server, the path at which it keeps a service, and the manifest of that.

    Args:
        name: Name or id.
        only_looks: Nothing is changed, so where neither a room nor the project is named, the only service of
            that name is meant.

    Raises:
        CommandFailed: There is none; or it has to be said whose is meant, and which commands say it.
    """
    from runtime.cli.api import find_server

    if room is None and not is_global:
        api = find_server(url)
        room = _meant([one for one, _ in _named(api, name)], name, only_looks=only_looks)
        is_global = room is None
    api, base = place(url, room, is_global=is_global)
    return api, base, found_in(api, base, name)


def running(
    url: str | None, room: str | None, name: str, *, only_looks: bool = False
) -> tuple[Api, str, dict[str, Any]]:
    """As `kept`, of a service in a room where it may run, the project's included.

    Raises:
        CommandFailed: There is none, it is in no open room, or it has to be said in which.
    """
    from runtime.cli.api import find_server
    from runtime.cli.failure import CommandFailed

    if room is None:
        api = find_server(url)
        owners = {one for one, _ in _named(api, name)}
        opened = [one["name"] for one in api.get("/rooms")] if None in owners else []
        rooms = sorted({*opened, *(one for one in owners if one is not None)})
        if not rooms:
            cure = "It starts when somebody enters a room."
            raise CommandFailed(f"no room is open, so {clean(name)} runs nowhere", cure=cure)
        room = _meant(rooms, name, only_looks=only_looks)
    api, base = place(url, room, is_global=False)
    return api, base, in_room(api, base, name)


def everywhere(api: Api) -> list[tuple[str | None, dict[str, Any]]]:
    """Each service that a server keeps, with its room; None where it is the project's."""
    from runtime.cli.api import project_path

    base = project_path(api)
    places: dict[str | None, str] = {None: base}
    for one in api.get(f"{base}/rooms")["rooms"]:
        places[one["name"]] = f"{base}/rooms/{quote(one['name'], safe='')}"
    return [
        (room, spec)
        for room, path in places.items()
        for spec in api.request("GET", f"{path}/services", headers=NEWEST).body["services"]
    ]


def found_in(api: Api, base: str, name: str) -> dict[str, Any]:
    """The manifest of one that is kept there, by name or id; raises CommandFailed for none."""
    return _one(api.request("GET", base, headers=NEWEST).body["services"], name)


def in_room(api: Api, base: str, name: str) -> dict[str, Any]:
    """The manifest of one that runs there, the project's included."""
    return _one(going(api, base)["services"], name)


def going(api: Api, base: str) -> dict[str, Any]:
    """The services of a room and of the project, and the `states` of them in it."""
    answer: dict[str, Any] = api.get(base.removesuffix("services") + "service-states")
    return answer


def tell_going_on(count: int) -> None:
    """Say that sessions of other revisions go on, where some do."""
    if count:
        goes = "session goes" if count == 1 else "sessions go"
        note(f"{count} {goes} on with other revisions; --now ends them", "yellow")


def tell_open(api: Api, room: str | None, name: str) -> None:
    """Say that open rooms do not follow a change of a project's service, where there are some."""
    opened = [one["name"] for one in api.get("/rooms")] if room is None else []
    if opened:
        count = "1 room is" if len(opened) == 1 else f"{len(opened)} rooms are"
        start = clean(shlex.join(["bulkhead", "service", "restart", name, "--room", opened[0]]))
        note(f"{count} open: it comes there at the next opening, or at once: {start}")


def image_of(spec: dict[str, Any]) -> str:
    """What a service runs, as a list shows it: of a bundle that was sent, its digest in short."""
    from runtime.session.calls.deployed import digest_of

    image = str((spec.get("container") or {}).get("image", "(elsewhere)"))
    digest = digest_of(image)
    return image if digest is None else f"sha256:{digest[:12]} (deployed)"


def _named(api: Api, name: str) -> list[tuple[str | None, dict[str, Any]]]:
    from runtime.cli.failure import CommandFailed

    services = everywhere(api)
    found = [(room, one) for room, one in services if name in (one["id"], one["metadata"]["name"])]
    if not found:
        known = sorted({f"{clean(one['metadata']['name'])} {_whose(room)}" for room, one in services})
        shown = ", ".join(known[:_SHOWN]) + (" …" if len(known) > _SHOWN else "")
        raise CommandFailed(f"there is no service {clean(name)!r}", cure=f"Kept are: {shown or 'none'}.")
    return found


def _whose(room: str | None) -> str:
    return "in every room" if room is None else f"in {clean(room)}"


def _meant(rooms: list[str | None] | list[str], name: str, *, only_looks: bool) -> str | None:
    """The only one, where nothing is changed; raises CommandFailed with the commands that name each."""
    from runtime.cli.failure import CommandFailed, ExitCode, typed_with

    if only_looks and len(rooms) == 1:
        return rooms[0]
    commands = [typed_with(*(("--global",) if one is None else ("--room", one))) for one in rooms[:_SHOWN]]
    raise CommandFailed(
        f"say whose {clean(name)} is meant", cure=f"Type: {' or: '.join(commands)}", exit_code=ExitCode.USAGE
    )


def _one(services: list[dict[str, Any]], name: str) -> dict[str, Any]:
    from runtime.cli.failure import CommandFailed

    for one in services:
        if name in (one["id"], one["metadata"]["name"]):
            return one
    known = ", ".join(clean(one["metadata"]["name"]) for one in services) or "none"
    raise CommandFailed(f"there is no service {clean(name)!r} there", cure=f"Kept there: {known}.")
