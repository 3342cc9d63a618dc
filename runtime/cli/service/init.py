"""``bulkhead init NAME``: a folder with a service that runs, its test, and what a container needs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from runtime.cli.terminal import clean, note, say


def init(
    name: Annotated[Path, typer.Argument(metavar="NAME", help="The folder to make; its last part names it.")],
) -> None:
    """Start a new service: an agent, its test, and a container for it."""
    import shlex

    from runtime.cli.failure import CommandFailed
    from runtime.cli.service.init_files import FILES

    folder = name.resolve()
    try:
        if folder.is_dir() and any(folder.iterdir()):
            cure = "Name a folder that is empty or not there yet: bulkhead init myagent."
            raise CommandFailed(f"{clean(str(name))} is there, and is not empty", cure=cure)
        for path, text in FILES.items():
            file = folder / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text.replace("@NAME@", image_name(folder.name)))
    except OSError as error:
        cure = "Name a folder that can be made and written to."
        raise CommandFailed(f"cannot write {error.filename}: {error.strerror}", cure=cure) from error
    say(f"  created  {'  '.join(FILES)}")
    enter = "" if folder == Path.cwd() else f"cd {shlex.quote(str(name))} && "
    note(f"  next     {enter}bulkhead service run main.py --room=myroom")
    note("  test     python -m pytest")


def image_name(folder: str) -> str:
    """A folder's name as container engines and compose allow one."""
    return re.sub(r"[^a-z0-9]+", "-", folder.lower()).strip("-") or "agent"
