"""Ports that nobody listens on."""

from __future__ import annotations

import errno
import socket

from runtime.cli.failure import CommandFailed
from runtime.settings import Settings

_TRIED = 20


def first_free(port: int, host: str = "127.0.0.1") -> int:
    """The port, or the next one that can be bound, or any free one when twenty are taken."""
    for candidate in range(port, port + _TRIED):
        if is_free(candidate, host):
            return candidate
    return any_free(host)


def any_free(host: str = "127.0.0.1") -> int:
    """A port the kernel says is free now."""
    with _probe(host) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def is_free(port: int, host: str = "127.0.0.1") -> bool:
    """Whether nobody listens there; an address that is none of this machine's is taken by nobody."""
    with _probe(host) as probe:
        # As a server does it: a connection in TIME_WAIT is no hindrance.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            return error.errno != errno.EADDRINUSE
    return True


def check_free(settings: Settings) -> None:
    """Say it before anything is started when somebody listens on the port already.

    Raises:
        CommandFailed: It is taken; names what asked for it.
    """
    if not is_free(settings.server.port, settings.server.host):
        raise taken(settings.server.port, settings.origins["server.port"])


def taken(port: int, origin: str) -> CommandFailed:
    """The error that somebody listens on a port already.

    Args:
        origin: Of ``server.port``, as in `Settings.origins`; what asked for that port.
    """
    ways_out = {
        "default": "name another: --port",
        "flag": "leave --port out",
        "env": f"unset {origin.removeprefix('env ')}",
        "file": f"change port in {origin.removeprefix('file ')}",
    }
    kind = origin.split(" ")[0]
    asked = "" if kind == "default" else f" ({origin})"
    return CommandFailed(
        f"port {port} is taken{asked}", cure=f"Stop what listens there, or {ways_out[kind]}."
    )


def _probe(host: str) -> socket.socket:
    return socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
