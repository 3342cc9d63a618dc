"""What one generation of a bundle may reach, and its sessions."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from runtime.confinement.ground import Ground
from runtime.confinement.level import Level
from runtime.confinement.policy import Policy
from runtime.confinement.uids import Block, Uids
from runtime.process.confine.files.entries import Entries


class Held(msgspec.Struct, frozen=True):
    """What one generation of a bundle may reach.

    Attributes:
        bundle: The least that covers its program while it is imported and all of its sessions.
        endpoints: By path, what sessions of that endpoint may reach; never wider.
        ground: What lies where; None where nothing is held.
        user: Number of the user it runs as; None for ours.
        no_user: What keeps it from having a user of its own, where it was to have one.
        uids: Where users for its sessions come from, when it has one.
        entries: Folders that it was not granted as a whole; None where nothing is held.
    """

    bundle: Policy = msgspec.field(default_factory=Policy)
    endpoints: Mapping[str, Policy] = msgspec.field(default_factory=dict)
    ground: Ground | None = None
    user: int | None = None
    no_user: str = ""
    uids: Uids | None = None
    entries: Entries | None = None

    def users(self) -> Block | None:
        """Users for its sessions; close them.  None when all run as the bundle's.

        What they may write together they have to be one user for: a database belongs to who made it.
        """
        return None if self.user is None or self.uids is None or self.bundle.write else self.uids.block()

    def of(self, path: str) -> Policy:
        """What a session of the endpoint at `path` may reach."""
        return self.endpoints.get(path, self.bundle)

    @property
    def narrower(self) -> dict[str, Policy]:
        """By path, those of sessions that may use less of this machine than the bundle; the network apart."""
        if self.bundle.level is Level.OFF:
            return {}
        whole = _but_network(self.bundle)
        return {path: own for path, own in self.endpoints.items() if _but_network(own) != whole}

    @property
    def apart(self) -> dict[str, Policy]:
        """By path, those of sessions that are held although the bundle is not: none is forked from it."""
        if self.bundle.level is not Level.OFF:
            return {}
        return {path: own for path, own in self.endpoints.items() if own.level is not Level.OFF}


def _but_network(policy: Policy) -> tuple[object, ...]:
    return policy.level, policy.read, policy.write, policy.shm, policy.gpu
