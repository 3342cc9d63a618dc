"""``bulkhead nodes``: the machines that run sessions for a server."""

from __future__ import annotations

from typing import Annotated

import typer

from runtime.cli.options import Config, State


def token(
    config: Config = None,
    state_dir: State = None,
    host: Annotated[
        str, typer.Option("--host", help="Where machines reach this one (its address).", show_default=False)
    ] = "",
) -> int:
    """Print what another machine joins with.

    Whoever has it can run sessions of this server."""
    from runtime.cli.failure import CommandFailed
    from runtime.cli.state.place import folder_of, settings_of
    from runtime.cli.terminal import say
    from runtime.front.home import contents
    from runtime.front.http.listener import reachable
    from runtime.placement.cluster.engine.home import EngineHome
    from runtime.placement.cluster.opening import address_of

    settings = settings_of(config, state_dir)
    folder = folder_of(settings) / contents.CLUSTER
    if not (folder / "engine.json").exists():
        raise CommandFailed(
            f"no server ran with nodes in {folder.parent}", cure="Start it once: bulkhead serve --nodes"
        )
    home = EngineHome.opened(folder, cluster=settings.cluster.name)
    at, port = address_of(settings.cluster.listen)
    own = reachable(at, f"http://127.0.0.1:{port}").removeprefix("http://").rsplit(":", 1)[0]
    say(f"bulkhead node --join {home.token(host or own, port)}")
    return 0
