"""Placement on this machine: one supervisor, in the front's own event loop."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from msgspec.structs import replace

from runtime.clock import Clock
from runtime.knob import parse_bytes
from runtime.placement.contract import Attempt, Lease
from runtime.placement.machines import Machines
from runtime.process import agents_env, descriptors
from runtime.process.tree import describe
from runtime.services.deployed.programs import Programs
from runtime.session.events import Released, SessionEvent
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
from runtime.session.redaction import Hidden
from runtime.session.spec import Limits, SessionId, SessionSpec
from runtime.session.use import Use
from runtime.settings import Settings, SupervisorSettings
from runtime.supervisor.bundles.confined.bundle_confinement import Confinement
from runtime.supervisor.supervisor import Supervisor
from runtime.supervisor.watch.headroom import Headroom
from runtime.wire import control
from runtime.wire.looking.profile import Profile

FRESH_PER_CPU: Final = 8
"""Fresh starts at once per processor: more make none of them faster, and the front and the sessions wait."""

DEBUG_S: Final = 20.0
"""What a debugger may take to listen."""

LOCAL: Final = "local"
"""The name of the only machine."""


class LocalPlacement:
    """A `runtime.placement.contract.Placement` whose sessions run here.

    Attributes:
        node_id: The name of this machine.
        supervisor: What runs them, for whoever is on this machine as well.
    """

    def __init__(
        self,
        settings: SupervisorSettings,
        *,
        limits: Limits,
        limit_origins: Mapping[str, str] | None = None,
        clock: Clock,
        node_id: str = LOCAL,
        env: Mapping[str, str] | None = None,
        owns_process: bool = True,
        environments: Path = Path(".bulkhead/environments"),
        agents_env: Mapping[str, str] | None = None,
        confinement: Confinement | None = None,
        hidden: Hidden | None = None,
    ) -> None:
        self.changed: list[Callable[[], None]] = []
        self.machines: Machines | None = None
        self._settings = settings
        self.node_id = node_id
        self._leases: dict[SessionId, Lease] = {}
        # Not bounded by a size: dispatch reads it in the same loop, and at most a handful of events
        # exist for each of the sessions, which are bounded.
        self._events: asyncio.Queue[SessionEvent] = asyncio.Queue()
        self._draining = False
        self._fresh = FRESH_PER_CPU * len(os.sched_getaffinity(0))
        self._measured = 0
        self._headroom = Headroom(
            self._measure_one, reserve_bytes=parse_bytes(settings.reserve_memory), clock=clock
        )
        self.supervisor = Supervisor(
            settings,
            limits=limits,
            limit_origins=limit_origins,
            clock=clock,
            env=os.environ if env is None else env,
            publish=self._events.put_nowait,
            node_id=node_id,
            changed=self._tell_changed,
            owns_process=owns_process,
            environments=environments,
            agents_env=agents_env,
            confinement=confinement,
            hidden=hidden,
        )

    @property
    def programs(self) -> Programs:
        return self.supervisor.deployed

    @classmethod
    def of(
        cls,
        settings: Settings,
        sources: Sequence[Path],
        *,
        environments: Path,
        clock: Clock,
        owns_process: bool = True,
        node_id: str = LOCAL,
        variables: Mapping[str, str] | None = None,
        hidden: Hidden | None = None,
    ) -> LocalPlacement:
        """By the settings, for the bundles in `sources`.

        Args:
            variables: For all agents, besides those that the settings name.

        Raises:
            ConfigError: The agents' variables cannot be used.
        """
        return cls(
            settings.supervisor,
            limits=Limits.from_settings(settings.limits),
            limit_origins=settings.origins,
            clock=clock,
            node_id=node_id,
            owns_process=owns_process,
            environments=environments,
            agents_env={
                **agents_env.in_force(settings.server.agents_env, sources, is_told=True),
                **(variables or {}),
            },
            confinement=Confinement(
                settings.confinement, state=settings.server.state_dir, file=settings.file
            ),
            hidden=hidden,
        )

    async def start(self, sources: Sequence[Path], *, watch: bool, door: RoomDoor | None = None) -> None:
        self.supervisor.door = door
        await self.supervisor.start(sources, watch=watch)

    async def adopt(self, attempts: Sequence[Attempt]) -> set[SessionId]:
        return set()  # all of them ended with the process whose children they were

    async def loaded(self) -> None:
        await self.supervisor.roster.loaded()

    async def reload_changed(self) -> list[str]:
        return await self.supervisor.roster.reload_changed()

    async def aclose(self) -> None:
        await self.supervisor.close()

    async def place(self, spec: SessionSpec, generation: int, relay: RelayPort | None = None) -> Lease:
        lease = self._leases.get(spec.session_id)
        if lease is None or lease.generation != generation:
            self.supervisor.place(spec, generation, relay)
            lease = self._leases[spec.session_id] = Lease(spec.session_id, generation, self.node_id)
        return lease

    async def stop(
        self,
        session_id: SessionId,
        reason: ExitReason,
        grace_s: float | None = None,
        *,
        finish_s: float | None = None,
    ) -> None:
        stop = self.supervisor.stop(session_id, reason, grace_s, finish_s)
        await asyncio.shield(asyncio.ensure_future(stop))

    async def drain(self, grace_s: float) -> None:
        self._draining = True
        await self.supervisor.stop_all(ExitReason.DRAINED, grace_s)

    async def events(self) -> AsyncIterator[SessionEvent]:
        while True:
            event = await self._events.get()
            if isinstance(event, Released):
                self._leases.pop(event.session_id, None)
            yield event

    def capacity(self) -> Capacity:
        return Capacity(
            sessions=self.supervisor.session_count,
            starting=self.supervisor.starting_count,
            max_sessions=self._settings.max_sessions,
            max_starting=self._settings.max_starting,
            draining=self._draining,
            headroom_bytes=self._headroom.left_bytes(),
            session_bytes=self._headroom.session_bytes,
            sessions_left=descriptors.left() // descriptors.PER_SESSION,
            lacks=self.supervisor.shortages.names(),
            fresh=self._fresh,
        )

    def enforcement(self) -> Enforcement:
        return replace(self.supervisor.cgroups.told(), confinement=self.supervisor.confinement_told())

    def bundles(self) -> list[BundleInfo]:
        return [*self.supervisor.roster.infos(), *self.supervisor.deployed.infos()]

    def endpoints(self) -> list[EndpointInfo]:
        return [*self.supervisor.roster.endpoints(), *self.supervisor.deployed.endpoints()]

    def serves(self, path: str) -> bool:
        return self.supervisor.roster.serves(path) or self.supervisor.deployed.bundle_at(path) is not None

    def awaits(self, path: str) -> bool:
        return self.supervisor.roster.awaits(path) or self.supervisor.deployed.awaits(path)

    async def vitals(self, session_id: SessionId) -> Vitals | None:
        driver = self.supervisor.driver(session_id)
        return None if driver is None else driver.vitals()

    def glance(self, session_id: SessionId) -> Vitals | None:
        driver = self.supervisor.driver(session_id)
        return None if driver is None else driver.glance()

    def measured(self, after: int) -> tuple[int, list[SessionId]]:
        return self.supervisor.measured.after(after)

    async def use(self, session_id: SessionId) -> Use | None:
        driver = self.supervisor.driver(session_id)
        return None if driver is None else driver.use()

    async def log_lines(self, session_id: SessionId, *, after: int = 0) -> list[LogLine]:
        logbook = self.supervisor.logbook(session_id)
        return [] if logbook is None else logbook.after(after)

    async def processes(self, session_id: SessionId) -> list[ProcessInfo]:
        driver = self.supervisor.driver(session_id)
        worker = None if driver is None else driver.worker
        return [] if worker is None else await asyncio.to_thread(describe, worker.pid)

    async def messages(self, session_id: SessionId) -> list[MessageSeen]:
        driver = self.supervisor.driver(session_id)
        worker = None if driver is None else driver.worker
        return [] if worker is None else worker.room_messages()

    async def stacks(self, session_id: SessionId) -> str | None:
        driver = self.supervisor.driver(session_id)
        return None if driver is None else await driver.stacks()

    async def freeze(self, session_id: SessionId, frozen: bool) -> bool:
        driver = self.supervisor.driver(session_id)
        return driver is not None and driver.freeze(frozen)

    async def debug(self, session_id: SessionId, port: int | None) -> DebugDoor | None:
        driver = self.supervisor.driver(session_id)
        if driver is None or driver.worker is None:
            return None
        found = await driver.debug(port, DEBUG_S)
        if port is None:
            return DebugDoor()
        if found is None or not found.port:
            await driver.debug(None, 0)
        if found is None:
            return DebugDoor(error=f"Its event loop did not answer within {DEBUG_S:g} s: it is blocked.")
        return DebugDoor(port=found.port, error=found.error[:1000])

    async def profile(self, session_id: SessionId, *, seconds: float, rate: int, by: str) -> Profile | None:
        driver = self.supervisor.driver(session_id)
        if driver is None or driver.worker is None:
            return None
        profiles = self.supervisor.profiles
        return await profiles.take(session_id, driver.worker, seconds=seconds, rate=rate, by=by)

    async def ping(self, session_id: SessionId, timeout_s: float) -> float | None:
        driver = self.supervisor.driver(session_id)
        return None if driver is None else await driver.ping(timeout_s)

    async def inject(self, session_id: SessionId, fault: str, at: dict[str, Any] | None = None) -> bool:
        driver = self.supervisor.driver(session_id)
        return driver is not None and driver.inject(control.Fault(fault, at or {}))

    def _measure_one(self) -> int:
        # Another one each time, by turns: one that grew large is not what the next one will need.
        running = list(self._leases)
        self._measured += 1
        driver = self.supervisor.driver(running[self._measured % len(running)]) if running else None
        vitals = None if driver is None else driver.vitals()
        return 0 if vitals is None else vitals.pss_bytes

    def _tell_changed(self) -> None:
        for listener in self.changed:
            listener()
