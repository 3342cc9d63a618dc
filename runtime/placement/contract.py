"""What dispatch may ask of whatever runs sessions.  Only plain data crosses it.

`place` is idempotent: the same session and generation is one lease.  Events of one session arrive in
the order of `runtime.session.events`; events of different sessions may interleave.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import msgspec

from runtime.placement.machines import Machines
from runtime.services.deployed.programs import Programs
from runtime.session.events import SessionEvent
from runtime.session.exit_reasons import ExitReason
from runtime.session.info import (
    BundleInfo,
    Capacity,
    DebugDoor,
    EndpointInfo,
    Enforcement,
    LogLine,
    MessageSeen,
    ProcessInfo,
    RelayPort,
    RoomDoor,
    Vitals,
)
from runtime.session.spec import SessionId, SessionSpec
from runtime.session.use import Use
from runtime.wire.looking.profile import Profile

__all__ = [
    "Attempt",
    "BundleInfo",
    "Capacity",
    "EndpointInfo",
    "Enforcement",
    "Lease",
    "LogLine",
    "MessageSeen",
    "Placement",
    "ProcessInfo",
    "Profile",
    "RelayPort",
    "RoomDoor",
    "Vitals",
]


class Lease(msgspec.Struct, frozen=True):
    """The right of a session to run."""

    session_id: SessionId
    generation: int
    node_id: str


class Attempt(msgspec.Struct, frozen=True):
    """An attempt of a session that ran when the server's last run ended.

    Attributes:
        seen: The names of the events that are known of it already.
    """

    session_id: SessionId
    generation: int
    seen: frozenset[str] = frozenset()


class Placement(Protocol):
    """Whatever runs sessions: this machine, or several.

    What a route reads of one session may have to come from another machine, and is awaited.  What is asked
    for every call, or of all sessions at once, is answered from what is known here, and costs nothing.

    Attributes:
        changed: Called, in order, whenever bundles or endpoints changed.
        machines: Those that run the sessions; None where this one does.
        programs: What loads bundles that are sent here; None where none are taken.
    """

    changed: list[Callable[[], None]]

    @property
    def machines(self) -> Machines | None: ...

    @property
    def programs(self) -> Programs | None: ...

    async def start(self, sources: Sequence[Path], *, watch: bool, door: RoomDoor | None = None) -> None:
        """Begin to load the bundles found in `sources`, each by itself; with `watch`, follow their changes.

        Args:
            door: The way into rooms for sessions that do not dial themselves.

        Raises:
            BundleNotFound: A source does not exist.
        """
        ...

    async def adopt(self, attempts: Sequence[Attempt]) -> set[SessionId]:
        """Which of these still run; their events follow.  Of the others no process is left once it returns.

        It is asked once, after `start`, before anything is placed.
        """
        ...

    async def loaded(self) -> None:
        """Return when no bundle is being loaded: each serves, or is listed with what keeps it from that."""
        ...

    async def reload_changed(self) -> list[str]:
        """Load the bundles whose code changed, or failed to load, since they were looked at; their names.

        They are loaded in the background, and what serves goes on until they are.  New ones are taken in, and
        those that are gone dropped, whether or not changes are followed.
        """
        ...

    async def aclose(self) -> None:
        """End what still runs, at once."""
        ...

    async def place(self, spec: SessionSpec, generation: int, relay: RelayPort | None = None) -> Lease:
        """Start a session.  Returns as soon as a process is being had; what becomes of it are events.

        Raises:
            EndpointNotFound: No bundle serves the endpoint (any more).
        """
        ...

    async def stop(
        self,
        session_id: SessionId,
        reason: ExitReason,
        grace_s: float | None = None,
        *,
        finish_s: float | None = None,
    ) -> None:
        """Ask, then make, a session end; returns once it has.  Unknown or ended: nothing happens.

        Args:
            finish_s: It makes way for its program's new code: its tasks may be finished for so long before
                its grace begins, and who waits longer is told to ask again.
        """
        ...

    async def drain(self, grace_s: float) -> None:
        """Take nothing more and return when nothing is left, at the latest some seconds after `grace_s`."""
        ...

    def events(self) -> AsyncIterator[SessionEvent]:
        """Everything that happens, for one reader."""
        ...

    def capacity(self) -> Capacity: ...

    def enforcement(self) -> Enforcement:
        """What keeps the limits of sessions."""
        ...

    def bundles(self) -> list[BundleInfo]: ...

    def endpoints(self) -> list[EndpointInfo]:
        """All endpoints, those of failed bundles that were known before included."""
        ...

    def serves(self, path: str) -> bool:
        """Whether a path is among `endpoints`; asked for every request, so it must be quick."""
        ...

    def awaits(self, path: str) -> bool:
        """Whether nobody serves a path, but a bundle that is being loaded may come to."""
        ...

    async def vitals(self, session_id: SessionId) -> Vitals | None:
        """None when the session has no process."""
        ...

    def glance(self, session_id: SessionId) -> Vitals | None:
        """What was measured last, a second ago or so; costs nothing.  None when it has no process."""
        ...

    def measured(self, after: int) -> tuple[int, list[SessionId]]:
        """Sessions whose `glance` is newer than a mark, and the mark to go on from; 0 is before all."""
        ...

    async def use(self, session_id: SessionId) -> Use | None:
        """What a running session used so far, and its curve; None when it has no process."""
        ...

    async def log_lines(self, session_id: SessionId, *, after: int = 0) -> list[LogLine]:
        """The kept log lines numbered above `after`, oldest first; of ended sessions too, while kept."""
        ...

    async def processes(self, session_id: SessionId) -> list[ProcessInfo]:
        """The processes of a running session, parents before children; empty when it has none."""
        ...

    async def messages(self, session_id: SessionId) -> list[MessageSeen]:
        """The last messages between a running session and its room, oldest first; without what was in them.

        Several of a kind in a row are one entry.  Empty when the session has no process: the report of one
        that ended badly has them.  Kinds are the agent's to choose, so they are shown as text only.
        """
        ...

    async def stacks(self, session_id: SessionId) -> str | None:
        """Every thread's stack of the session's process, also while it hangs; None when it has no process."""
        ...

    async def freeze(self, session_id: SessionId, frozen: bool) -> bool:
        """Keep a session that is ready from running, or let it go on; False when it has no process for that.

        It is not taken for one that hangs, its time goes on; whoever ends it lets it go on for its end.
        """
        ...

    async def debug(self, session_id: SessionId, port: int | None) -> DebugDoor | None:
        """Have a debugger listen in a session's process, whose silence does not count from then on.

        Args:
            port: Where, 0 for a free one; None ends the truce, while the debugger goes on listening.

        Returns:
            None when it has no process.
        """
        ...

    async def profile(self, session_id: SessionId, *, seconds: float, rate: int, by: str) -> Profile | None:
        """Where a session spends its time, or its memory, in the next `seconds`; also while it hangs.

        Args:
            rate: Looks a second.
            by: ``auto``, ``py-spy``, ``sampler`` or ``memory``.

        Returns:
            None when it has no process; one with `Profile.failed` when it could not be looked at.
        """
        ...

    async def ping(self, session_id: SessionId, timeout_s: float) -> float | None:
        """Seconds of one round trip to the session's event loop; None when it did not answer in time."""
        ...

    async def inject(self, session_id: SessionId, fault: str, at: dict[str, Any] | None = None) -> bool:
        """Have a session commit a fault, or attack those in `at`; False when it has no process."""
        ...
