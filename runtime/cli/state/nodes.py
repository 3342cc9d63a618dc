"""``bulkhead nodes``: the machines that run sessions for a server."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from runtime.cli.options import Config, State

if TYPE_CHECKING:
    from runtime.placement.cluster.engine.home import EngineHome


def token(
    config: Config = None,
    state_dir: State = None,
    host: Annotated[
        str, typer.Option("--host", help="Where machines reach this one (its address).", show_default=False)
    ] = "",
) -> int:
    """Print what another machine joins with.

    Whoever has it can run sessions of this server."""
    from runtime.cli.terminal import say
    from runtime.front.http.listener import reachable

    home, at, port = _engine(config, state_dir)
    own = reachable(at, f"http://127.0.0.1:{port}").removeprefix("http://").rsplit(":", 1)[0]
    say(f"bulkhead node --join {home.token(host or own, port)}")
    return 0


def remove(
    name: Annotated[str, typer.Argument(help="Name of the machine.", show_default=False)],
    config: Config = None,
    state_dir: State = None,
) -> int:
    """Let a machine in no more; what it runs goes on elsewhere.

    One of that name may join again, with the token."""
    import asyncio

    from runtime.cli.terminal import note
    from runtime.placement.cluster.engine.joining import remove as removed

    home, _, port = _engine(config, state_dir)
    asyncio.run(removed(home, port, name))
    note(f"{name} is let in no more")
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
    return EngineHome.opened(folder, cluster=settings.cluster.name), *address_of(settings.cluster.listen)
