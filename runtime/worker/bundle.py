"""Run a bundle's program as far as its declarations, and keep what it declared.

The program runs as ``__main__``, unchanged: its last line, ``asyncio.run(service.run())``, raises
`HostDeclared` here instead of binding a port, and so ends the program with its classes in place.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runtime.compat import finder
from runtime.errors import BundleError
from runtime.sdk import host
from runtime.sdk.endpoint import Endpoint, is_hostable
from runtime.worker.program import Program

MAX_ENDPOINTS = 200


@dataclass(frozen=True, slots=True)
class LoadedBundle:
    """A bundle whose program has run.

    Attributes:
        folder: Where its program lives.
        endpoints: By path.
        name: The service's name; empty when it has none.
        sha256: Of the program's file as it was run, in hexadecimal.
        modified_at: When that file was last changed, seconds since the epoch.
    """

    folder: Path
    endpoints: dict[str, Endpoint]
    name: str
    sha256: str = ""
    modified_at: float = 0.0


def load(program: Program) -> LoadedBundle:
    """Run the bundle's program in this process.

    Whatever the program raises is passed on; what it declared before an exit without error counts.

    Raises:
        BundleError: It declares nothing that could be served, or too much.
    """
    finder.install()
    with host.loading():
        try:
            program.run()
        except host.HostDeclared:
            pass
        except SystemExit as exit_:
            if exit_.code not in (None, 0) or not host.declared():
                raise
        hosts = list(host.declared())
    endpoints = [endpoint for service in hosts for endpoint in service.endpoints]
    if not endpoints:
        endpoints = _classes_of(program.file)
    if not endpoints:
        raise BundleError(
            f"{program.file.name} declares no endpoint",
            cure='Make a ServiceHost and put @service.path("/name", identity="name") above a class.',
        )
    if len(endpoints) > MAX_ENDPOINTS:
        raise BundleError(
            f"{program.file.name} declares {len(endpoints)} endpoints; {MAX_ENDPOINTS} are the most"
        )
    by_path: dict[str, Endpoint] = {}
    for endpoint in endpoints:
        if endpoint.path in by_path:
            raise BundleError(
                f"{program.file.name} declares {endpoint.path} twice", cure="Give each its own path."
            )
        by_path[endpoint.path] = endpoint
    name = next((service.name for service in hosts if service.name), "") or ""
    return LoadedBundle(program.folder, by_path, name, program.sha256, program.modified_at)


def _classes_of(program: Path) -> list[Endpoint]:
    """A file without a ServiceHost: each agent, tool or toolkit class defined in it is served."""
    stem = program.parent.name if program.name == "main.py" else program.stem
    found: list[type[Any]] = [
        value
        for value in vars(sys.modules["__main__"]).values()
        if isinstance(value, type) and value.__module__ == "__main__" and is_hostable(value)
    ]
    service = host.ServiceHost()
    for cls in found:
        name = stem if len(found) == 1 else _kebab(cls.__name__)
        service.add_path(f"/{name}", cls=cls, identity=name)
    return list(service.endpoints)


def _kebab(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", name).lower()
