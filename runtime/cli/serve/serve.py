"""``bulkhead serve``: the server.  Process 1 of the container, or a screen with a table on a terminal."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from runtime.cli.options import Config, Host, Port, Remote, State, Watch, config_file, elsewhere
from runtime.cli.terminal import is_plain


def serve(
    sources: Annotated[
        list[Path] | None, typer.Argument(help="Files or folders of agents (agents/).", show_default=False)
    ] = None,
    host: Host = None,
    port: Port = None,
    room: Annotated[
        str | None, typer.Option("--room", "-r", help="Room to call every agent into.", show_default=False)
    ] = None,
    remote: Remote = False,
    config: Config = None,
    state_dir: State = None,
    watch: Watch = None,
    nodes: Annotated[
        bool, typer.Option("--nodes", help="Run sessions on machines that join: bulkhead node.")
    ] = False,
    public_url: Annotated[
        str | None,
        typer.Option("--public-url", help="Address under which others reach it.", show_default=False),
    ] = None,
) -> int:
    """Serve agents until told to stop.

    Webhooks, rooms and the operator API share one port."""
    import os

    from runtime.cli.failure import CommandFailed, ExitCode
    from runtime.cli.options import check_room
    from runtime.cli.ports import check_free
    from runtime.process import agents_env
    from runtime.settings import load_settings

    file = config_file(config)
    flags: dict[str, Any] = {
        "server.host": host,
        "server.port": port,
        "server.room": room,
        "server.watch": watch,
        "server.public_url": public_url,
        "cluster.nodes": nodes or None,
        "server.state_dir": str(state_dir) if state_dir else None,
    }
    flags = {key: value for key, value in flags.items() if value is not None}
    settings = load_settings(flags=flags, env=os.environ, file=file)  # told here, before anything is started
    if remote or settings.server.remote:
        flags["server.remote"] = elsewhere(settings.server).url
        if not settings.server.room:
            cure = "Say which of its rooms: --room=myroom."
            raise CommandFailed("which room?", cure=cure, exit_code=ExitCode.USAGE)
    elif settings.server.room:
        check_room(settings.server.room)
    given = list(sources or [settings.server.agents_dir])
    missing = [source for source in given if not source.exists()]
    if missing and (sources or not settings.cluster.nodes):  # those are the nodes' matter
        raise CommandFailed(
            f"there is no {missing[0]}",
            cure="Name a file or folder of agents: bulkhead serve agents/. Examples: bulkhead demo.",
            exit_code=ExitCode.USAGE,
        )
    if odd := [source for source in given if source.is_file() and source.suffix != ".py"]:
        cure = "Name a file that ends in .py, or a folder of agents."
        raise CommandFailed(f"{odd[0]} is no Python file", cure=cure, exit_code=ExitCode.USAGE)
    folders = [source for source in sources or () if source.is_dir() and not (source / "main.py").is_file()]
    if folders:
        flags["server.agents_dir"] = str(folders[0])  # where images are looked for as well
    agents_env.in_force(settings.server.agents_env, given)
    check_free(settings)
    if is_plain(sys.stdout) or settings.log.format.lower() == "json":
        from runtime.cli import project
        from runtime.cli.server_process import front_argv
        from runtime.process.init.init import Init

        init = Init(front_argv(flags, given, file), project.with_key(os.environ))
        status = init.run()
        # A drained server ends with 0; the shell is told that it was asked to end, and how.
        return 128 + init.asked_by if status == 0 and init.asked_by else status

    from runtime.cli.serve.screen import show_screen

    return show_screen(flags, given, file)
