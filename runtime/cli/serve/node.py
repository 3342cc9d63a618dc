"""``bulkhead node``: a machine that runs sessions for a server elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from runtime.cli.options import Config, State, Watch, config_file

_ONLY_HERE = ("BULKHEAD_JOIN", "BULKHEAD_JOIN_FILE", "BULKHEAD_CLUSTER_URL", "BULKHEAD_CLUSTER_URL_FILE")
"""What sessions could read in the environment of what runs them."""


def node(
    sources: Annotated[
        list[Path] | None, typer.Argument(help="Files or folders of agents (agents/).", show_default=False)
    ] = None,
    join: Annotated[
        str | None,
        typer.Option(
            "--join",
            envvar="BULKHEAD_JOIN",
            help="Token that `bulkhead nodes token` prints; needed once.",
            show_default=False,
        ),
    ] = None,
    name: Annotated[
        str | None, typer.Option("--id", help="Name of this machine (its host name).", show_default=False)
    ] = None,
    config: Config = None,
    state_dir: State = None,
    watch: Watch = None,
) -> int:
    """Run sessions for a server on another machine.

    It has no HTTP and no secret of the server's; its sessions go on elsewhere when it ends."""
    import asyncio
    import os
    import socket

    from runtime.cli import project
    from runtime.cli.failure import CommandFailed, ExitCode
    from runtime.cli.server_process import front_argv, python
    from runtime.front.home import contents, state_folder
    from runtime.logs import configure
    from runtime.placement.cluster.engine.joining import Membership, joined_again
    from runtime.placement.cluster.engine.joining import join as joined
    from runtime.placement.cluster.engine.subjects import checked, slug
    from runtime.placement.cluster.opening import access_of
    from runtime.process.init.init import Init
    from runtime.settings import load_settings

    _keep_to_itself(join)
    file = config_file(config)
    flags: dict[str, Any] = {"server.watch": watch, "server.state_dir": str(state_dir) if state_dir else None}
    flags = {key: value for key, value in flags.items() if value is not None}
    settings = load_settings(flags=flags, env=os.environ, file=file)
    given = list(sources or [settings.server.agents_dir])
    missing = [source for source in given if not source.exists()]
    if missing and (sources or not settings.containers.deploy):  # else it waits for what is sent
        raise CommandFailed(
            f"there is no {missing[0]}",
            cure="Name a file or folder of agents: bulkhead node agents/ --join bh1:…",
            exit_code=ExitCode.USAGE,
        )
    kept = state_folder.claimed(settings).server.state_dir / contents.NODE
    known = Membership.kept(kept)
    join = join or _from_file(os.environ.get("BULKHEAD_JOIN_FILE"))
    url = settings.cluster.url
    if url:
        configure(settings.log)
        member = name or (known.node if known else slug(socket.gethostname()))
        access = access_of(url)
        known = Membership(node=checked(member), cluster=settings.cluster.name, access=access)
        known.keep(kept)
    elif known is None or (join and name and name != known.node):
        if not join:
            raise CommandFailed(
                "this machine is no node yet",
                cure="Join with what `bulkhead nodes token` prints where the server runs: --join bh1:…",
                exit_code=ExitCode.USAGE,
            )
        configure(settings.log)
        asyncio.run(joined(join, name or slug(socket.gethostname()))).keep(kept)
    elif join:
        configure(settings.log)
        asyncio.run(joined_again(known, join)).keep(kept)
    argv = [*python("runtime.cli.serve.node_program"), front_argv(flags, given, file)[-1]]
    env = {key: value for key, value in project.with_key(os.environ).items() if key not in _ONLY_HERE}
    init = Init(argv, env)
    status = init.run()
    return 128 + init.asked_by if status == 0 and init.asked_by else status


def _keep_to_itself(join: str | None) -> None:
    """Anybody on this machine reads command lines, sessions too, and the token is good for others."""
    import setproctitle

    title = setproctitle.getproctitle()
    if join and join in title:
        setproctitle.setproctitle(title.replace(join, "bh1:…"))


def _from_file(file: str | None) -> str | None:
    from runtime.errors import ConfigError

    if not file:
        return None
    try:
        return Path(file).read_text("utf-8").strip()
    except (OSError, ValueError) as error:
        cure = "The engine writes it: bulkhead engine --join-file …"
        raise ConfigError(f"BULKHEAD_JOIN_FILE cannot be read: {error}", cure=cure) from error
