"""``bulkhead config``: every setting in force, and where it came from."""

from __future__ import annotations

from typing import Annotated

import typer

from runtime.cli.options import Config, Form, config_file
from runtime.cli.terminal import Output, say, show


def config(
    file: Config = None,
    output: Form = Output.TABLE,
    changed: Annotated[bool, typer.Option("--changed", help="Only what is not the default.")] = False,
) -> None:
    """Show every setting and where it came from.

    Secrets are masked."""
    import os

    from runtime.settings import env_names, load_settings, shown

    settings = load_settings(env=os.environ, file=config_file(file))
    items = []
    for key, knob, value in shown(settings):
        origin = settings.origins[key]
        if changed and origin == "default":
            continue
        items.append(
            {
                "setting": key,
                "value": value,
                "origin": origin,
                "environment": env_names(key, knob)[0],
                "meaning": knob.metadata["help"],
            }
        )
    columns = {
        "table": ("setting", "value", "origin"),
        "wide": ("setting", "value", "origin", "environment", "meaning"),
    }
    say(show(items, output, name="setting", columns=columns, empty="everything is at its default"))
