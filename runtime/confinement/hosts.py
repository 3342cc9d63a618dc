"""Hosts that a session may reach, as they are written: ``api.openai.com:443``, ``10.0.0.0/8:5432``.  Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from runtime.confinement.addresses import Network

_NAME = r"(?:\*\.)?[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,251}[A-Za-z0-9_])?"
_HOST = re.compile(rf"{_NAME}|[0-9.]+/[0-9]{{1,2}}|\[[0-9A-Fa-f:.]+(?:/[0-9]{{1,3}})?\]", re.ASCII)
_ADDRESS = re.compile(r"[0-9.]+(?:/[0-9]+)?|\[.*\]", re.ASCII)


def parse_host(text: str) -> tuple[str, int | None]:
    """Part an entry into its host, in small letters, and its port; None stands for every port.

    ``*.example.com`` means every host below that name, and not the name itself; ``10.0.0.0/8`` every address
    of that network.

    Raises:
        ValueError: It is neither a name, an address or a network (IPv6 in brackets), nor one with a port.
    """
    host, colon, port = text.rpartition(":")
    if not colon or text.endswith("]"):
        host, port = text, ""
    is_port = not colon or text.endswith("]") or (port.isascii() and port.isdigit() and 0 < int(port) < 65536)
    try:
        if not is_port or _HOST.fullmatch(host) is None:
            raise ValueError
        network_of(host)
    except ValueError:
        raise ValueError(
            f"{text!r} is no host; write a name, an address or a network, such as api.openai.com:443 or "
            "10.0.0.0/8:5432"
        ) from None
    return host.lower(), int(port) if port else None


def network_of(host: str) -> Network | None:
    """The network or the one address that a host is; None for a name.

    Raises:
        ValueError: It looks like one, and is none.
    """
    if _ADDRESS.fullmatch(host) is None:
        return None
    # Here and not at the top: a decorator that lists names would bring it into every session.
    from ipaddress import ip_network

    return ip_network(host.strip("[]"), strict=False)


def host_covers(entry: str, other: str) -> bool:
    """Whether everything that `other` allows is allowed by `entry`."""
    (host, port), (asked, asked_port) = parse_host(entry), parse_host(other)
    if port is not None and port != asked_port:
        return False
    network, asked_network = network_of(host), network_of(asked)
    if network is not None and asked_network is not None:
        return network.version == asked_network.version and asked_network.subnet_of(network)  # type: ignore[arg-type]
    if host.startswith("*."):
        return asked.endswith(host[1:])
    return host == asked
