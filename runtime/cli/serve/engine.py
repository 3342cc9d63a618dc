"""``bulkhead engine``: what carries messages between machines, without a server."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from runtime.cli.options import Config, State, config_file


def engine(
    config: Config = None,
    state_dir: State = None,
    host: Annotated[
        str,
        typer.Option("--host", help="Where servers and nodes reach it (its address).", show_default=False),
    ] = "",
    url_file: Annotated[
        Path | None,
        typer.Option("--url-file", help="Write what a server needs here: cluster.url.", show_default=False),
    ] = None,
    join_file: Annotated[
        Path | None,
        typer.Option("--join-file", help="Write what nodes join with here.", show_default=False),
    ] = None,
) -> int:
    """Run the engine between a server and its nodes.

    `serve --nodes` starts one of its own where cluster.url is not set; this one outlives servers."""
    import asyncio
    import os
    import signal

    from runtime.cli.failure import CommandFailed
    from runtime.cli.terminal import note
    from runtime.files import kept_file
    from runtime.front.home import contents, state_folder
    from runtime.front.http.listener import reachable_host
    from runtime.logs import configure
    from runtime.placement.cluster.engine.home import EngineHome
    from runtime.placement.cluster.opening import address_of, running
    from runtime.settings import load_settings

    flags = {"server.state_dir": str(state_dir)} if state_dir else {}
    settings = load_settings(flags=flags, env=os.environ, file=config_file(config))
    configure(settings.log)
    folder = state_folder.claimed(settings).server.state_dir / contents.CLUSTER
    home = EngineHome.opened(folder, cluster=settings.cluster.name)
    at, port = address_of(settings.cluster.listen)
    where = host or reachable_host(at, port)

    def write() -> None:
        for file, text in ((url_file, home.url(where, port)), (join_file, home.token(where, port))):
            if file is not None:
                kept_file.write(file, text)

    try:
        write()
    except OSError as error:
        raise CommandFailed(
            f"cannot write {error.filename}: {error.strerror}", cure="Make its folder writable."
        ) from error

    async def run() -> None:
        loop, over = asyncio.get_running_loop(), asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
            loop.add_signal_handler(number, over.set)
        async with running(home, listen=settings.cluster.listen, renewed=write):
            note(f"the engine listens at {at}:{port}")
            if url_file is None:
                note(f"  a server: BULKHEAD_CLUSTER_URL='{home.url(where, port)}' bulkhead serve --nodes")
            if join_file is None:
                note(f"  a node:   bulkhead node --join {home.token(where, port)}")
            await over.wait()

    asyncio.run(run())
    return 0
