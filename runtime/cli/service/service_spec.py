"""``bulkhead service spec``: the manifest of a service, told by the service itself."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from runtime.cli.options import config_file
from runtime.cli.terminal import Output, say, to_yaml
from runtime.wire.manifest.own import ANY_PORT, UNNAMED


def spec(
    source: Annotated[Path, typer.Argument(help="main.py, or a folder with one.")],
    output: Annotated[Output, typer.Option("--output", "-o", help="yaml or json.")] = Output.YAML,
    name: Annotated[
        str | None, typer.Option("--name", help="Name of the service.", show_default=False)
    ] = None,
    image: Annotated[
        str | None, typer.Option("--image", help="Image that runs it.", show_default=False)
    ] = None,
    external: Annotated[
        str | None,
        typer.Option(
            "--external", help="Address where it runs already, instead of an image.", show_default=False
        ),
    ] = None,
) -> None:
    """Print the manifest of a program, told by the program itself.

    Its endpoints, identities and permissions. Its port is "*", any port, unless a setting says which."""
    import json
    import os

    from runtime.cli.failure import CommandFailed, ExitCode
    from runtime.settings import load_settings

    if image and external:
        cure = "A service is either run from an image or running somewhere already."
        raise CommandFailed("--image and --external exclude each other", cure=cure, exit_code=ExitCode.USAGE)
    settings = load_settings(env=os.environ, file=config_file(None))
    found = describe(source)
    if name or found["metadata"]["name"] == UNNAMED:
        found["metadata"]["name"] = name or name_of(source)
    is_set = settings.origins["server.port"] != "default" and settings.server.port
    for port in found["ports"]:
        port["num"] = settings.server.port if is_set else ANY_PORT
    if external:
        found.pop("container", None)
        found["external"] = {"url": external}
    elif image:
        found.setdefault("container", {})["image"] = image
    say(json.dumps(found, indent=2) if output is Output.JSON else to_yaml(found))


def name_of(source: Path) -> str:
    """What a service is called that does not say so: like its file, or like the folder of its ``main.py``."""
    program = source.resolve()
    return program.parent.name if program.name == "main.py" else program.stem


def describe(source: Path) -> dict[str, Any]:
    """The service's own description.  Its code runs below a short-lived server, never in this process.

    Raises:
        CommandFailed: There is no such file, or it cannot be imported; has the traceback.
    """
    import tempfile

    from runtime.cli.server_process import ServerProcess
    from runtime.cli.source import check_source, loaded

    check_source(source)
    with tempfile.TemporaryDirectory(prefix="bulkhead-") as folder:
        flags = {
            "server.host": "127.0.0.1",
            "server.port": 0,
            "server.room": "",
            "server.watch": False,
            "server.state_dir": folder,
        }
        server = ServerProcess(flags, [source], None)
        server.start()
        try:
            api = server.wait_listening()
            loaded(api, server, source)
            found: dict[str, Any] = api.get("/.well-known/meshagent-service.json")
            return found
        finally:
            server.kill()
