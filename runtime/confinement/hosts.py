"""Hosts that a session may reach, as they are written down: ``api.openai.com:443``.  Pure."""

from __future__ import annotations

import re

_HOST = re.compile(
    r"(?:\*\.)?[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,251}[A-Za-z0-9_])?|\[[0-9A-Fa-f:.]+\]", re.ASCII
)


def parse_host(text: str) -> tuple[str, int | None]:
    """Part an entry into its host, in small letters, and its port; None stands for every port.

    ``*.example.com`` means every host below that name, and not the name itself.

    Raises:
        ValueError: It is neither a name, an address (IPv6 in brackets), nor one of them with a port.
    """
    host, colon, port = text.rpartition(":")
    if not colon or text.endswith("]"):
        host, port = text, ""
    is_port = not colon or text.endswith("]") or (port.isascii() and port.isdigit() and 0 < int(port) < 65536)
    if not is_port or _HOST.fullmatch(host) is None:
        raise ValueError(f"{text!r} is no host; write a name or an address, such as api.openai.com:443")
    return host.lower(), int(port) if port else None


def host_covers(entry: str, other: str) -> bool:
    """Whether everything that `other` allows is allowed by `entry`."""
    (host, port), (asked, asked_port) = parse_host(entry), parse_host(other)
    if port is not None and port != asked_port:
        return False
    if host.startswith("*."):
        return asked.endswith(host[1:])
    return host == asked
