"""The page of all commands, read from the command line itself."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import typer

from docs.reference.table import plain, sentence, stacked


def page() -> str:
    """Every command with its arguments and options."""
    from runtime.cli.main import app

    parts = []
    for name, command in commands(typer.main.get_command(app), "bulkhead"):
        parts.append(_section(name, command))
    return "\n".join(parts)


def commands(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Every command that does something, with the words that call it, in the order of the help."""
    listed = getattr(command, "commands", None)
    if listed is None:
        yield name, command
        return
    for word, inner in listed.items():
        if not inner.hidden:
            yield from commands(inner, f"{name} {word}")


def _section(name: str, command: Any) -> str:
    context = command.make_context(name, [], resilient_parsing=True)
    usage = command.get_usage(context).partition(": ")[2]
    lines = [f"## {name}", "", told(command), "", "```text", " ".join(usage.split()), "```", ""]
    shown = [one.get_help_record(context) for one in command.params if one.name != "help"]
    rows = [(f"`{names}`", sentence(plain(text))) for names, text in filter(None, shown)]
    if rows:
        lines.append(stacked(("", ""), rows))
    return "\n".join(lines)


def told(command: Any) -> str:
    """What a command says of itself."""
    return inspect.cleandoc(command.help or "").replace("``", "`")
