"""Whose services are meant, a room's or the project's, and where a server keeps them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer

from runtime.cli.options import check_room
from runtime.cli.terminal import clean, note

if TYPE_CHECKING:
    from runtime.cli.api import Api

Everywhere = Annotated[bool, typer.Option("--global", help="It is the project's, and runs in every room.")]
Name = Annotated[str, typer.Argument(help="Name or id of the service.", show_default=False)]
Now = Annotated[bool, typer.Option("--now", help="End sessions of other revisions, and call this one.")]
NEWEST = {"Bulkhead-Manifest": "whole", "Consistency": "fast", "Content-Type": "application/json"}


def place(url: str | None, room: str | None, *, is_global: bool) -> tuple[Api, str]:
    """The server, and the path at which it keeps the services that are meant.

    Raises:
        CommandFailed: Neither or both of a room and the project are named; the server does not answer.
    """
    from runtime.cli.api import find_server, project_path
    from runtime.cli.failure import CommandFailed, ExitCode

    if (room is None) is not is_global:
        told = "say whose service it is" if room is None else "a service is a room's or the project's"
        raise CommandFailed(
            told, cure="Give either --room NAME, or --global for every room.", exit_code=ExitCode.USAGE
        )
    if room is not None:
        check_room(room)
    api = find_server(url)
    inside = "" if room is None else f"rooms/{quote(room, safe='')}/"
    return api, f"{project_path(api)}/{inside}services"


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
        start = f"bulkhead service restart {clean(name)} --room {clean(opened[0])}"
        note(f"{count} open: it comes there at the next opening, or at once: {start}")


def image_of(spec: dict[str, Any]) -> str:
    """What a service runs, as a list shows it: of a bundle that was sent, its digest in short."""
    from runtime.session.calls.deployed import digest_of

    image = str((spec.get("container") or {}).get("image", "(elsewhere)"))
    digest = digest_of(image)
    return image if digest is None else f"sha256:{digest[:12]} (deployed)"


def _one(services: list[dict[str, Any]], name: str) -> dict[str, Any]:
    from runtime.cli.failure import CommandFailed

    for one in services:
        if name in (one["id"], one["metadata"]["name"]):
            return one
    known = ", ".join(clean(one["metadata"]["name"]) for one in services) or "none"
    raise CommandFailed(f"there is no service {clean(name)!r} there", cure=f"Kept there: {known}.")
