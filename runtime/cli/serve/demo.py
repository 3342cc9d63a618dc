"""``bulkhead demo``: the example agents in a room, on a screen, with keys to play."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from runtime.cli.options import Config, Port, State, config_file
from runtime.cli.terminal import note

if TYPE_CHECKING:
    from runtime.cli.serve.foreground import Foreground

FIRST_PORT = 8080


def demo(
    port: Port = None,
    room: Annotated[str, typer.Option("--room", "-r", help="Room to call the agents into.")] = "demo",
    open_it: Annotated[
        bool, typer.Option("--open/--no-open", help="Open the Studio in the browser, where there is one.")
    ] = True,
    config: Config = None,
    state_dir: State = None,
) -> int:
    """Watch the agents of ./agents, or examples, in a room."""
    from runtime.cli.failure import CommandFailed
    from runtime.cli.ports import first_free
    from runtime.cli.room_option import check_room

    check_room(room)
    sources = _sources()
    if sources is None:
        cure = "Make a folder agents/ with a main.py in it, or run this in a checkout of bulkhead."
        raise CommandFailed("there are no agents to show", cure=cure)
    flags: dict[str, Any] = {
        "server.port": first_free(FIRST_PORT) if port is None else port,
        "server.room": room,
        "server.chaos": True,
        "server.state_dir": state_dir,
    }
    from runtime.cli.serve.foreground import Key
    from runtime.cli.serve.screen import show_screen

    keys = {"c": Key(_chat, takes_terminal=True), "k": Key(_crash), "q": Key(_quit)}
    footer = "Press c to chat here, k to crash one on purpose, q to quit."
    return show_screen(
        flags, [sources], config_file(config), keys=keys, footer=footer, show_prints=False, opens=open_it
    )


def _sources() -> Path | None:
    import runtime

    package = Path(runtime.__file__).resolve().parent
    # Here, else those of the checkout, else those that the wheel carries.
    for folder in (Path("agents"), package.parent / "agents", package / "examples"):
        if folder.is_dir() and any(not entry.name.startswith((".", "_")) for entry in folder.iterdir()):
            return folder
    return None


def _chat(screen: Foreground) -> None:
    from runtime.cli.failure import CommandFailed
    from runtime.cli.room.chat import talk

    chatty = next(
        (row for row in screen.rows if row.state == "ready" and "chat" in row.path + row.identity), None
    )
    row = chatty or next((row for row in screen.rows if row.state == "ready"), None)
    if row is None:
        note("nobody is in the room to chat with", "yellow")
        return
    try:
        room = screen.api.get(f"/workers/{row.session}")["room"]
        talk(screen.api, room, row.identity)
    except CommandFailed as error:
        note(f"error: {error}", "red")


def _crash(screen: Foreground) -> None:
    """SIGSEGV to the last ready agent, so that the chatbot stays to talk to."""
    import os
    import signal

    victims = [row for row in screen.rows if row.state == "ready" and row.pid.isdigit()]
    if not victims:
        screen.tell("  nobody is left to crash", "yellow")
        return
    victim = victims[-1]
    told = f"  kill -SEGV {victim.pid}   ({victim.identity}); watch its row, and that the others stay"
    screen.tell(told, "yellow")
    try:
        os.kill(int(victim.pid), signal.SIGSEGV)
    except ProcessLookupError:
        screen.tell("  it is gone already", "yellow")


def _quit(screen: Foreground) -> None:
    screen.quit()
