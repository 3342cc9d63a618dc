"""``bulkhead room``: rooms of a server, made, listed and deleted."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import quote

import typer

from runtime.cli.options import Form, Url, check_room
from runtime.cli.state.in_project import project
from runtime.cli.terminal import Output, clean, say, show

Name = Annotated[str, typer.Argument(help="Name of the room.", show_default=False)]
_COLUMNS = {
    "table": ("name", "participants", "services"),
    "wide": ("id", "name", "participants", "services", "metadata"),
}


def create(
    name: Name,
    if_not_exists: Annotated[
        bool, typer.Option("--if-not-exists", help="Not to mind one that is there.")
    ] = False,
    url: Url = None,
) -> None:
    """Make a room; entering one makes it as well."""
    check_room(name)
    api, base = project(url)
    made = api.post(f"{base}/rooms", {"name": name, "if_not_exists": if_not_exists}).body
    say(f"created {clean(made['name'])} {made['id']}")


def list_rooms(url: Url = None, output: Form = Output.TABLE) -> None:
    """List the rooms that are open or have something on disk."""
    api, base = project(url)
    is_open = {one["name"]: len(one["participants"]) for one in api.get("/rooms")}
    rows: list[dict[str, Any]] = []
    for one in api.get(f"{base}/rooms")["rooms"]:
        row = {**one, "participants": is_open.get(one["name"], 0)}
        if output is not Output.NAME:
            services = api.get(f"{base}/rooms/{quote(one['name'], safe='')}/services")["services"]
            row["services"] = len(services)
        rows.append(row)
    say(show(rows, output, name="name", columns=_COLUMNS, empty="there is no room"))


def delete(name: Name, url: Url = None) -> None:
    """Delete a room with its files, documents and services."""
    check_room(name)
    api, base = project(url)
    api.delete(f"{base}/rooms/{quote(name, safe='')}")
    say(f"deleted {clean(name)}")
