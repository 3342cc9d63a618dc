"""``bulkhead bundle``: the environments that bundles have of their own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from runtime.cli.options import Config, Form, State, config_file
from runtime.cli.terminal import Output, note, note_failure, say, show

_FIRST_NAMES = 5

Agents = Annotated[
    Path | None,
    typer.Argument(help="Folder of agents, or of one bundle (agents).", show_default=False),
]


def install(
    agents: Agents = None,
    name: Annotated[
        str | None, typer.Argument(help="Only this bundle of the folder.", show_default=False)
    ] = None,
    config: Config = None,
    state_dir: State = None,
) -> int:
    """Make the environments that bundles ask for.

    A bundle asks by a requirements.txt, a pyproject.toml, or python = "3.13" in a bulkhead.toml in its
    folder. A server that runs loads it then by itself."""
    import os
    import sys

    from runtime.cli.failure import CommandFailed, ExitCode
    from runtime.cli.service.install_progress import Progress
    from runtime.errors import BundleError
    from runtime.front.home.state_folder import claim
    from runtime.supervisor.bundles.environment import environment_of
    from runtime.supervisor.bundles.installation import install as install_one

    sources, environments, level = _found(agents, name, config, state_dir, claim)
    failed = done = 0
    for bundle, source in sources.items():
        progress = Progress(bundle, sys.stderr)
        try:
            environment = environment_of(bundle, source, environments)
            if environment is None:
                continue
            stamp = install_one(environment, os.environ, progress.line, is_held=level != "off")
        except BundleError as error:
            progress.end()
            failed += 1
            note_failure(error)
            continue
        finally:
            progress.end()
        done += 1
        sdk = f", MeshAgent SDK {stamp.sdk}" if stamp.sdk else ""
        say(f"{bundle}: Python {stamp.python}{sdk}")
    if failed:
        return ExitCode.FAILED
    if not done:
        if name is not None:
            cure = "Give its folder a requirements.txt, or a pyproject.toml with dependencies."
            raise CommandFailed(f"{name} asks for no environment of its own", cure=cure)
        note("no bundle asks for an environment of its own")
    return ExitCode.OK


def list_bundles(
    agents: Agents = None, config: Config = None, state_dir: State = None, output: Form = Output.TABLE
) -> None:
    """List bundles, with the environment and the state of each."""
    from runtime.errors import BundleError
    from runtime.front.home.state_folder import where
    from runtime.supervisor.bundles.environment import environment_of

    sources, environments, _ = _found(agents, None, config, state_dir, where)
    running = _running(environments.parent)
    items: list[dict[str, Any]] = []
    for bundle, source in sources.items():
        row = {
            "bundle": bundle,
            "state": "",
            "environment": "the server's",
            "wants": "",
            "python": "",
            "sdk": "",
            "cure": "",
        }
        try:
            environment = environment_of(bundle, source, environments)
        except BundleError as error:
            row |= {"environment": "broken", "cure": str(error)}
        else:
            if environment is not None:
                stamp, state = environment.stamp(), environment.state()
                row |= {
                    "environment": state,
                    "wants": environment.wants.python,
                    "python": stamp.python if stamp else "",
                    "sdk": stamp.sdk if stamp else "",
                    "cure": "" if state == "ready" else environment.cure,
                }
        served = running.get(str(source.resolve()))
        if served is not None:
            row["state"] = served["state"]
            row["cure"] = row["cure"] or str(served.get("error") or "")
        items.append(row)
    columns = {
        "table": ("bundle", "state", "environment", "python", "sdk", "cure"),
        "wide": ("bundle", "state", "environment", "wants", "python", "sdk", "cure"),
    }
    say(show(items, output, name="bundle", columns=columns, empty="no bundles"))


def _running(state_dir: Path) -> dict[str, dict[str, Any]]:
    """The bundles of the server that keeps its state there, by where they lie; empty when none runs."""
    from runtime.cli.api import api_of, read_server_file, running_in
    from runtime.cli.failure import CommandFailed

    about = read_server_file(state_dir) if running_in(state_dir) else None
    if about is None:
        return {}
    try:
        found = api_of(about).get("/workers")["bundles"]
    except CommandFailed:
        return {}
    return {str(Path(one["source"]).resolve()): one for one in found}


def _found(
    agents: Path | None,
    name: str | None,
    config: Path | None,
    state_dir: Path | None,
    place: Callable[[Path], Path],
) -> tuple[Mapping[str, Path], Path, str]:
    """The bundles asked for, by name, the folder of environments, and how tightly bundles are held.

    Args:
        place: Finds, or makes, this user's part of the state folder that the settings name.
    """
    import os

    from runtime.cli.failure import CommandFailed, ExitCode, typed_with
    from runtime.front.home import contents
    from runtime.settings import load_settings
    from runtime.supervisor.bundles.discovery import bundles_in

    flags = {"server.state_dir": str(state_dir)} if state_dir else {}
    settings = load_settings(flags=flags, env=os.environ, file=config_file(config))
    given = agents or settings.server.agents_dir
    if not given.is_dir():
        named = typed_with(instead=(str(agents), "FOLDER")) if agents else typed_with("FOLDER")
        raise CommandFailed(
            f"there is no folder {given}",
            cure=f"Name the folder of your agents: {named}",
            exit_code=ExitCode.USAGE,
        )
    bundles = bundles_in([given.resolve()])
    if name is not None:
        if name not in bundles:
            listed = ", ".join(sorted(bundles)[:_FIRST_NAMES])
            cure = f"There are: {listed}." if listed else "It has no bundles."
            raise CommandFailed(f"{given} has no bundle {name}", cure=cure, exit_code=ExitCode.USAGE)
        bundles = {name: bundles[name]}
    # Where a server of this user has its state: a folder that holds another's files is shared.
    return bundles, place(settings.server.state_dir) / contents.ENVIRONMENTS, settings.confinement.level
