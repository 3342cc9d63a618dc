"""Placement on this machine: one supervisor, in the front's own event loop."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from runtime.clock import Clock
from runtime.knob import parse_bytes
from runtime.placement.contract import Lease
from runtime.process import descriptors
from runtime.session.events import Released, SessionEvent
from runtime.session.exit_reasons import ExitReason
from runtime.session.info import (
    BundleInfo,
    Capacity,
    EndpointInfo,
    Enforcement,
    LogLine,
    MessageSeen,
    ProcessInfo,
    RelayPort,
    RoomDoor,
    Vitals,
)
from runtime.session.spec import Limits, SessionId, SessionSpec
from runtime.session.use import Use
from runtime.settings import SupervisorSettings
from runtime.supervisor.bundles.bundle_confinement import Confinement
from runtime.supervisor.supervisor import Supervisor
from runtime.supervisor.watch.headroom import Headroom
from runtime.wire import control


class LocalPlacement:
    """A `runtime.placement.contract.Placement` whose sessions run here.

    Attributes:
        changed: Called, in order, whenever bundles or endpoints changed.
    """

    def __init__(
        self,
        settings: SupervisorSettings,
        *,
        limits: Limits,
        limit_origins: Mapping[str, str] | None = None,
        clock: Clock,
        node_id: str = "local",
        env: Mapping[str, str] | None = None,
        owns_process: bool = True,
        environments: Path = Path(".bulkhead/environments"),
        agents_env: Mapping[str, str] | None = None,
        confinement: Confinement | None = None,
    ) -> None:
        self.changed: list[Callable[[], None]] = []
        self._settings = settings
        self._node_id = node_id
        self._leases: dict[SessionId, Lease] = {}
        # Not bounded by a size: dispatch reads it in the same loop, and at most a handful of events
        # exist for each of the sessions, which are bounded.
        self._events: asyncio.Queue[SessionEvent] = asyncio.Queue()
        self._draining = False
        self._measured = 0
        self._headroom = Headroom(
            self._measure_one, reserve_bytes=parse_bytes(settings.reserve_memory), clock=clock
        )
        self._supervisor = Supervisor(
            settings,
            limits=limits,
            limit_origins=limit_origins,
            clock=clock,
            env=os.environ if env is None else env,
            publish=self._events.put_nowait,
            changed=self._tell_changed,
            owns_process=owns_process,
            environments=environments,
            agents_env=agents_env,
            confinement=confinement,
        )

    def open_door(self, door: RoomDoor) -> None:
        """Give sessions without a network this way into their rooms."""
        self._supervisor.door = door

    async def start(self, sources: Sequence[Path], *, watch: bool) -> None:
        """Begin to load the bundles found in `sources`, each by itself; with `watch`, follow their changes.

        Raises:
            BundleNotFound: A source does not exist.
        """
        await self._supervisor.start(sources, watch=watch)

    async def loaded(self) -> None:
        """Return when no bundle is being loaded: each serves, or is listed with what keeps it from that."""
        await self._supervisor.roster.loaded()

    async def reload_changed(self) -> list[str]:
        """Load the bundles whose code changed, or failed to load, since they were looked at; their names.

        They are loaded in the background, and what serves goes on until they are.  New ones are taken in, and
        those that are gone dropped, whether or not changes are followed.
        """
        return await self._supervisor.roster.reload_changed()

    async def aclose(self) -> None:
        """End what still runs, at once."""
        await self._supervisor.close()

    async def place(self, spec: SessionSpec, generation: int, relay: RelayPort | None = None) -> Lease:
        lease = self._leases.get(spec.session_id)
        if lease is None or lease.generation != generation:
            self._supervisor.place(spec, generation, relay)
            lease = self._leases[spec.session_id] = Lease(spec.session_id, generation, self._node_id)
        return lease

    async def stop(
        self,
        session_id: SessionId,
        reason: ExitReason,
        grace_s: float | None = None,
        *,
        finish_s: float | None = None,
    ) -> None:
        stop = self._supervisor.stop(session_id, reason, grace_s, finish_s)
        await asyncio.shield(asyncio.ensure_future(stop))

    async def drain(self, grace_s: float) -> None:
        self._draining = True
        await self._supervisor.stop_all(ExitReason.DRAINED, grace_s)

    async def events(self) -> AsyncIterator[SessionEvent]:
        while True:
            event = await self._events.get()
            if isinstance(event, Released):
                self._leases.pop(event.session_id, None)
            yield event

    def capacity(self) -> Capacity:
        return Capacity(
            sessions=self._supervisor.session_count,
            starting=self._supervisor.starting_count,
            max_sessions=self._settings.max_sessions,
            max_starting=self._settings.max_starting,
            draining=self._draining,
            headroom_bytes=self._headroom.left_bytes(),
            session_bytes=self._headroom.session_bytes,
            sessions_left=descriptors.left() // descriptors.PER_SESSION,
            lacks=self._supervisor.shortages.names(),
        )

    def enforcement(self) -> Enforcement:
        return replace(self._supervisor.cgroups.told(), confinement=self._supervisor.confinement_told())

    def bundles(self) -> list[BundleInfo]:
        return self._supervisor.roster.infos()

    def endpoints(self) -> list[EndpointInfo]:
        return self._supervisor.roster.endpoints()

    def serves(self, path: str) -> bool:
        return self._supervisor.roster.serves(path)

    def awaits(self, path: str) -> bool:
        return self._supervisor.roster.awaits(path)

    def vitals(self, session_id: SessionId) -> Vitals | None:
        driver = self._supervisor.driver(session_id)
        return None if driver is None else driver.vitals()

    def glance(self, session_id: SessionId) -> Vitals | None:
        driver = self._supervisor.driver(session_id)
        return None if driver is None else driver.glance()

    def use(self, session_id: SessionId) -> Use | None:
        driver = self._supervisor.driver(session_id)
        return None if driver is None else driver.use()

    def log_lines(self, session_id: SessionId, *, after: int = 0) -> list[LogLine]:
        logbook = self._supervisor.logbook(session_id)
        return [] if logbook is None else logbook.after(after)

    async def processes(self, session_id: SessionId) -> list[ProcessInfo]:
        driver = self._supervisor.driver(session_id)
        return [] if driver is None else await driver.processes()

    def messages(self, session_id: SessionId) -> list[MessageSeen]:
        driver = self._supervisor.driver(session_id)
        return [] if driver is None else driver.messages()

    async def stacks(self, session_id: SessionId) -> str | None:
        driver = self._supervisor.driver(session_id)
        return None if driver is None else await driver.stacks()

    async def ping(self, session_id: SessionId, timeout_s: float) -> float | None:
        driver = self._supervisor.driver(session_id)
        return None if driver is None else await driver.ping(timeout_s)

    def inject(self, session_id: SessionId, fault: str, at: dict[str, Any] | None = None) -> bool:
        driver = self._supervisor.driver(session_id)
        return driver is not None and driver.inject(control.Fault(fault, at or {}))

    def _measure_one(self) -> int:
        # Another one each time, by turns: one that grew large is not what the next one will need.
        running = list(self._leases)
        self._measured += 1
        vitals = self.vitals(running[self._measured % len(running)]) if running else None
        return 0 if vitals is None else vitals.pss_bytes

    def _tell_changed(self) -> None:
        for listener in self.changed:
            listener()
