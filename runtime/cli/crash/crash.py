"""``bulkhead crash``: why sessions ended badly, by kind, and one of them in full."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast
from urllib.parse import quote

import typer

from runtime.cli import completion
from runtime.cli.options import Form, Url
from runtime.cli.terminal import Output, note, say, show, to_json
from runtime.wire.text import size

if TYPE_CHECKING:
    from runtime.cli.api import Api

Crashed = Annotated[
    str,
    typer.Argument(
        help="Id of the session, or fingerprint of a kind of crash.", autocompletion=completion.crashes
    ),
]
_COLUMNS = {
    "table": ("count", "last", "reason", "where", "session", "fingerprint"),
    "wide": (
        "count",
        "first",
        "last",
        "reason",
        "where",
        "session",
        "fingerprint",
        "code",
        "endpoint",
        "likely",
    ),
}


def list_crashes(url: Url = None, output: Form = Output.TABLE) -> None:
    """List the kinds of crashes there were, the latest first."""
    from runtime.cli.api import find_server, told_paths

    api = find_server(url)
    found = api.get("/crashes")["crashes"]
    if output in (Output.TABLE, Output.WIDE):
        told = told_paths(api, (group["endpoint"] for group in found))
        found = [{**group, "endpoint": told[group["endpoint"]]} for group in found]
        hint = "no crashes"
        say(show([_row(group) for group in found], output, name="session", columns=_COLUMNS, empty=hint))
    else:
        say(show(found, output, name="session_id", columns={}))


def show_crash(
    session: Crashed,
    url: Url = None,
    tasks: Annotated[bool, typer.Option("--tasks", help="Every asyncio task and where it waits.")] = False,
    full: Annotated[
        bool, typer.Option("--full", help="Everything: tasks, locals of all frames, the whole log.")
    ] = False,
    output: Annotated[Output, typer.Option("--output", "-o", help="table, json or yaml.")] = Output.TABLE,
) -> None:
    """Show why one session ended, and what to do about it."""
    from runtime.cli.api import find_server
    from runtime.cli.crash.report_text import render

    report = report_for(find_server(url), session)
    if output is Output.JSON:
        say(to_json(report, indent=2))
    elif output is Output.YAML:
        say(show([report], output, name="session", columns={}))
    else:
        for line in render(report, tasks=tasks or full, full=full):
            say(line)
        if report["code"]["file"] and report["pid"]:
            note(f"Run it again: bulkhead replay {report['session']} --pdb", "dim")


def bundle_crash(
    session: Crashed,
    to: Annotated[
        Path | None, typer.Option("--output", "-o", help="File to write; crash-<session>.tar.gz by default.")
    ] = None,
    url: Url = None,
) -> None:
    """Write a report and all that belongs to it into one file.

    It is without secrets, to hand on."""
    from runtime.cli.api import find_server, session_path
    from runtime.cli.failure import CommandFailed

    api = find_server(url)
    if not session.startswith("s_"):
        session = report_for(api, session)["session"]
    raw = api.download(f"{session_path(session)}/crash/bundle")
    to = to or Path(f"crash-{session}.tar.gz")
    try:
        to.write_bytes(raw)
    except OSError as error:
        raise CommandFailed(
            f"{to} cannot be written: {error.strerror}", cure="Name a file with -o."
        ) from error
    say(str(to))
    note(
        f"{size(len(raw))}: report, log, stacks, call, source. Look through it before you pass it on.", "dim"
    )


def report_for(api: Api, session: str) -> dict[str, Any]:
    """The report of a session, or the latest of a kind of crash."""
    from runtime.cli.api import session_path
    from runtime.cli.failure import CommandFailed

    if session.startswith("s_"):
        return cast(dict[str, Any], api.get(f"{session_path(session)}/crash"))
    try:
        report = api.get(f"/crashes/{quote(session, safe='')}")["report"]
    except CommandFailed as error:
        if error.problem != "crash_not_found":
            raise
        raise CommandFailed(f"{session!r} is no session and no kind of crash", cure=error.cure) from error
    if report is None:
        raise CommandFailed(
            f"the reports of {session} were dropped with the oldest",
            cure="`bulkhead crash list -o wide` shows what is still known of it.",
        )
    return cast(dict[str, Any], report)


def _row(group: dict[str, Any]) -> dict[str, str]:
    from runtime.wire.trace import short_place

    kind = f": {group['kind']}" if group["kind"] else ""
    return {
        "count": str(group["count"]),
        "first": _moment(group["first_at"]),
        "last": _moment(group["last_at"]),
        "reason": f"{group['reason']}{kind}",
        "where": short_place(group["where"]) or group["endpoint"],
        "session": group["session_id"],
        "fingerprint": group["fingerprint"],
        "code": f"gen {group['code_generation']} {group['code_sha256'][:8]}".rstrip(),
        "endpoint": group["endpoint"],
        "likely": group["cure"],
    }


def _moment(at: str) -> str:
    return at[:19].replace("T", " ")
