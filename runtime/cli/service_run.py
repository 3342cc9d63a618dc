"""``bulkhead service run main.py --room=myroom``: one service in a room, while you write it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from runtime.cli.options import Config, Port, State, Watch, config_file
from runtime.cli.terminal import note, say

if TYPE_CHECKING:
    from runtime.cli.board import Row
    from runtime.cli.foreground import Foreground

FIRST_PORT = 8081
HOST = "0.0.0.0"


def run(
    command: Annotated[Path, typer.Argument(metavar="COMMAND", help="main.py, or a folder with one.")],
    room: Annotated[
        str | None,
        typer.Option(
            "--room",
            "-r",
            envvar="MESHAGENT_ROOM",
            help="Room to call every endpoint into.",
            show_default=False,
        ),
    ] = None,
    port: Port = None,
    watch: Watch = None,
    config: Config = None,
    state_dir: State = None,
) -> int:
    """Run a service here and call each of its endpoints into a room."""
    import os

    from runtime.cli import project
    from runtime.cli.failure import CommandFailed, ExitCode
    from runtime.cli.foreground import Foreground
    from runtime.cli.ports import any_free, is_free
    from runtime.cli.screen import free_state_dir
    from runtime.cli.source import check_source, loaded
    from runtime.settings import load_settings

    check_source(command)
    known = project.load()
    room = room or (known.room if known else None)
    if not room:
        cure = "Say which: --room=myroom (or run `bulkhead setup` once for a default room)."
        raise CommandFailed("which room?", cure=cure, exit_code=ExitCode.USAGE)
    say("Connecting to room...")
    file = config_file(config)
    given: dict[str, Any] = {"server.port": port, "server.state_dir": state_dir, "server.watch": watch}
    given = {key: value for key, value in given.items() if value is not None}
    settings = load_settings(flags=given, env=os.environ, file=file)
    if settings.origins["server.port"] == "default":
        chosen = FIRST_PORT if is_free(FIRST_PORT, HOST) else any_free(HOST)
    else:
        chosen = settings.server.port or any_free(HOST)
        if not is_free(chosen, HOST):
            cure = "Stop what listens there, or leave --port out for a free one."
            raise CommandFailed(f"port {chosen} is taken", cure=cure)
    host = HOST if settings.origins["server.host"] == "default" else settings.server.host
    flags = given | {
        "server.host": host,
        "server.port": chosen,
        "server.chaos": True,
        "server.room": "",  # called from here, one line each
        "server.state_dir": free_state_dir(settings.server.state_dir),
    }
    foreground = Foreground(flags, [command], file)
    foreground.drain_s = settings.server.drain_s
    # A failed import is told with its traceback; that other machines are refused is what is meant.
    foreground.chatter.muted |= {"bundle.failed", "server.unsigned_webhooks_refused"}
    foreground.hold()  # nothing may come between the lines that follow
    api = foreground.start()
    try:
        endpoints = loaded(api, foreground.server, command)
        say(f"Connecting port {chosen}...")
        for endpoint in endpoints:
            say(f"Connecting endpoint {endpoint['path']} as {endpoint['identity']}...")
        called = _call_all(foreground, endpoints, room, host, chosen)
        foreground.chatter.muted.discard("bundle.failed")
        foreground.after_look = _call_added(foreground, endpoints, room)
        foreground.settle(called=called)
    except CommandFailed:
        foreground.abandon()
        raise
    say()
    watching = f"Watching {command} for changes     " if settings.server.watch else ""
    to = next((item["identity"] for item in endpoints if item.get("kind") == "chatbot"), None)
    # Beside another server of this folder, commands mean that one unless told otherwise.
    other = "" if flags["server.state_dir"] == settings.server.state_dir.resolve() else f" --url {api.url}"
    hint = f"Talk to it: bulkhead chat --room={room} --to {to}{other}     " if to else ""
    say(f"  {hint}{watching}Ctrl-C to stop")
    say()
    foreground.release()
    return foreground.watch()


def _call_added(
    foreground: Foreground, endpoints: list[dict[str, Any]], room: str
) -> Callable[[list[Row]], None]:
    """Call endpoints that the program did not have at first; each is tried once."""
    from runtime.cli.call import post_call
    from runtime.cli.failure import CommandFailed

    tried = {str(endpoint["path"]) for endpoint in endpoints}

    def look(rows: list[Row]) -> None:
        for row in rows:
            if row.path in tried or row.state != "waiting":
                continue
            tried.add(row.path)
            try:
                post_call(foreground.api, row.path, {"room_name": room, "arguments": {}})
                foreground.tell(f"  + endpoint {row.path} as {row.identity} called into {room}", "cyan")
            except CommandFailed as error:
                foreground.tell(f"  error: {row.path}: {error}", "red")

    return look


def _call_all(
    foreground: Foreground, endpoints: list[dict[str, Any]], room: str, host: str, port: int
) -> bool:
    """Call every endpoint into the room at once; one that fails does not hold up the others.

    Returns whether all of them took the call.
    """
    from concurrent.futures import ThreadPoolExecutor

    from runtime.cli.call import post_call
    from runtime.cli.failure import CommandFailed

    def one(endpoint: dict[str, Any]) -> bool:
        path, identity = endpoint["path"], endpoint["identity"]
        class_name = endpoint.get("class_name") or endpoint.get("class") or "agent"
        lines = [
            f"INFO:services:starting -> {host}:{port}{path} -> {class_name}",
            f"INFO:webhooks:received request http://localhost:{port}{path} POST",
        ]
        try:
            post_call(foreground.api, path, {"room_name": room, "arguments": {}})
        except CommandFailed as error:
            note(f"error: {path}: {error}", "red")
            return False
        say("\n".join([*lines, f"INFO:services:{identity} answering call and joining room"]))
        return True

    with ThreadPoolExecutor(max_workers=min(16, len(endpoints))) as pool:
        return all(list(pool.map(one, endpoints)))
