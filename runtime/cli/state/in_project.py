"""What a project of a server keeps by name: keys, webhooks, secrets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from runtime.cli.terminal import Output, clean, note, say

if TYPE_CHECKING:
    from runtime.cli.api import Api


def project(url: str | None) -> tuple[Api, str]:
    """The server that is meant, and the path of its only project."""
    from runtime.cli.api import find_server, project_path

    api = find_server(url)
    return api, project_path(api)


class Kept(msgspec.Struct, frozen=True):
    """One kind of it, on the server that is meant.

    Attributes:
        what: What one of them is called.
        path: Where they are.
        key: Of the list in the server's answer.
    """

    api: Api
    what: str
    path: str
    key: str

    @classmethod
    def of(cls, url: str | None, what: str, name: str, key: str) -> Kept:
        """Those of the project's.

        Args:
            name: The last part of their path.
        """
        api, base = project(url)
        return cls(api, what, f"{base}/{name}", key)

    def listed(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.api.get(self.path)[self.key]
        return found

    def one(self, name: str) -> dict[str, Any]:
        """One by its name or id.

        Raises:
            CommandFailed: There is none, or more than one of that name.
        """
        from runtime.cli.failure import CommandFailed

        kept = self.listed()
        named = [one for one in kept if one["id"] == name] or [one for one in kept if one["name"] == name]
        if len(named) == 1:
            return named[0]
        if named:
            ids = ", ".join(one["id"] for one in named)
            told = f"{len(named)} {self.what}s are called {clean(name)!r}"
            raise CommandFailed(told, cure=f"Name one by id: {ids}.")
        known = ", ".join(clean(one["name"]) for one in kept) or "none"
        raise CommandFailed(f"there is no {self.what} {clean(name)!r}", cure=f"Kept are: {known}.")

    def make(self, wanted: Mapping[str, Any], output: Output, *, once: str, told: str) -> None:
        """Make one, and say what is shown this once, as the last line.

        Args:
            once: The member of the answer that has it.
            told: What is said of it, after its kind, name and id.
        """
        import json

        made = self.api.post(self.path, wanted).body
        if output is Output.JSON:
            say(json.dumps(made))
            return
        note(f"{self.what} {clean(made['name'])} {made['id']}{told}")
        say(made[once])

    def delete(self, name: str) -> None:
        """Delete one by its name or id, and say so."""
        one = self.one(name)
        self.api.delete(f"{self.path}/{one['id']}")
        say(f"deleted {clean(one['name'])} {one['id']}")
