"""``bulkhead studio``: the Studio of the running server, in the browser."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from runtime.cli.options import Room, Url
from runtime.cli.terminal import note, say

if TYPE_CHECKING:
    from runtime.cli.api import Api


def studio(
    room: Room = None,
    open_it: Annotated[
        bool, typer.Option("--open/--no-open", help="Open it in the browser, where there is one.")
    ] = True,
    url: Url = None,
) -> None:
    """Print a link to the Studio, and open it.

    The link lets one browser in, once, within ten minutes, wherever that is: also behind ssh -L."""
    from runtime.cli.api import find_server
    from runtime.cli.browser import open_page
    from runtime.cli.options import check_room

    if room is not None:
        check_room(room)
    api = find_server(url)
    link, expires_s = studio_link(api, room or "")
    if expires_s is None:  # it is enough for a browser of this machine, which may not be where it is opened
        link, expires_s = studio_link(api, room or "", code=True)
    say(link)
    if open_it and open_page(link):
        note("opened in your browser")
    elif expires_s is not None and sys.stderr.isatty():
        elsewhere = "; from another machine, put the name of this one in it" if "://127.0.0.1" in link else ""
        note(f"good once, for {expires_s / 60:g} minutes{elsewhere}")


def studio_link(api: Api, room: str = "", *, code: bool = False) -> tuple[str, float | None]:
    """A link that opens the Studio of a server, and how long it is good for; None for as long as one likes.

    Args:
        code: Have a one-time code in it, also where this machine needs none.

    Raises:
        CommandFailed: The server does not answer, or has no Studio.
    """
    from runtime.cli.failure import CommandFailed

    wanted: dict[str, object] = {"room": room} if room else {}
    made = api.post("/studio/links", wanted | {"code": True} if code else wanted).body
    if not isinstance(made, dict) or "url" not in made:
        raise CommandFailed(f"{api.url} has no Studio", cure="Is it a server of this version?")
    return str(made["url"]), made.get("expires_in_s")


def studio_line(api: Api, room: str, *, opens: bool) -> str:
    """The Studio among what a server offers; opened when `opens` and somebody sits in front of a browser."""
    from runtime.cli.browser import open_page
    from runtime.cli.failure import CommandFailed

    try:
        link, _ = studio_link(api, room)
    except CommandFailed as error:
        return f"  Studio      not available: {error.message}"
    opened = "     (opened in your browser)" if opens and open_page(link) else ""
    return f"  Studio      {link}{opened}"
