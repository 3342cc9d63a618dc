"""What dispatch may ask of whatever runs sessions.  Only plain data crosses it.

`place` is idempotent: the same session and generation is one lease.  Events of one session arrive in
the order of `runtime.session.events`; events of different sessions may interleave.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any, Protocol

from runtime.session.events import SessionEvent
from runtime.session.record import ExitReason
from runtime.session.spec import Limits, SessionId, SessionSpec


@dataclass(frozen=True, slots=True)
class Lease:
    """The right of a session to run."""

    session_id: SessionId
    generation: int
    node_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointInfo:
    """One path that a bundle serves.

    Attributes:
        state: ``ready``, or ``failed`` when its bundle cannot serve; then `error` and `detail` say why.
        permissions: The API scope its tokens get; None for the agent default.
        class_name: Name of the agent's class.
        kind: ``chatbot``, ``task_runner``, ``tool``, ``toolkit`` or ``agent``.
    """

    path: str
    identity: str
    bundle: str
    generation: int
    state: str = "ready"
    class_name: str = ""
    kind: str = "agent"
    title: str = ""
    description: str = ""
    permissions: dict[str, Any] | None = None
    limits: Limits = field(default_factory=Limits)
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleInfo:
    """One file or folder of agents.

    Attributes:
        state: ``loading``, ``ready`` or ``failed``.
        error: One sentence with its cure; empty when it loaded.
        detail: The traceback of a failed import.
        threads: Names of threads its import left running; not empty means that it cannot be forked from
            and each of its sessions starts a fresh interpreter.
    """

    name: str
    source: str
    generation: int
    state: str
    pid: int | None = None
    parked: int = 0
    error: str = ""
    detail: str = ""
    threads: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Vitals:
    """How a running session's process tree is doing, measured when asked.

    Attributes:
        lag_ms: How late the worker's event loop ran its last heartbeat.
        last_heartbeat: Seconds since the epoch; None before the first.
    """

    cpu_s: float = 0.0
    rss_bytes: int = 0
    pss_bytes: int = 0
    fds: int = 0
    threads: int = 0
    children: int = 0
    lag_ms: float | None = None
    last_heartbeat: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """How much runs and how much may."""

    sessions: int
    starting: int
    max_sessions: int
    max_starting: int
    draining: bool = False


class RelayPort(Protocol):
    """The front's end of a relayed room connection (an upgraded webhook)."""

    async def receive(self) -> bytes | None:
        """The next packet from the caller; None once its socket is closed."""
        ...

    async def send(self, packet: bytes) -> None:
        """Hand a packet of the agent to the caller; waits while the caller does not read."""
        ...

    async def close(self) -> None: ...


class Placement(Protocol):
    """Whatever runs sessions: this machine today, several later."""

    async def place(self, spec: SessionSpec, generation: int, relay: RelayPort | None = None) -> Lease:
        """Start a session.  Returns as soon as a process is being had; what becomes of it are events.

        Raises:
            EndpointNotFound: No bundle serves the endpoint (any more).
        """
        ...

    async def stop(self, session_id: SessionId, reason: ExitReason, grace_s: float | None = None) -> None:
        """Ask, then make, a session end; returns once it has.  Unknown or ended: nothing happens."""
        ...

    async def drain(self, grace_s: float) -> None:
        """Take nothing more and return when nothing is left, at the latest some seconds after `grace_s`."""
        ...

    def events(self) -> AsyncIterator[SessionEvent]:
        """Everything that happens, for one reader."""
        ...

    def capacity(self) -> Capacity: ...

    def bundles(self) -> list[BundleInfo]: ...

    def endpoints(self) -> list[EndpointInfo]:
        """All endpoints, those of failed bundles that were known before included."""
        ...

    def vitals(self, session_id: SessionId) -> Vitals | None:
        """None when the session has no process."""
        ...

    def log_lines(self, session_id: SessionId, *, after: int = 0) -> list[LogLine]:
        """The kept log lines numbered above `after`, oldest first; also of ended sessions, as long as they are kept."""
        ...

    async def stacks(self, session_id: SessionId) -> str | None:
        """Every thread's stack of the session's process, also while it hangs; None when it has no process."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    """One line a session wrote.

    Attributes:
        seq: 1, 2, 3 … per session; a gap is lines that were dropped.
        stream: ``stdout``, ``stderr`` or ``log`` (structured).
        level: ``info``, ``warning``, …; empty when the line was plain.
    """

    seq: int
    at: float
    stream: str
    text: str
    level: str = ""
