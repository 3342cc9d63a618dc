"""``bulkhead nodes``: the machines that run sessions for a server."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from runtime.cli.options import Config, Form, State, Url
from runtime.cli.terminal import Output, clean, note, say, show
from runtime.wire.text import size

if TYPE_CHECKING:
    from runtime.placement.cluster.engine.home import EngineHome

POLL_S: Final = 0.5
_COLUMNS: Final = {
    "table": ("node", "state", "cpu", "mem", "sessions", "starts", "beat", "code"),
    "wide": (
        "node", "state", "cpu", "mem", "sessions", "most", "starting", "starts", "beat", "processors",
        "boot", "moved", "code",
    ),
}  # fmt: skip
_HINT: Final = "no machine has joined; print what one joins with: bulkhead nodes token"
Node = Annotated[str, typer.Argument(help="Name of the machine.", show_default=False)]


def nodes(context: typer.Context, url: Url = None, output: Form = Output.TABLE) -> None:
    """List the machines that run sessions, or handle one."""
    if context.invoked_subcommand is not None:
        return
    from runtime.cli.api import find_server

    api = find_server(url)
    answer = api.get("/nodes")
    found = answer["nodes"]
    if output not in (Output.TABLE, Output.WIDE):
        say(show(found, output, name="name", columns={}))
        return
    here = f"the server at {api.url} runs its sessions itself; on several machines: bulkhead serve --nodes"
    hint = here if answer.get("here") else _HINT
    say(show(_rows(found), output, name="node", columns=_COLUMNS, empty=hint))
    for one in found:
        for bundle, why in one["failed"].items():
            note(clean(f"{one['name']} cannot load {bundle}: {why}"))
        if count := one.get("withheld"):
            what, those = ("a session", "it") if count == 1 else (f"{count} sessions", "them")
            note(clean(f"{one['name']} took {what} and did not tell of {those} in time: look at its log"))


def drain(
    name: Node,
    url: Url = None,
    wait: Annotated[
        bool, typer.Option("--wait/--no-wait", help="Say how far it is, until nothing is left.")
    ] = True,
) -> int:
    """Have all that a machine runs go on elsewhere; give it no more.

    It stays so when it is started again, until `bulkhead nodes undrain`."""
    import time
    from urllib.parse import quote

    from runtime.cli.api import find_server

    api = find_server(url)
    told = ""
    api.post(f"/nodes/{quote(name, safe='')}/drain", {})
    while wait:
        one = next((one for one in api.get("/nodes")["nodes"] if one["name"] == name), None)
        if one is None or one["state"] == "lost" or not one["sessions"]:
            break
        if (text := _progress(one)) != told:
            note(f"{name}: {text}")
            told = text
        time.sleep(POLL_S)
    if wait:
        say(f"{name} runs nothing; it can be ended, or given sessions again: bulkhead nodes undrain {name}")
    else:
        say(f"{name} is being drained")
    return 0


def undrain(name: Node, url: Url = None) -> int:
    """Give a machine sessions again."""
    from urllib.parse import quote

    from runtime.cli.api import find_server

    one = find_server(url).post(f"/nodes/{quote(name, safe='')}/undrain", {}).body
    when = ", once it is heard again: it is lost" if one["state"] == "lost" else ""
    say(f"{name} is given sessions again{when}")
    return 0


def _progress(one: Mapping[str, Any]) -> str:
    return f"{one['moved']} moved, {one['sessions']} to go"


def _code(one: tuple[str, str]) -> str:
    name, mark = one
    return f"{name}@{mark[:4]}" if re.fullmatch("[0-9a-f]{8,}", mark) else f"{name} ({mark})"


def _rows(found: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    codes = [tuple(one["code"].items()) for one in found]
    most = max(set(codes), key=codes.count) if codes else ()
    rows, is_said = list[dict[str, str]](), False
    for one, code in zip(found, codes, strict=True):
        text = "same" if code == most and is_said else " ".join(map(_code, code))
        is_said |= code == most
        if one["state"] == "draining":
            text += f"     ({_progress(one)})"
        is_lost = one["state"] == "lost"  # what it said last says nothing of it now
        memory = one["memory_most_bytes"] and one["memory_bytes"] and not is_lost
        rows.append(
            {
                "node": one["name"],
                "state": one["state"],
                "cpu": "-" if is_lost else f"{100 * one['cpu']:.0f} %",
                "mem": size(one["memory_bytes"]) if memory else "-",
                "sessions": str(one["sessions"]),
                "most": str(one["max_sessions"]),
                "starting": str(one["starting"]),
                "starts": f"{one['starts_per_s']:.1f}",
                "beat": f"{one['silent_s']:.1f} s",
                "processors": str(one["processors"]),
                "boot": one["boot"],
                "moved": str(one["moved"]),
                "code": text.strip() or "-",
            }
        )
    return rows


def token(
    config: Config = None,
    state_dir: State = None,
    host: Annotated[
        str, typer.Option("--host", help="Where machines reach this one (its address).", show_default=False)
    ] = "",
) -> int:
    """Print what another machine joins with.

    Whoever has it can run sessions of this server."""
    from runtime.front.http.listener import reachable_host

    home, at, port = _engine(config, state_dir)
    say(f"bulkhead node --join {home.token(host or reachable_host(at, port), port)}")
    return 0


def remove(
    name: Node,
    config: Config = None,
    state_dir: State = None,
) -> int:
    """Let a machine in no more; what it runs goes on elsewhere.

    The token there was is good no more; with another one a machine of that name may join again."""
    import asyncio

    from runtime.placement.cluster.engine.joining import remove as removed

    home, _, port = _engine(config, state_dir)
    asyncio.run(removed(home, port, name))
    note(f"{name} is let in no more; others join with a new token: bulkhead nodes token")
    return 0


def _engine(config: Path | None, state_dir: Path | None) -> tuple[EngineHome, str, int]:
    """The engine of the server in this folder, and where it listens."""
    from runtime.cli.failure import CommandFailed
    from runtime.cli.state.place import folder_of, settings_of
    from runtime.front.home import contents
    from runtime.placement.cluster.engine.home import EngineHome
    from runtime.placement.cluster.opening import address_of

    settings = settings_of(config, state_dir)
    folder = folder_of(settings) / contents.CLUSTER
    if not (folder / "engine.json").exists():
        raise CommandFailed(
            f"no server ran with nodes in {folder.parent}", cure="Start it once: bulkhead serve --nodes"
        )
    home = EngineHome.opened(folder, cluster=settings.cluster.name)
    return home, *address_of(home.listen or settings.cluster.listen)
