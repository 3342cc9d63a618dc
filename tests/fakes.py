"""Stand-ins that implement the real protocols and record what was asked of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from runtime.clock import SystemClock
from runtime.errors import EndpointNotFound, RuntimeServiceError
from runtime.placement.contract import Attempt, Lease
from runtime.placement.machines import Machines
from runtime.services.deployed.programs import Programs
from runtime.session.events import Exited, Placed, Ready, Released, SessionEvent, Started
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
from runtime.session.record import Exit, Failure
from runtime.session.spec import SessionId, SessionSpec
from runtime.session.use import Use, UsePoint
from runtime.wire.looking.profile import Profile


def endpoint(path: str = "/chat", **more: Any) -> EndpointInfo:
    """An endpoint that is ready."""
    return EndpointInfo(path=path, identity=path.strip("/") or "agent", bundle="demo", generation=1, **more)


@dataclass
class FakePlacement:
    """Sessions that exist as events alone.

    `on_place` says what a placed session does: ``ready``, ``started``, ``fail`` or ``nothing``.
    """

    listed: list[EndpointInfo] = field(default_factory=lambda: [endpoint()])
    on_place: str = "ready"
    max_sessions: int = 100
    max_starting: int = 100
    fresh: int = 1000
    node_id: str = "fake"
    adopts: set[SessionId] = field(default_factory=set)
    refuse: RuntimeServiceError | None = None
    placed: list[tuple[SessionSpec, int]] = field(default_factory=list)
    stopped: list[tuple[str, ExitReason, float | None]] = field(default_factory=list)
    finishes: list[float | None] = field(default_factory=list)
    drained: list[float] = field(default_factory=list)
    relays: dict[str, RelayPort] = field(default_factory=dict)
    lines: dict[str, list[LogLine]] = field(default_factory=dict)
    listed_bundles: list[BundleInfo] = field(default_factory=list)
    seen_messages: dict[str, list[MessageSeen]] = field(default_factory=dict)
    curves: dict[str, tuple[UsePoint, ...]] = field(default_factory=dict)
    stack_text: str | None = "Thread 1\n"
    profiles: dict[str, Profile] = field(default_factory=dict)
    drain_waits: bool = False
    faults: list[tuple[str, str]] = field(default_factory=list)
    changed: list[Callable[[], None]] = field(default_factory=list)
    machines: Machines | None = None
    programs: Programs | None = None

    def __post_init__(self) -> None:
        self.queue: asyncio.Queue[SessionEvent] = asyncio.Queue()
        self.running: dict[SessionId, str] = {}
        self.clock = SystemClock()
        self.none_left = asyncio.Event()

    # ---- the contract

    async def start(self, sources: Sequence[Path], *, watch: bool, door: RoomDoor | None = None) -> None:
        self.sources = list(sources)

    async def adopt(self, attempts: Sequence[Attempt]) -> set[SessionId]:
        self.asked = list(attempts)
        return self.adopts

    async def loaded(self) -> None:
        pass

    async def reload_changed(self) -> list[str]:
        return []

    async def aclose(self) -> None:
        self.is_closed = True

    async def place(self, spec: SessionSpec, generation: int, relay: RelayPort | None = None) -> Lease:
        if self.refuse is not None:
            raise self.refuse
        if not any(one.path == spec.endpoint for one in self.listed):
            raise EndpointNotFound(f"no agent serves {spec.endpoint}")
        self.placed.append((spec, generation))
        self.running[spec.session_id] = "starting"
        if relay is not None:
            self.relays[spec.session_id] = relay
        placed = Placed(
            session_id=spec.session_id,
            at=self.clock.wall(),
            generation=generation,
            node_id=self.node_id,
            boot="b1",
        )
        self.emit(placed)
        if self.on_place in ("ready", "started"):
            self.started(spec.session_id)
        if self.on_place == "ready":
            self.ready(spec.session_id)
        if self.on_place == "fail":
            failure = Failure(
                stage="start",
                kind="ValueError",
                message="no",
                where="main.py:3 in start",
                traceback="Traceback",
            )
            self.exit(spec.session_id, ExitReason.START_ERROR, failure=failure, code=12)
        return Lease(spec.session_id, generation, self.node_id)

    async def stop(
        self,
        session_id: SessionId,
        reason: ExitReason,
        grace_s: float | None = None,
        *,
        finish_s: float | None = None,
    ) -> None:
        self.stopped.append((session_id, reason, grace_s))
        self.finishes.append(finish_s)
        if session_id in self.running:
            self.exit(session_id, reason)

    async def drain(self, grace_s: float) -> None:
        self.drained.append(grace_s)
        if self.drain_waits and self.running and grace_s > 0:
            await self.none_left.wait()
        for session_id in list(self.running):
            self.exit(session_id, ExitReason.DRAINED)

    async def events(self) -> AsyncIterator[SessionEvent]:
        while True:
            yield await self.queue.get()

    def capacity(self) -> Capacity:
        return Capacity(
            sessions=len(self.running),
            starting=sum(state == "starting" for state in self.running.values()),
            max_sessions=self.max_sessions,
            max_starting=self.max_starting,
            fresh=self.fresh,
        )

    def enforcement(self) -> Enforcement:
        return Enforcement(limits={"memory": "watching"}, reason="not here")

    def bundles(self) -> list[BundleInfo]:
        return self.listed_bundles

    def endpoints(self) -> list[EndpointInfo]:
        return self.listed

    def serves(self, path: str) -> bool:
        return any(one.path == path for one in self.listed)

    def awaits(self, path: str) -> bool:
        return not self.serves(path) and any(one.state == "loading" for one in self.listed_bundles)

    async def vitals(self, session_id: SessionId) -> Vitals | None:
        return self.glance(session_id)

    def glance(self, session_id: SessionId) -> Vitals | None:
        return Vitals(rss_bytes=7, pss_bytes=5, fds=3, threads=1) if session_id in self.running else None

    def measured(self, after: int) -> tuple[int, list[SessionId]]:
        return after + 1, list(self.running)

    async def use(self, session_id: SessionId) -> Use | None:
        return Use(curve=self.curves.get(session_id, ())) if session_id in self.running else None

    async def log_lines(self, session_id: SessionId, *, after: int = 0) -> list[LogLine]:
        return [line for line in self.lines.get(session_id, []) if line.seq > after]

    async def processes(self, session_id: SessionId) -> list[ProcessInfo]:
        return []

    async def messages(self, session_id: SessionId) -> list[MessageSeen]:
        return self.seen_messages.get(session_id, [])

    async def stacks(self, session_id: SessionId) -> str | None:
        return self.stack_text if session_id in self.running else None

    async def freeze(self, session_id: SessionId, frozen: bool) -> bool:
        return session_id in self.running

    async def debug(self, session_id: SessionId, port: int | None) -> DebugDoor | None:
        return DebugDoor(port=port or 5678) if session_id in self.running else None

    async def profile(self, session_id: SessionId, *, seconds: float, rate: int, by: str) -> Profile | None:
        return self.profiles.get(session_id)

    async def ping(self, session_id: SessionId, timeout_s: float) -> float | None:
        return 0.001 if session_id in self.running else None

    async def inject(self, session_id: SessionId, fault: str, at: dict[str, Any] | None = None) -> bool:
        self.faults.append((session_id, fault))
        return session_id in self.running

    # ---- what a test makes happen

    def emit(self, event: SessionEvent) -> None:
        self.queue.put_nowait(event)

    def started(self, session_id: SessionId, pid: int = 4242) -> None:
        self.emit(Started(session_id=session_id, at=self.clock.wall(), pid=pid))

    def ready(self, session_id: SessionId) -> None:
        self.running[session_id] = "ready"
        self.emit(Ready(session_id=session_id, at=self.clock.wall(), start_ms=5.0))

    def exit(self, session_id: SessionId, reason: ExitReason, **more: Any) -> None:
        now = self.clock.wall()
        self.running.pop(session_id, None)
        self.emit(
            Exited(session_id=session_id, at=now, exit=Exit(reason=reason, message="over", at=now, **more))
        )
        self.emit(Released(session_id=session_id, at=now))
        if not self.running:
            self.none_left.set()

    def fail_bundle(self, error: str) -> None:
        self.listed = [replace(one, state="failed", error=error) for one in self.listed]


class FakeRooms:
    """Mints tokens one can read."""

    def __init__(self) -> None:
        self.minted: list[tuple[str, str, Any]] = []

    def token(self, room: str, name: str, *, role: str = "agent", scope: dict[str, Any] | None = None) -> str:
        self.minted.append((room, name, scope))
        return f"token-of-{name}-for-{room}"
