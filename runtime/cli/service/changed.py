"""A kept service with something of it changed: its image, its variables, the values of its template."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runtime.cli.options import variables

if TYPE_CHECKING:
    from runtime.cli.api import Api

TRIES = 10
"""While others change the same service."""


def change(api: Api, base: str, service: str, wanted: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Change what is kept; made anew from what somebody else changed meanwhile, so that nothing is lost.

    Args:
        wanted: The manifest as it is to be, from what it is.

    Raises:
        CommandFailed: It is refused, or changed again and again.
    """
    import json

    from runtime.cli.failure import CommandFailed
    from runtime.cli.service.scope import NEWEST, found_in

    for tries in range(TRIES):
        revision = newest_of(api, base, service)
        body = json.dumps(wanted(found_in(api, base, service))).encode()
        try:
            api.request("PUT", f"{base}/{service}?revision={revision}", body, NEWEST)
        except CommandFailed as refused:
            if refused.problem != "changed_meanwhile" or tries == TRIES - 1:
                raise
        else:
            return


def newest_of(api: Api, base: str, service: str) -> int:
    """The number of its revision that is in force."""
    return int(api.get(f"{base}/{service}/revisions")["revisions"][0]["revision"])


def changed(
    spec: dict[str, Any], *, image: str | None, env: list[str] | None, secret: list[str] | None
) -> dict[str, Any]:
    """A manifest with another image, and with variables in the place of those of their names.

    Raises:
        CommandFailed: It has no container, is still a template, or a variable is not written as NAME=TEXT.
    """
    from runtime.cli.failure import CommandFailed, ExitCode

    if "container" not in spec:
        told = "it is a template" if "template" in spec else "it has no container"
        cure = "Change the template." if "template" in spec else "Update it by its manifest."
        raise CommandFailed(f"{told}, so nothing of that can be changed", cure=cure, exit_code=ExitCode.USAGE)
    container = dict(spec["container"])
    if image:
        container["image"] = image
    if given := variables(env, secret):
        names = {one["name"] for one in given}
        others = (one for one in container.get("environment", ()) if one["name"] not in names)
        container["environment"] = [*others, *given]
    return {**spec, "container": container}


def filled_anew(spec: dict[str, Any], pairs: list[str] | None, file: Path | None) -> dict[str, Any]:
    """The template that a service came from, with other values in the place of those that are named.

    Raises:
        CommandFailed: It came from none; or values that are not kept, because they are secret, are missing.
    """
    import json

    from runtime.cli.failure import CommandFailed
    from runtime.cli.service.manifest import given_values, read_or_fail
    from runtime.wire.manifest.template import TEMPLATE_TEXT, TEMPLATE_VALUES, read_template

    annotations = spec["metadata"].get("annotations") or {}
    text = annotations.get(TEMPLATE_TEXT)
    if text is None:
        cure = "Leave --value out, or update it by its manifest."
        raise CommandFailed(f"{spec['metadata']['name']} came from no template", cure=cure)
    values = {**json.loads(annotations.get(TEMPLATE_VALUES, "{}")), **given_values(pairs, file)}
    template = read_or_fail(Path("its template"), text, read_template)
    cure = "Give secret values again: --value NAME=TEXT."
    read_or_fail(Path("its template"), values, template.render, cure)
    return {"template": text, "values": values}
