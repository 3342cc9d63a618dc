"""``bulkhead demo``: the example agents in a room, on a screen, with keys to play."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from runtime.cli.options import Config, Port, State, config_file
from runtime.cli.terminal import note

if TYPE_CHECKING:
    from runtime.cli.serve.foreground import Foreground

ROOM = "demo"


def demo(
    port: Port = None,
    room: Annotated[
        str | None,
        typer.Option("--room", "-r", help="Room to call the agents into (demo).", show_default=False),
    ] = None,
    open_it: Annotated[
        bool, typer.Option("--open/--no-open", help="Open the Studio in the browser, where there is one.")
    ] = True,
    config: Config = None,
    state_dir: State = None,
) -> int:
    """Watch the agents of ./agents, or examples, in a room."""
    import os

    from runtime.cli.options import check_room
    from runtime.cli.ports import first_free
    from runtime.cli.serve.foreground import Key
    from runtime.cli.serve.screen import show_screen
    from runtime.settings import load_settings

    file = config_file(config)
    flags: dict[str, Any] = {"server.port": port, "server.room": room, "server.state_dir": state_dir}
    settings = load_settings(flags=flags, env=os.environ, file=file)
    # What this command wants otherwise than the server's defaults, and only where nobody wants anything.
    wishes: dict[str, Callable[[], Any]] = {
        "server.port": lambda: first_free(settings.server.port, settings.server.host),
        "server.room": lambda: ROOM,
        "server.chaos": lambda: True,
    }
    for key, wish in wishes.items():
        if settings.origins[key] == "default":
            flags[key] = wish()
    if not settings.server.remote:
        check_room(flags["server.room"] or settings.server.room)
    is_set = settings.origins["server.agents_dir"] != "default"
    sources = _existing(settings.server.agents_dir) if is_set else _usual_sources()
    keys = {"c": Key(_chat, takes_terminal=True), "k": Key(_crash), "q": Key(_quit)}
    footer = "Press c to chat here, k to crash one on purpose, q to quit."
    return show_screen(flags, [sources], file, keys=keys, footer=footer, show_prints=False, opens=open_it)


def _existing(folder: Path) -> Path:
    from runtime.cli.failure import CommandFailed, ExitCode

    if not folder.exists():
        cure = "Name a folder of agents by server.agents_dir, or leave it out for the examples."
        raise CommandFailed(f"there is no {folder}", cure=cure, exit_code=ExitCode.USAGE)
    return folder


def _usual_sources() -> Path:
    import runtime
    from runtime.cli.failure import CommandFailed

    package = Path(runtime.__file__).resolve().parent
    # Here, else those of the checkout, else those that the wheel carries.
    for folder in (Path("agents"), package.parent / "agents", package / "examples"):
        if folder.is_dir() and any(not entry.name.startswith((".", "_")) for entry in folder.iterdir()):
            return folder
    cure = "Make a folder agents/ with a main.py in it, or run this in a checkout of bulkhead."
    raise CommandFailed("there are no agents to show", cure=cure)


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
