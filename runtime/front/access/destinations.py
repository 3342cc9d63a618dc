"""Where this server may post because a participant of a room says so: public addresses, and what is listed.

Participants, and sessions above all, do what strangers talk them into; the server stands where they do not:
it reaches the machine's own services, its neighbours and the cloud's metadata.  So a name is resolved first,
the addresses are judged, and the connection is made to one of them: what a name means later does not matter.
"""

from __future__ import annotations

import socket
from ipaddress import ip_address, ip_network
from typing import Final
from urllib.parse import urlsplit

import msgspec

from runtime.confinement.addresses import Address, Network, embedded, is_public
from runtime.errors import ConfigError

SETTING: Final = "BULKHEAD_CALL_ALLOW"
_LOOPBACK: Final = (ip_network("127.0.0.0/8"), ip_network("::1/128"))


class _Listed(msgspec.Struct, frozen=True):
    host: str
    port: int | None
    networks: tuple[Network, ...]

    def has(self, host: str, port: int, address: Address) -> bool:
        if self.port not in (None, port):
            return False
        return host == self.host or any(address in network for network in self.networks)


class Destinations:
    """The addresses at which participants may have somebody called.

    Args:
        listed: What is allowed besides public addresses, separated by spaces: ``localhost:7000``,
            ``10.1.2.3``, ``agents.internal``, ``10.0.0.0/8``.  Without a port, every port.

    Raises:
        ConfigError: An entry is none of these.
    """

    def __init__(self, listed: str = "") -> None:
        self._listed = tuple(_read(entry) for entry in listed.replace(",", " ").split())

    def allows(self, host: str, port: int, address: Address) -> bool:
        """Whether a connection may be made there.

        Args:
            host: As the URL names it.
            address: What that name means now.
        """
        name, plain = _name(host), embedded(address) or address
        return is_public(address) or any(one.has(name, port, plain) for one in self._listed)


def addresses(host: str, port: int) -> list[Address]:
    """What a name means, or the address that it is, in order of preference.  Waits: call it in a thread.

    Raises:
        OSError: It cannot be resolved.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(ip_address(str(sockaddr[0])) for *_, sockaddr in found))


def is_here(address: Address) -> bool:
    """Whether it is one of this machine's own, whose listeners would be reached."""
    if address.is_multicast:
        return False
    address = embedded(address) or address
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as one:
            one.bind((str(address), 0))
    except OSError:
        return False
    return True


def _name(host: str) -> str:
    return host.lower().rstrip(".")


def _read(entry: str) -> _Listed:
    try:
        if "/" in entry:
            return _Listed("", None, (ip_network(entry, strict=False),))
        if entry.count(":") > 1 and not entry.startswith("["):
            return _Listed("", None, (ip_network(entry),))
        parts = urlsplit(f"//{entry}")
        host, port = _name(parts.hostname or ""), parts.port
    except ValueError:
        host, port = "", None
    if not host or "@" in entry or "*" in host:
        raise ConfigError(
            f"{SETTING} has {entry!r}",
            cure="Write hosts, host:port or networks with spaces between: localhost:7000 10.0.0.0/8",
        )
    if host == "localhost":
        return _Listed(host, port, _LOOPBACK)
    try:
        return _Listed(host, port, (ip_network(host),))
    except ValueError:
        return _Listed(host, port, ())
