"""``bulkhead init NAME``: a folder with a service that runs, its test, and what a container needs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from runtime.cli.terminal import clean, note, say


def init(
    name: Annotated[Path, typer.Argument(metavar="NAME", help="The folder to make; its last part names it.")],
    docker: Annotated[
        bool, typer.Option("--docker", help="Build its image on Bulkhead's own, bulkhead:runtime-slim.")
    ] = False,
) -> None:
    """Start a new service: an agent, its test, and a container for it."""
    import shlex

    from runtime import __version__
    from runtime.cli.failure import CommandFailed
    from runtime.cli.service import own_wheel
    from runtime.cli.service.init_files import FILES, ON_BASE

    files = FILES | {"Dockerfile": ON_BASE} if docker else FILES
    folder = name.resolve()
    try:
        if folder.is_dir() and any(folder.iterdir()):
            cure = "Name a folder that is empty or not there yet: bulkhead init myagent."
            raise CommandFailed(f"{clean(str(name))} is there, and is not empty", cure=cure)
        for path, text in files.items():
            file = folder / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text.replace("@NAME@", image_name(folder.name)).replace("@VERSION@", __version__))
        wheel = None if docker else own_wheel.write(folder / "wheels")
    except OSError as error:
        cure = "Name a folder that can be made and written to."
        raise CommandFailed(f"cannot write {error.filename}: {error.strerror}", cure=cure) from error
    say(f"  created  {'  '.join([*FILES, *([f'wheels/{wheel.name}'] if wheel else [])])}")
    enter = "" if folder == Path.cwd() else f"cd {shlex.quote(str(name))} && "
    note(f"  next     {enter}{_command()} service run main.py --room=myroom")
    note(f"  test     {enter}{_python()} -m unittest discover tests")
    note(f"  ship     {enter}docker compose up -d --build --wait")


def image_name(folder: str) -> str:
    """A folder's name as container engines and compose allow one."""
    return re.sub(r"[^a-z0-9]+", "-", folder.lower()).strip("-") or "agent"


def _python() -> str:
    """This interpreter, as one can type it here."""
    import shlex
    import sys

    return "python" if _is_found("python", Path(sys.executable)) else shlex.quote(sys.executable)


def _command() -> str:
    """This command, as one can type it here."""
    import shlex
    import sys

    beside = Path(sys.executable).with_name("bulkhead")
    if _is_found("bulkhead", beside):
        return "bulkhead"
    return shlex.quote(str(beside)) if beside.is_file() else f"{_python()} -m runtime"


def _is_found(name: str, wanted: Path) -> bool:
    import shutil

    found = shutil.which(name)
    # Not what links lead to: a virtual environment's interpreter is a link to another's.
    return found is not None and Path(found).absolute() == wanted.absolute()
