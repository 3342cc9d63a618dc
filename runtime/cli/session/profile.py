"""``bulkhead profile`` and ``bulkhead stacks``: where a session spends its time, and where it is now."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from runtime.cli import completion
from runtime.cli.options import Url
from runtime.cli.terminal import clean, note, say
from runtime.wire.text import size

_PATIENCE_S = 40.0
_LINES = 15
_LIBRARY = re.compile(r"/lib/python3\.[0-9]+/|^<frozen ")

Session = Annotated[str, typer.Argument(help="Id of a session.", autocompletion=completion.sessions)]


class By(StrEnum):
    """Who looks."""

    AUTO = "auto"
    PY_SPY = "py-spy"
    SAMPLER = "sampler"


def stacks(session: Session, url: Url = None) -> None:
    """Show where each task and thread of a session is now.

    Also of one that hangs; nothing is stopped for it.
    """
    from runtime.cli.api import find_server, session_path

    say(clean(find_server(url).get(f"{session_path(session)}/stacks")))


def profile(
    session: Session,
    seconds: Annotated[
        float, typer.Option("--seconds", "-s", min=0.1, max=120, help="How long it is looked at.")
    ] = 10.0,
    out: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="FILE.svg: a flame graph; FILE.json: for speedscope.", show_default=False
        ),
    ] = None,
    memory: Annotated[
        bool, typer.Option("--memory", help="What it allocates and keeps, instead of its time.")
    ] = False,
    rate: Annotated[int, typer.Option("--rate", min=1, max=250, help="Looks a second.")] = 100,
    by: Annotated[
        By, typer.Option("--by", help="Who looks; auto: py-spy where it can, else the session itself.")
    ] = By.AUTO,
    url: Url = None,
) -> None:
    """Show where a session spends its time, while it goes on.

    Also one that hangs can be looked at.  Without a file, the lines that took the most are listed.
    """
    from urllib.parse import urlencode

    from runtime.cli.api import find_server, session_path
    from runtime.cli.failure import CommandFailed, ExitCode

    forms = {".svg": "svg", ".json": "speedscope"}
    form = "json" if out is None else forms.get(out.suffix, "")
    if not form:
        cure = "End the file's name with .svg for a flame graph, or with .json for speedscope."
        raise CommandFailed(f"what is {out} to be?", cure=cure, exit_code=ExitCode.USAGE)
    if out is not None and not out.absolute().parent.is_dir():
        raise CommandFailed(
            f"there is no folder {out.absolute().parent}", cure="Make it first.", exit_code=ExitCode.USAGE
        )
    query = {"seconds": seconds, "rate": rate, "by": "memory" if memory else by.value, "form": form}
    api = find_server(url, timeout_s=seconds + _PATIENCE_S)
    if api.get(session_path(session))["state"] != "exited":  # else it is refused at once
        note(f"looking at {session} for {seconds:g} s", "dim")
    path = f"{session_path(session)}/profile?{urlencode(query)}"
    if out is None:
        for line in listed(api.get(path)):
            say(line)
        return
    out.write_bytes(api.download(path))
    hint = (
        "Open it in a browser."
        if form == "svg"
        else "Open it at https://www.speedscope.app (it stays on your machine)."
    )
    note(f"{out}: {size(out.stat().st_size)}. {hint}", "dim")


def listed(found: Mapping[str, Any], most: int = _LINES) -> Iterator[str]:
    """The lines in which the most was found, as text."""
    own = dict[tuple[str, str], int]()
    for stack in found["stacks"]:
        key = stack["kind"], _place_of(stack, found["frames"])
        own[key] = own.get(key, 0) + stack["weight"]
    memory = found["by"] == "tracemalloc"
    whole = max(1, sum(own.values()) if memory else found["samples"])
    looks = "" if memory else f"{found['samples']} looks in "
    yield f"{looks}{found['seconds']:g} s, by {found['by']}. {clean(found['note'])}".rstrip()
    if found["cost_cpu_s"]:
        share = found["cost_cpu_s"] / max(0.1, found["seconds"])
        yield f"It cost the session {100 * share:.1f} % of a processor."
    if not own:
        yield "\nNothing was kept." if memory else "\nNothing of the agent's ran or waited."
    for kind in ("running", "waiting", "allocated"):
        rows = sorted(((n, place) for (k, place), n in own.items() if k == kind), reverse=True)
        if rows:
            yield f"\n{kind.upper()}"
        for weight, place in rows[:most]:
            share = weight / whole
            amount = size(weight) if memory else f"{share * found['seconds']:.2f} s"
            yield f"{100 * share:5.1f} %  {amount:>9}  {clean(place)}"
        if len(rows) > most:
            yield f"{'':20}and {len(rows) - most} more places"


def _place_of(stack: Mapping[str, Any], frames: list[Mapping[str, Any]]) -> str:
    """The innermost line; of what waits that of the program's own, which says more, and whose it is."""
    way = [frames[at] for at in stack["frames"]]
    if not way:
        return str(stack["root"])
    innermost = way[-1]
    if stack["kind"] != "running":
        own = (frame for frame in reversed(way) if not _LIBRARY.search(frame["file"]))
        innermost = next(own, innermost)
    file = f"{innermost['file']}:{innermost['line']}"
    place = f"{innermost['function']}  {file}" if innermost["function"] else file
    return f"{stack['root']}: {place}" if stack["kind"] == "waiting" else place
