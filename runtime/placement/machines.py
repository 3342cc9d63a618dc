"""The machines that run sessions where there are several, as an operator sees and handles them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

import msgspec

from runtime.placement.relays import Relays


class MachineLoad(msgspec.Struct, frozen=True, kw_only=True):
    """How busy a machine is.

    Attributes:
        cpu: Share of all its processors, from 0 to 1, in the last moments.
        memory_bytes: Taken of its memory.
        memory_most_bytes: All its memory; 0 when it does not say.
    """

    cpu: float = 0.0
    memory_bytes: int = 0
    memory_most_bytes: int = 0


class NodeInfo(msgspec.Struct, frozen=True, kw_only=True):
    """One machine that runs sessions.

    Attributes:
        state: ``ready``, ``suspect`` (not heard for a moment), ``draining`` or ``lost``.
        boot: Which life of it.
        sessions: Attempts that it has, or is about to get, of this front.
        fresh_per_s: Sessions that it began in the last ten seconds, a second.
        silent_s: Seconds since it was heard last.
        code: Bundles by name: the digest of the code that serves, or their state where none does.
        failed: Bundles that were sent there and cannot be loaded, by name: why.
        moved: Sessions that it gave away since it was drained.
        withheld: Sessions that this life of it took and did not tell of in time.
    """

    name: str
    state: str
    boot: str
    sessions: int
    starting: int
    max_sessions: int
    processors: int
    load: MachineLoad = msgspec.field(default_factory=MachineLoad)
    fresh_per_s: float = 0.0
    silent_s: float = 0.0
    code: Mapping[str, str] = msgspec.field(default_factory=dict)
    failed: Mapping[str, str] = msgspec.field(default_factory=dict)
    moved: int = 0
    withheld: int = 0

    @property
    def fullness(self) -> float:
        """From 0 to 1: how much of what runs out first is taken, processors, memory or places."""
        shares = [self.load.cpu, self.sessions / max(1, self.max_sessions)]
        if self.load.memory_most_bytes:
            shares.append(self.load.memory_bytes / self.load.memory_most_bytes)
        return min(1.0, max(shares))


class NodeEvent(msgspec.Struct, frozen=True, kw_only=True):
    """Something happened to a machine.

    Attributes:
        kind: As in `runtime.session.event_kinds`: ``node.joined`` and so on.
        sessions: Attempts that it had then.
        bundle: Which one it cannot load, and with which `digest`; `message` says why.
    """

    kind: str
    name: str
    boot: str
    sessions: int
    bundle: str = ""
    digest: str = ""
    message: str = ""


class Machines(Protocol):
    """What an operator asks and does with several machines.

    Attributes:
        told: Called, in order, with whatever happens to one.
        relays: Callers' connections that wait for sessions.
    """

    told: list[Callable[[NodeEvent], None]]
    relays: Relays

    def listed(self) -> list[NodeInfo]:
        """All of them, by name; those that are lost as long as they are remembered."""
        ...

    async def drain(self, name: str) -> NodeInfo:
        """Give it no more sessions, and have those it runs go on elsewhere; returns before that is done.

        It stays so until `undrain`, over its own restarts and this front's.

        Raises:
            NotFound: There is none of that name.
            Conflict: There is no other that could take its sessions.
        """
        ...

    async def undrain(self, name: str) -> NodeInfo:
        """Give it sessions again; what was not asked to move yet stays.

        Raises:
            NotFound: There is none of that name.
        """
        ...
