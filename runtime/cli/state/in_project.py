"""The project of a server, and what is kept in it by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from runtime.cli.terminal import clean

if TYPE_CHECKING:
    from runtime.cli.api import Api


def project(url: str | None) -> tuple[Api, str]:
    """The server that is meant, and the path of its only project."""
    from runtime.cli.api import find_server, project_path

    api = find_server(url)
    return api, project_path(api)


def found(kept: Sequence[dict[str, Any]], name: str, what: str) -> dict[str, Any]:
    """One by its name or id.

    Raises:
        CommandFailed: There is none, or more than one of that name.
    """
    from runtime.cli.failure import CommandFailed

    named = [one for one in kept if one["id"] == name] or [one for one in kept if one["name"] == name]
    if len(named) == 1:
        return named[0]
    if named:
        ids = ", ".join(one["id"] for one in named)
        raise CommandFailed(
            f"{len(named)} {what}s are called {clean(name)!r}", cure=f"Name one by id: {ids}."
        )
    known = ", ".join(clean(one["name"]) for one in kept) or "none"
    raise CommandFailed(f"there is no {what} {clean(name)!r}", cure=f"There is: {known}.")
