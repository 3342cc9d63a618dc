"""What holds for a session: one value, which the front makes and which travels as data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec.structs import replace

from runtime.confinement.confine import Network
from runtime.confinement.hosts import host_covers
from runtime.confinement.level import Level
from runtime.confinement.paths import first_above


class Policy(msgspec.Struct, frozen=True):
    """What a session may reach besides what every session may.

    Paths are absolute and have no links in them.

    Attributes:
        read: Files and folders it may read.
        write: Files and folders it may read and write.
        shm: Whether it may use /dev/shm by name; nobody may list it.
        gpu: Whether it may use NVIDIA's devices.
        network: ``"all"``, ``"none"``, or the hosts it may connect to.
        private: The folder in which each session of the bundle gets a folder of its own; empty: none yet.
    """

    level: Level = Level.OFF
    read: tuple[str, ...] = ()
    write: tuple[str, ...] = ()
    shm: bool = True
    gpu: bool = False
    network: Network = "all"
    private: str = ""

    def covers(self, other: Policy) -> bool:
        """Whether `other` allows nothing that this does not: a session under this may be held by it."""
        if self.level is Level.OFF:
            return True
        return (
            other.level >= self.level
            and network_covers(self.network, other.network)
            and all(first_above(path, self.write) for path in other.write)
            and all(first_above(path, (*self.read, *self.write)) for path in other.read)
            and (self.shm or not other.shm)
            and (self.gpu or not other.gpu)
        )

    def union(self, other: Policy) -> Policy:
        """The least policy that covers both; what a bundle with two such endpoints has to be given."""
        write = outermost((*self.write, *other.write))
        return Policy(
            level=min(self.level, other.level),
            read=tuple(
                path for path in outermost((*self.read, *other.read)) if first_above(path, write) is None
            ),
            write=write,
            shm=self.shm or other.shm,
            gpu=self.gpu or other.gpu,
            network=_network_of_both(self.network, other.network),
            private=self.private or other.private,
        )

    def with_private(self, folder: str) -> Policy:
        """The same, with the folder for its sessions' own folders."""
        return replace(self, private=folder)

    def plain(self) -> dict[str, Any]:
        """As data for a message; `from_plain` reads it."""
        return {
            "level": str(self.level),
            "read": list(self.read),
            "write": list(self.write),
            "shm": self.shm,
            "gpu": self.gpu,
            "network": self.network if isinstance(self.network, str) else list(self.network),
            "private": self.private,
        }

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Policy:
        """Read what `plain` wrote.  An empty mapping holds nothing back.

        Raises:
            KeyError, ValueError: It is not what `plain` wrote; never read as something looser.
        """
        if not plain:
            return cls()
        network = plain["network"]
        return cls(
            level=Level(plain["level"]),
            read=tuple(plain["read"]),
            write=tuple(plain["write"]),
            shm=bool(plain["shm"]),
            gpu=bool(plain["gpu"]),
            network=network if network in ("all", "none") else tuple(network),
            private=str(plain["private"]),
        )


def shown(policy: Policy) -> dict[str, Any]:
    """A policy as the API shows it; empty where nothing is held back."""
    if policy.level is Level.OFF:
        return {}
    plain = policy.plain()
    return {
        "level": plain["level"],
        "files": {"read": plain["read"], "write": plain["write"]},
        "network": plain["network"],
        "shm": policy.shm,
        "gpu": policy.gpu,
    }


def network_covers(network: Network, other: Network) -> bool:
    """Whether all that `other` reaches is reached by `network`."""
    if network == "all" or other == "none":
        return True
    if network == "none" or other == "all":
        return False
    return all(any(host_covers(entry, host) for entry in network) for host in other)


def _network_of_both(one: Network, other: Network) -> Network:
    if "all" in (one, other):
        return "all"
    lists = [network for network in (one, other) if not isinstance(network, str)]
    return tuple(dict.fromkeys(host for hosts in lists for host in hosts)) or "none"


def outermost(paths: tuple[str, ...]) -> tuple[str, ...]:
    """Each once, without those that lie in another."""
    once = tuple(dict.fromkeys(paths))
    return tuple(
        path for path in once if first_above(path, (other for other in once if other != path)) is None
    )
