"""Addresses of the internet, and those of this machine, its neighbours and its provider.  Pure."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from typing import Final

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_NAT64: Final = ip_network("64:ff9b::/96")
# Some releases of Python take these for public; the second is the host of every virtual machine of Azure.
_NOT_PUBLIC: Final = tuple(map(ip_network, ("192.0.0.0/24", "168.63.129.16/32", "64:ff9b:1::/48")))


def is_public(address: Address) -> bool:
    """Whether it is one of the internet's: not of this machine, a private network, a provider or a group."""
    if isinstance(address, IPv6Address):
        if (inner := embedded(address)) is not None:
            return is_public(inner)
        if address.is_site_local or address.sixtofour is not None or address.teredo is not None:
            return False
    if address.is_multicast or address.is_reserved or any(address in one for one in _NOT_PUBLIC):
        return False
    return address.is_global


def embedded(address: Address) -> IPv4Address | None:
    """The older kind of address that is reached by this one, by mapping or by a translator."""
    if not isinstance(address, IPv6Address):
        return None
    return IPv4Address(int(address) & 0xFFFFFFFF) if address in _NAT64 else address.ipv4_mapped
