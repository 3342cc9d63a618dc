"""Ports that nobody listens on."""

from __future__ import annotations

import socket

_TRIED = 20


def first_free(port: int, host: str = "127.0.0.1") -> int:
    """The port, or the next one that can be bound, or any free one when twenty are taken."""
    for candidate in range(port, port + _TRIED):
        if is_free(candidate, host):
            return candidate
    return any_free(host)


def any_free(host: str = "127.0.0.1") -> int:
    """A port the kernel says is free now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def is_free(port: int, host: str = "127.0.0.1") -> bool:
    """Whether a server could listen there now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As a server does it: a connection in TIME_WAIT is no hindrance.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True
