"""Which connections a list of hosts allows.  Pure.

A name allows the public addresses that it means at the moment, and no others: who has a say about a name
could lead sessions to this machine, its neighbours or the metadata of its provider.  Those are reached when
they are listed by address.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from runtime.confinement.addresses import Address, Network, embedded, is_public
from runtime.confinement.hosts import network_of, parse_host


class _Entry(msgspec.Struct, frozen=True):
    host: str
    port: int | None
    network: Network | None

    def has_name(self, name: str) -> bool:
        if self.network is not None:
            return False
        return name.endswith(self.host[1:]) if self.host.startswith("*.") else name == self.host


class Outward:
    """One list.

    Args:
        hosts: As `parse_host` reads them.

    Raises:
        ValueError: One is none.
    """

    def __init__(self, hosts: Iterable[str]) -> None:
        self._entries = [
            _Entry(host, port, network_of(host)) for host, port in (parse_host(text) for text in hosts)
        ]

    @property
    def names(self) -> tuple[str, ...]:
        """The names that can be looked up: those that are listed whole."""
        return tuple(
            dict.fromkeys(
                entry.host
                for entry in self._entries
                if entry.network is None and not entry.host.startswith("*.")
            )
        )

    def lists(self, name: str) -> bool:
        """Whether a name may be asked for; without a dot at its end, in small letters."""
        return any(entry.has_name(name) for entry in self._entries)

    def allows(self, address: Address, port: int, names: Iterable[str] = ()) -> bool:
        """Whether a connection may be made.

        Args:
            names: Listed names that mean this address now.
        """
        plain = embedded(address) or address
        named = list(names)
        return any(
            self._is_in(plain, entry) or self._is_named(address, plain, entry, named)
            for entry in self._entries
            if entry.port in (None, port)
        )

    def _is_in(self, plain: Address, entry: _Entry) -> bool:
        network = entry.network
        return network is not None and plain.version == network.version and plain in network

    def _is_named(self, address: Address, plain: Address, entry: _Entry, names: list[str]) -> bool:
        may_be_meant = is_public(address) or (entry.host == "localhost" and plain.is_loopback)
        return may_be_meant and any(entry.has_name(name) for name in names)
