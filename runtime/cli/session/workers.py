"""``bulkhead ps``: the sessions and their processes."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from runtime.cli.options import Form, Room, Url
from runtime.cli.terminal import Output, clean, is_plain, length, note, say, show, write
from runtime.session.calls.deployed import told_path
from runtime.wire.text import size

_COLUMNS = {
    "table": ("session", "identity", "room", "state", "pid", "cpu", "memory", "up"),
    "wide": (
        "session", "identity", "room", "state", "node", "pid", "cpu", "memory", "up",
        "disk", "children", "fds", "threads", "lag", "confinement", "endpoint", "bundle", "code_generation",
        "attempt", "restarts", "input", "end",
    ),
}  # fmt: skip
_ON_NODES = ("session", "identity", "room", "state", "node", "pid", "cpu", "memory", "up")
"""A process's number says nothing without its machine."""


def workers(
    url: Url = None,
    room: Room = None,
    identity: Annotated[str | None, typer.Option("--identity", help="Only this identity.")] = None,
    every: Annotated[bool, typer.Option("--all", "-a", help="The ended ones too.")] = False,
    output: Form = Output.TABLE,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Show it again every second.")] = False,
) -> None:
    """List the sessions and their processes."""
    import time

    from runtime.cli.api import find_server

    api = find_server(url)
    redraw = watch and output in (Output.TABLE, Output.WIDE) and not is_plain(sys.stdout)
    while True:
        answer = api.get("/workers?all=1" if every else "/workers")
        found = _chosen(answer["workers"], room, identity)
        text = _render(found, output, room, identity)
        if redraw:
            write("\x1b[H\x1b[2J", sys.stdout)  # home and clear below, so that it does not flicker
        say(text)
        if output in (Output.TABLE, Output.WIDE):
            for line, color in troubles(answer.get("bundles", ())):
                note(line, color)
        if not watch:
            return
        time.sleep(1.0)


def troubles(bundles: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """What is the matter with bundles that do not serve, or serve older code: (line, colour)."""
    told = []
    for bundle in bundles:
        name, error = clean(bundle["name"]), clean(bundle.get("error") or "")
        if bundle["state"] == "loading":
            told.append((f"{name} is being loaded", "yellow"))
        elif bundle["state"] == "failed":
            told.append((f"{name} cannot be loaded: {error}", "red"))
        elif error:
            told.append((f"{name} serves older code: {error}", "yellow"))
    return told


def _chosen(found: Sequence[dict[str, Any]], room: str | None, identity: str | None) -> list[dict[str, Any]]:
    return [
        worker
        for worker in found
        if (room is None or worker["room"] == room) and (identity is None or worker["identity"] == identity)
    ]


def _render(found: list[dict[str, Any]], output: Output, room: str | None, identity: str | None) -> str:
    if output not in (Output.TABLE, Output.WIDE):
        return show(found, output, name="id", columns={})
    rows = [_row(worker) for worker in found]
    start = f"start one: bulkhead call /chat --room {shlex.quote(room or 'myroom')}"
    if identity is not None:
        start = "those of all: bulkhead ps"
    where = f" in the room {clean(room)}" if room is not None else ""
    hint = f"no sessions{f' of {clean(identity)}' if identity is not None else ''}{where}; {start}"
    columns = _COLUMNS if {row["node"] for row in rows} <= {"-", "local"} else _COLUMNS | {"table": _ON_NODES}
    return show(rows, output, name="session", columns=columns, empty=hint)


def _row(worker: Mapping[str, Any]) -> dict[str, str]:
    up_s = worker.get("uptime_s") or 0.0
    cpu_s = worker.get("cpu_s") or 0.0
    memory = worker.get("pss_bytes") or worker.get("rss_bytes") or 0
    lag_ms = worker.get("lag_ms")
    end = worker.get("exit") or {}
    note = str(worker.get("note") or "")
    return {
        "session": str(worker["id"]),
        "identity": str(worker["identity"]),
        "room": str(worker["room"]),
        "state": _state(worker),
        "node": str(worker.get("node") or "-"),
        "pid": str(worker.get("pid") or "-"),
        "cpu": f"{100 * cpu_s / up_s:.1f} %" if up_s else "-",
        "memory": size(memory) if memory else "-",
        "up": length(up_s),
        "children": str(worker.get("children", "-")),
        "disk": "-" if (disk := worker.get("disk_bytes")) is None else size(disk),
        "fds": str(worker.get("fds", "-")),
        "threads": str(worker.get("threads", "-")),
        "lag": "-" if lag_ms is None else f"{lag_ms:.0f} ms",
        "confinement": _confinement(worker.get("confinement")),
        "endpoint": told_path(str(worker.get("endpoint", "")), str(worker.get("bundle", ""))),
        "bundle": str(worker.get("bundle", "")),
        "code_generation": str(worker.get("code_generation") or "-"),
        "attempt": str(worker.get("attempt", "")),
        "restarts": str(worker.get("restarts", 0)),
        "input": str(worker.get("input") or "-"),
        "end": str(end.get("reason", "")) + (f": {end['message']}" if end.get("message") else note),
    }


def _state(worker: Mapping[str, Any]) -> str:
    if worker.get("frozen"):
        return "frozen"
    return str(worker["state"]) + (" (held)" if worker.get("note") else "")


def _confinement(held: Mapping[str, Any] | None) -> str:
    """The level, and how often it refused something."""
    if not held:
        return "-"
    count = sum(held.get("refused", {}).values())
    return f"{held['level']}, {count} refused" if count else str(held["level"])
