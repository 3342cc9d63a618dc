"""``bulkhead service history``, ``diff``, ``rollback``: what a service was, and back to it."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from runtime.cli.options import Form, Room, Url
from runtime.cli.service.scope import Everywhere, Name, Now, image_of, kept, tell_going_on
from runtime.cli.terminal import Output, clean, paint, say, show

_COLUMNS = ("revision", "current", "at", "what", "by", "image")
_COLORS = {"+": "green", "-": "red", "@": "cyan"}


def history(
    name: Name,
    room: Room = None,
    is_global: Everywhere = False,
    url: Url = None,
    output: Form = Output.TABLE,
) -> None:
    """List the revisions of a service that are kept, the newest first."""
    api, base, found = kept(url, room, name, is_global=is_global, only_looks=True)
    rows = [
        {
            **one,
            "current": "*" if one["is_current"] else "",
            "at": one["at"][:19].replace("T", " "),
            **({} if output is Output.JSON else {"image": image_of(one["manifest"])}),
        }
        for one in api.get(f"{base}/{found['id']}/revisions")["revisions"]
    ]
    columns = {"table": _COLUMNS, "wide": (*_COLUMNS, "image_digest")}
    say(show(rows, output, name="revision", columns=columns))


def diff(
    name: Name,
    old: Annotated[
        int | None,
        typer.Argument(min=1, help="Number of a revision; default: the one before.", show_default=False),
    ] = None,
    new: Annotated[
        int | None,
        typer.Argument(min=1, help="Number of another; default: the one in force.", show_default=False),
    ] = None,
    room: Room = None,
    is_global: Everywhere = False,
    url: Url = None,
) -> None:
    """Show what differs between two revisions of a service."""
    api, base, found = kept(url, room, name, is_global=is_global, only_looks=True)
    asked = "&".join(f"{key}={one}" for key, one in (("old", old), ("new", new)) if one is not None)
    told = api.get(f"{base}/{found['id']}/diff?{asked}")
    if not told["diff"]:
        say(f"revisions {told['old']} and {told['new']} are alike")
    _say(told["diff"])


def rollback(
    name: Name,
    revision: Annotated[
        int | None,
        typer.Argument(min=1, help="Number of the revision; default: the one before.", show_default=False),
    ] = None,
    room: Room = None,
    is_global: Everywhere = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would change.")] = False,
    now: Now = False,
    url: Url = None,
) -> None:
    """Put an earlier revision of a service in force again.

    Its manifest, image and versions of secrets. It becomes the newest revision, so that nothing of the
    history is lost."""
    api, base, found = kept(url, room, name, is_global=is_global, only_looks=dry_run)
    if dry_run:
        current, to = _numbers(api.get(f"{base}/{found['id']}/revisions")["revisions"], revision)
        told = api.get(f"{base}/{found['id']}/diff?old={current}&new={to}")
        _say(told["diff"])
        say(f"would roll back {clean(found['metadata']['name'])} from revision {current} to {to}")
        return
    body: dict[str, Any] = {} if revision is None else {"revision": revision}
    body |= {"now": True} if now else {}
    done = api.post(f"{base}/{found['id']}/rollback", body, timeout_s=120.0).body
    tell_going_on(done["going_on"])
    say(f"rolled back {clean(done['name'])} {done['id']} to {done['to']}, now revision {done['revision']}")


def _numbers(revisions: list[dict[str, object]], wanted: int | None) -> tuple[object, object]:
    """Of the revision in force, and of the one that is wanted."""
    from runtime.cli.failure import CommandFailed

    current = next(one["revision"] for one in revisions if one["is_current"])
    older = [one["revision"] for one in revisions if not one["is_current"]]
    if wanted is None and not older:
        raise CommandFailed("it has one revision only", cure="There is nothing to go back to.")
    return current, older[0] if wanted is None else wanted


def _say(diff: str) -> None:
    for line in diff.splitlines():
        say(paint(clean(line), _COLORS.get(line[:1], ""), sys.stdout))
