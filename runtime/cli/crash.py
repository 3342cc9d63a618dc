"""``bulkhead crash``: why sessions ended badly, by kind, and one of them in full."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from runtime.cli.options import Form, Url
from runtime.cli.terminal import Output, say, show

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
    from runtime.cli.api import find_server

    found = find_server(url).get("/crashes")["crashes"]
    if output in (Output.TABLE, Output.WIDE):
        hint = "no crashes"
        say(show([_row(group) for group in found], output, name="session", columns=_COLUMNS, empty=hint))
    else:
        say(show(found, output, name="session_id", columns={}))


def show_crash(
    session: Annotated[str, typer.Argument(help="Id of the session, or fingerprint of a kind of crash.")],
    url: Url = None,
    tasks: Annotated[bool, typer.Option("--tasks", help="Every asyncio task and where it waits.")] = False,
    full: Annotated[
        bool, typer.Option("--full", help="Everything: tasks, locals of all frames, the whole log.")
    ] = False,
    output: Annotated[Output, typer.Option("--output", "-o", help="table, json or yaml.")] = Output.TABLE,
) -> None:
    """Show why one session ended, and what to do about it."""
    from runtime.cli.api import find_server
    from runtime.cli.autopsy import render
    from runtime.cli.failure import CommandFailed

    api = find_server(url)
    if session.startswith("s_"):
        report = api.get(f"/workers/{session}/crash")
    else:
        report = api.get(f"/crashes/{session}")["report"]
        if report is None:
            raise CommandFailed(
                f"the reports of {session} were dropped with the oldest",
                cure="`bulkhead crash list -o wide` shows what is still known of it.",
            )
    if output is Output.JSON:
        say(json.dumps(report, indent=2, ensure_ascii=False))
    elif output is Output.YAML:
        say(show([report], output, name="session", columns={}))
    else:
        for line in render(report, tasks=tasks or full, full=full):
            say(line)


def _row(group: dict[str, Any]) -> dict[str, str]:
    from runtime.cli.chatter import short_place

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
