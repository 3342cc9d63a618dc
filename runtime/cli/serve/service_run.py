"""``bulkhead service run main.py --room=myroom``: one service in a room, while you write it."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from runtime.cli.options import Config, Port, Reload, Remote, State, Watch, config_file, elsewhere
from runtime.cli.terminal import note, note_failure, say

if TYPE_CHECKING:
    from runtime.cli.room.room_calls import RoomCalls
    from runtime.cli.serve.foreground import Foreground

FIRST_PORT = 8081
HOST = "0.0.0.0"
SAID_S = 0.2


def run(
    command: Annotated[Path, typer.Argument(metavar="COMMAND", help="main.py, or a folder with one.")],
    room: Annotated[
        str | None,
        typer.Option(
            "--room",
            "-r",
            help="Room to call every endpoint into.",
            show_default=False,
        ),
    ] = None,
    port: Port = None,
    watch: Watch = None,
    reload: Annotated[
        Reload, typer.Option("--reload", help="What becomes of the called sessions when you save.")
    ] = Reload.RESTART,
    remote: Remote = False,
    config: Config = None,
    state_dir: State = None,
) -> int:
    """Run a service here and call each of its endpoints into a room."""
    import os

    from runtime.cli import project
    from runtime.cli.failure import CommandFailed, ExitCode
    from runtime.cli.options import check_room
    from runtime.cli.ports import any_free, is_free, taken
    from runtime.cli.room.room_calls import RoomCalls
    from runtime.cli.serve.foreground import Foreground
    from runtime.cli.serve.screen import free_state_dir
    from runtime.cli.serve.studio import studio_line
    from runtime.cli.source import check_source, loaded
    from runtime.process import agents_env
    from runtime.settings import load_settings

    check_source(command)
    file = config_file(config)
    given: dict[str, Any] = {
        "server.port": port,
        "server.room": room,
        "server.state_dir": state_dir,
        "server.watch": watch,
    }
    given = {key: value for key, value in given.items() if value is not None}
    settings = load_settings(flags=given, env=os.environ, file=file)
    known = project.load()
    room = settings.server.room or (known.room if known else None)
    if not room:
        cure = "Say which: --room=myroom (or run `bulkhead setup` once for a default room)."
        raise CommandFailed("which room?", cure=cure, exit_code=ExitCode.USAGE)
    if not remote:
        check_room(room)
    agents_env.in_force(settings.server.agents_env, [command])  # told here, before anything is started
    where = elsewhere(settings.server) if remote else None
    say("Connecting to room...")
    if settings.origins["server.port"] == "default":
        chosen = FIRST_PORT if is_free(FIRST_PORT, HOST) else any_free(HOST)
    else:
        chosen = settings.server.port or any_free(HOST)
        if not is_free(chosen, HOST):
            raise taken(chosen, settings.origins["server.port"])
    host = HOST if settings.origins["server.host"] == "default" else settings.server.host
    flags = given | {
        "server.host": host,
        "server.port": chosen,
        "server.chaos": settings.server.chaos or settings.origins["server.chaos"] == "default",
        "server.room": "",  # called from here, one line each
        "server.state_dir": free_state_dir(settings.server.state_dir),
    }
    foreground = Foreground(flags, [command], file, calls_into=room)
    foreground.drain_s = settings.server.drain_s
    # A failed import is told with its traceback; that other machines are refused is what is meant.
    foreground.server_log.muted |= {"bundle.failed", "server.unsigned_webhooks_refused"}
    foreground.hold()  # nothing may come between the lines that follow
    api = foreground.start()
    try:
        if settings.server.watch:
            endpoints = _until_served(foreground, command)
            if not endpoints:
                return foreground.drain()
        else:
            endpoints = loaded(api, foreground.server, command)
        say(f"Connecting port {chosen}...")
        for endpoint in endpoints:
            say(f"Connecting endpoint {endpoint['path']} as {endpoint['identity']}...")
        calls = RoomCalls(
            lambda: foreground.api,
            room,
            tell=foreground.tell,
            reload=reload,
            is_over=lambda: foreground.is_ending,
            elsewhere=where,
        )
        called = _call_all(calls, endpoints, host, chosen)
        foreground.server_log.muted.discard("bundle.failed")
        foreground.server_log.source = command.resolve().name
        foreground.server_log.after_reload = calls.after_reload
        foreground.after_look = calls.look
        foreground.settle(called=called)
    except CommandFailed:
        foreground.abandon()
        raise
    say()
    if where is None:
        say(studio_line(api, room, opens=False))
    watching = f"Watching {command} for changes     " if settings.server.watch else ""
    to = next((item["identity"] for item in endpoints if item.get("kind") == "chatbot"), None)
    # Beside another server of this folder, commands mean that one unless told otherwise.
    other = "" if flags["server.state_dir"] == settings.server.state_dir.resolve() else f" --url {api.url}"
    talk = f"bulkhead chat {shlex.quote(f'--room={room}')} --to {shlex.quote(to or '')}{other}"
    hint = f"Talk to it: {talk}     " if to else ""
    if where is not None:
        hint = f"Room {room} of {where.url}     "
    say(f"  {hint}{watching}Ctrl-C to stop")
    say()
    foreground.release()
    return foreground.watch()


def _until_served(foreground: Foreground, command: Path) -> list[dict[str, Any]]:
    """The endpoints, once there are any: a mistake is told, and the save that mends it waited for."""
    import time

    from runtime.cli.failure import CommandFailed
    from runtime.cli.source import until_served

    muted = foreground.server_log.muted

    def tell(error: CommandFailed) -> None:
        note_failure(error)
        if "bundle.failed" in muted:
            note(f"Waiting for {command} to be saved     Ctrl-C to stop", "dim")
            foreground.release()
            time.sleep(SAID_S)  # the same is in the log, which may be read a little later
            muted.discard("bundle.failed")

    server, api = foreground.server, foreground.api
    found = until_served(api, server, command, tell=tell, is_over=lambda: foreground.is_ending)
    muted.add("bundle.failed")
    foreground.hold()
    return found


def _call_all(calls: RoomCalls, endpoints: list[dict[str, Any]], host: str, port: int) -> bool:
    """Call every endpoint into the room at once; one that fails does not hold up the others.

    Returns whether all of them took the call.
    """
    from concurrent.futures import ThreadPoolExecutor

    from runtime.cli.failure import CommandFailed

    def one(endpoint: dict[str, Any]) -> bool:
        path, identity = endpoint["path"], endpoint["identity"]
        class_name = endpoint.get("class_name") or endpoint.get("class") or "agent"
        lines = [
            f"INFO:services:starting -> {host}:{port}{path} -> {class_name}",
            f"INFO:webhooks:received request http://localhost:{port}{path} POST",
        ]
        try:
            calls.first(endpoint)
        except CommandFailed as error:
            note(f"error: {path}: {error}", "red")
            return False
        say("\n".join([*lines, f"INFO:services:{identity} answering call and joining room"]))
        return True

    with ThreadPoolExecutor(max_workers=min(16, len(endpoints))) as pool:
        return all(list(pool.map(one, endpoints)))
