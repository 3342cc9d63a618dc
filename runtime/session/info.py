"""What can be seen of sessions and of what runs them: plain data for the API, terminal and metrics."""

from __future__ import annotations

import difflib
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

import msgspec

from runtime.errors import BundleImportFailed, EndpointNotFound
from runtime.session.spec import Limits


class EndpointInfo(msgspec.Struct, frozen=True, kw_only=True):
    """One path that a bundle serves.

    Attributes:
        path: Empty in the one row of a bundle whose endpoints nobody knows yet.
        state: ``ready``, ``loading`` while its bundle is, or ``failed`` when that cannot serve; then `error`
            says why.  Of one that is ready, `error` says why its newest code does not serve.
        permissions: The API scope its tokens get; None for the agent default.
        class_name: Name of the agent's class.
        limit_sources: Where each limit comes from: ``"memory_bytes"`` -> ``"decorator"``.
        kind: ``chatbot``, ``task_runner``, ``tool``, ``toolkit`` or ``agent``.
        restart: Its restart policy: ``never``, ``on_failure`` or ``always``.
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
    limits: Limits = msgspec.field(default_factory=Limits)
    limit_sources: Mapping[str, str] = msgspec.field(default_factory=dict)
    restart: str = "never"
    error: str = ""


def served(endpoints: Iterable[EndpointInfo]) -> list[EndpointInfo]:
    """The endpoints that answer calls, by path; not the rows of bundles that cannot run."""
    return sorted((one for one in endpoints if one.state == "ready" and one.path), key=lambda one: one.path)


def not_served(path: str, endpoints: Sequence[EndpointInfo]) -> EndpointNotFound | BundleImportFailed:
    """What to tell a caller of a path that nobody serves: the nearest one, and the paths there are.

    Bundles whose paths nobody knows, because they could not be loaded, are named with what is wrong; one
    that is called like the path is taken to be meant.
    """
    broken = [one for one in endpoints if one.state == "failed" and not one.path]
    for one in broken:
        if path.strip("/").split("/")[0] in (one.bundle, one.bundle.removesuffix(".py")):
            return BundleImportFailed(f"{one.bundle} cannot be loaded: {one.error}".rstrip("."))
    known = [one.path for one in served(endpoints)]
    shown = ", ".join(known[:50]) + (" …" if len(known) > 50 else "")
    near = difflib.get_close_matches(path[:200], known, n=1)
    guess = f"Did you mean {near[0]}? " if near else ""
    told = "".join(f"{one.bundle} cannot be loaded: {one.error.rstrip('.')}. " for one in broken[:5])
    return EndpointNotFound(
        f"no agent serves {path[:200]}",
        cure=f"{told}{guess}" + (f"Known paths: {shown}" if known else "No agent is loaded."),
    )


class BundleInfo(msgspec.Struct, frozen=True, kw_only=True):
    """One file or folder of agents.

    Attributes:
        state: ``loading``, ``ready`` or ``failed``.
        error: One sentence with its cure; empty when it loaded.
        detail: The traceback of a failed import.
        threads: Names of threads its import left running.
        fork: What it says of being forked from: ``auto``, ``always`` or ``never``.
        is_forked: Whether its sessions come from one process; else each starts a fresh interpreter.
        opened: What its import left that sessions would share, a sentence each, threads included.
        start_ms: Milliseconds from a call to Ready, in the middle of its latest sessions; None before one.
        digest: Of the names and contents of its own code that serves; empty before any does.
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
    fork: str = "auto"
    is_forked: bool = True
    opened: tuple[str, ...] = ()
    start_ms: float | None = None
    digest: str = ""


class Vitals(msgspec.Struct, frozen=True, kw_only=True):
    """How a running session's process tree is doing, measured when asked.

    Attributes:
        at: Monotonic seconds of the measurement.
        pss_bytes: Memory with shared pages divided among those who share them; 0 when it was never read.
        memory_byte_s: Memory integrated over the time of this attempt.
        disk_bytes: What it keeps in its own folder, as it was counted last; None before, or when it has none.
        lag_ms: How long something that came lately had to wait for the worker's event loop, at most.
        note: What keeps it from going on, for people; empty when nothing does.
        frozen: An operator does.
        last_heartbeat: Seconds since the epoch when the loop turned last, or now where it waits; None before.
    """

    cpu_s: float = 0.0
    rss_bytes: int = 0
    pss_bytes: int = 0
    memory_byte_s: float = 0.0
    disk_bytes: int | None = None
    fds: int = 0
    threads: int = 0
    children: int = 0
    lag_ms: float | None = None
    note: str = ""
    frozen: bool = False
    last_heartbeat: float | None = None
    at: float = 0.0


class ProcessInfo(msgspec.Struct, frozen=True, kw_only=True):
    """One process of a session's tree.

    Attributes:
        state: The kernel's word for it, such as ``sleeping`` or ``stopped``.
        command: How it was started, cut; of a fork, how the process was that forked it.
        started_at: Seconds since the epoch.
    """

    pid: int
    parent: int
    name: str
    command: str
    state: str
    threads: int
    cpu_s: float
    rss_bytes: int
    started_at: float


class Capacity(msgspec.Struct, frozen=True, kw_only=True):
    """How much runs and how much may.

    Attributes:
        headroom_bytes: Memory that sessions may still take; None when it cannot be told.
        session_bytes: What one more session is expected to take.
        sessions_left: Sessions for which the open files suffice that the system allows; None for no bound.
        lacks: What the system has no more of now: keys of `runtime.errors.LACKS`.
        fresh: Starts younger than a moment that make sense at once; more make none of them faster.
    """

    sessions: int
    starting: int
    max_sessions: int
    max_starting: int
    draining: bool = False
    headroom_bytes: int | None = None
    session_bytes: int = 0
    sessions_left: int | None = None
    lacks: tuple[str, ...] = ()
    fresh: int = 1 << 20


class Enforcement(msgspec.Struct, frozen=True, kw_only=True):
    """What keeps the limits of sessions here.

    Attributes:
        limits: By name of the limit: ``watching``, ``rlimit``, ``cgroup``, beside which watching goes on; or
            ``nothing``.
        kill: What ends a session with all it started: ``signals``, or ``cgroup``, which is added to them.
        group: The folder of the cgroup that holds those of the sessions; empty without one.
        reason: Why there are no cgroups, or not all limits kept by them; empty when they all are.
        confinement: By what bundles are held, and what is not kept; empty where none is held yet.
    """

    limits: Mapping[str, str]
    kill: str = "signals"
    group: str = ""
    reason: str = ""
    confinement: Mapping[str, Any] = msgspec.field(default_factory=dict)


class LogLine(msgspec.Struct, frozen=True, kw_only=True):
    """One line a session wrote.

    Attributes:
        seq: 1, 2, 3 … per session; a gap is lines that were dropped.
        stream: ``log`` for a structured line, ``output`` for anything else the process printed, ``server``
            for one that the server wrote about it.
        level: ``info``, ``warning``, …; empty when the line was plain.
        trace_id, span_id: Where it belongs, in a session that is traced.
    """

    seq: int
    at: float
    stream: str
    text: str
    level: str = ""
    trace_id: str = ""
    span_id: str = ""


class DebugDoor(msgspec.Struct, frozen=True):
    """Where a debugger listens in a session's process, on 127.0.0.1 of its machine.

    Attributes:
        port: 0 where none does.
        error: Why none does, with the cure.
    """

    port: int = 0
    error: str = ""


class MessageSeen(msgspec.Struct, frozen=True):
    """A message between a session and its room, or several of a kind in a row; never what was in them.

    Attributes:
        at: Of the last one, seconds since the epoch.
        direction: ``in`` (to the agent) or ``out`` (from it).
        kind: The type of the room protocol; for direct messages and tool calls, theirs after a space.
        bytes_count: Of all together.
    """

    at: float
    direction: str
    kind: str
    bytes_count: int
    count: int = 1


class RelayPort(Protocol):
    """The front's end of a relayed room connection: an upgraded webhook, or the front's own way to a room."""

    async def receive(self) -> bytes | None:
        """The next packet for the agent; None once the connection is closed.

        Raises:
            RoomError: The room cannot be entered, or the connection broke.
        """
        ...

    async def send(self, packet: bytes) -> None:
        """Hand a packet of the agent to the caller; waits while the caller does not read."""
        ...

    async def close(self) -> None: ...


class ModelAnswer(msgspec.Struct, frozen=True):
    """What a model says to one request, in the terms of HTTP.

    Attributes:
        headers: Names in lower case.
        chunks: Its body, to be read once.  Raises RuntimeServiceError when it breaks off.
    """

    status: int
    headers: Mapping[str, str]
    chunks: AsyncIterator[bytes]


class ModelPort(Protocol):
    """Where sessions without a network have their model asked.

    Attributes:
        kind: ``provider``, ``offline``, or ``none`` where nobody would answer.
        max_body_bytes: Of a request.
    """

    @property
    def kind(self) -> str: ...

    @property
    def max_body_bytes(self) -> int: ...

    def ask(
        self, path: str, bearer: str, body: bytes, headers: Mapping[str, str]
    ) -> AbstractAsyncContextManager[ModelAnswer]:
        """Ask, and be answered; refusals are answers.  Leaving the block ends the request."""
        ...


class RoomDoor(Protocol):
    """The way into rooms, and for sessions that have no network to the model."""

    def has(self, url: str) -> bool:
        """Whether that room is this server's."""
        ...

    def room(self, url: str, token: str, *, is_inward: bool) -> RelayPort:
        """One connection; it is made when it is first read.

        Args:
            is_inward: As of `runtime.rooms.token.Claims`.
        """
        ...

    def model(self, url: str) -> ModelPort:
        """Where agents in that room have their model asked."""
        ...

    def is_ours(self, address: str, port: int) -> bool:
        """Whether this server listens there: no session is connected to it."""
        ...
