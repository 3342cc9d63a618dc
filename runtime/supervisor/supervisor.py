"""Keep the bundles loaded and the sessions supervised, on this machine.

The supervisor never runs user code and never waits for it: bundles are programs it starts, sessions are
drivers it feeds.  What its processes leave behind comes to it as a subreaper, and ends here.
"""

from __future__ import annotations

import asyncio
import errno
import secrets
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import structlog

from runtime.clock import Clock
from runtime.confinement.addresses import Address
from runtime.confinement.level import Level
from runtime.errors import EndpointNotFound
from runtime.process.child import become_subreaper
from runtime.process.confine.watch import Asked, Watch
from runtime.process.environment import BUNDLE_MARK, bundle_environment
from runtime.process.handle import held
from runtime.process.orphans import Orphans
from runtime.session.events import Placed, Ready, SessionEvent
from runtime.session.exit_reasons import ExitReason
from runtime.session.info import RelayPort, RoomDoor
from runtime.session.limit_layers import from_server
from runtime.session.measured import Measured
from runtime.session.redaction import Hidden, secrets_in
from runtime.session.spec import Limits, SessionId, SessionSpec
from runtime.settings import SupervisorSettings
from runtime.supervisor.bundles.bundle import Bundle
from runtime.supervisor.bundles.confined.bundle_confinement import Confinement
from runtime.supervisor.bundles.roster import Roster
from runtime.supervisor.bundles.served.deployed import Deployed
from runtime.supervisor.driver import Driver
from runtime.supervisor.logbook import LogBook, LogShelf
from runtime.supervisor.outward.gate import Gate, Leaves
from runtime.supervisor.outward.names import Names
from runtime.supervisor.server_lines import ALL_TOGETHER, Allowance
from runtime.supervisor.shortages import Shortages
from runtime.supervisor.watch.cgroups import Cgroups
from runtime.supervisor.watch.disks import Disks
from runtime.supervisor.watch.profiling.profiles import Profiles
from runtime.supervisor.watch.sampler import Sampler

log = structlog.get_logger("supervisor")

_SWEEP_S = 10.0
_SWEEP_OTHERS_S = 1.0  # a session does not end later for another's thousand
_SWEEP_FIRST_S, _SWEEP_MOST_S = 0.005, 0.05


class Supervisor:
    """Bundles and sessions of one node.  Runs in: the front's event loop.

    Args:
        limits: For endpoints that name none of their own.
        limit_origins: `Settings.origins`, to tell what somebody set from our defaults.
        env: The environment that bundles get, less our own keys.
        agents_env: Variables that bundles get beside it.
        environments: The folder with the environments that bundles have of their own.
        publish: Takes each session event; may not block.
        changed: Called when bundles or endpoints changed.
        node_id: The name of this machine, for what is told of its sessions.
        owns_process: Whether every child of this process is ours; False where the front runs inside
            somebody's own program, whose children are then left alone.
        confinement: Decides what bundles may reach; None holds nothing back.
        hidden: What no line and no report of a session may show, beside what its environment has.

    Attributes:
        boot: A name of this life of it, which no other has.
        roster: Its bundles.
        profiles: Has its sessions looked at.
        deployed: Those that were sent here.
        measured: Which of its sessions were measured last.
        shortages: What the system had no more of lately.
        door: The way into rooms over the pipes of sessions; whoever has the rooms sets it.
    """

    def __init__(
        self,
        settings: SupervisorSettings,
        *,
        limits: Limits,
        limit_origins: Mapping[str, str] | None = None,
        clock: Clock,
        env: Mapping[str, str],
        publish: Callable[[SessionEvent], None],
        changed: Callable[[], None],
        node_id: str = "",
        owns_process: bool = True,
        environments: Path = Path(".bulkhead/environments"),
        agents_env: Mapping[str, str] | None = None,
        confinement: Confinement | None = None,
        hidden: Hidden | None = None,
    ) -> None:
        self._hidden = hidden or Hidden()
        self._settings = settings
        self._clock = clock
        self._node_id, self.boot = node_id, secrets.token_hex(6)
        bundle_env = bundle_environment(env, names=settings.pass_env, agents=agents_env)
        self._secrets = secrets_in(bundle_env)
        self._publish = publish
        self.shortages = Shortages(clock)
        set_limits, default_limits = from_server(limits, limit_origins or {})
        self.roster = Roster(
            settings,
            set_limits=set_limits,
            default_limits=default_limits,
            clock=clock,
            shortages=self.shortages,
            swept=self._sweep,
            env=bundle_env,
            environments=environments,
            changed=changed,
            serves=lambda: bool(self._drivers),
            is_alone=not owns_process,
            confinement=confinement,
            heard=self._heard,
        )
        self.deployed = Deployed(
            self.roster.made,
            self.roster.rows,
            environments=environments,
            is_held=confinement is not None and confinement.level is not Level.OFF,
            changed=changed,
        )
        self._confinement = confinement
        self._gate = Gate(Names(clock), is_ours=self._is_ours)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._orphans = Orphans(None if owns_process else BUNDLE_MARK)
        self.door: RoomDoor | None = None
        self._drivers: dict[SessionId, Driver] = {}
        self.measured = Measured()
        self._starting: dict[SessionId, Driver] = {}  # all that start, and some that just did
        self._runs: set[asyncio.Task[None]] = set()
        self._logs = LogShelf(
            max_lines=settings.log_lines, max_bytes=settings.log_kept_bytes, hidden=self._hidden
        )
        self._shown = Allowance(ALL_TOGETHER * settings.log_echo_bytes_per_s, clock)
        self._sampler = Sampler(clock=clock)
        self._disks = Disks()
        self.profiles = Profiles(clock)
        self.cgroups = Cgroups(
            settings.cgroups,
            may_move=owns_process,
            counts_disk=confinement is not None and confinement.level is not Level.OFF,
        )

    # ---- life

    async def start(self, sources: Sequence[Path], *, watch: bool) -> None:
        """Find the bundles and begin to load each; one that fails is listed with its error and stops nobody.

        Raises:
            BundleNotFound: A source does not exist.
        """
        become_subreaper()
        if self._confinement is not None:
            left = await asyncio.to_thread(self._confinement.clear_leftovers)
            if left:
                log.info("sessions.leftovers_removed", count=left)
        self._loop = asyncio.get_running_loop()
        await self.cgroups.open()  # first: what is started from here on begins in a group of ours
        await self.roster.start(sources, watch=watch)

    def confinement_told(self) -> dict[str, Any]:
        """By what the bundles here are held; empty as long as none is."""
        upheld = None if self._confinement is None else self._confinement.upheld()
        return {} if upheld is None else upheld.shown()

    # ---- sessions

    def place(self, spec: SessionSpec, generation: int, relay: RelayPort | None) -> None:
        """Start a session; what becomes of it is published.

        Raises:
            EndpointNotFound: No bundle serves the endpoint.
        """
        bundle = self.roster.bundle_at(spec.endpoint) or self.deployed.bundle_at(spec.endpoint)
        if bundle is None:
            raise EndpointNotFound(f"no agent at {spec.endpoint}", cure="GET /workers lists the endpoints.")
        driver = Driver(
            spec,
            generation,
            self._settings,
            clock=self._clock,
            publish=partial(self._publish_of, bundle),
            swept=self._sweep,
            sampler=self._sampler,
            cgroups=self.cgroups,
            disks=self._disks,
            logbook=self._logs.book(spec.session_id, self._drivers, len(self._drivers) + 1),
            shown=self._shown,
            measured=partial(self.measured.note, spec.session_id),
            relay=relay,
            door=self.door,
            secrets=lambda: (*self._secrets, *self._hidden),
        )
        self._drivers[spec.session_id] = self._starting[spec.session_id] = driver
        self._publish(
            Placed(
                session_id=spec.session_id,
                at=self._clock.wall(),
                generation=generation,
                node_id=self._node_id,
                boot=self.boot,
            )
        )
        run = asyncio.create_task(self._run(driver, bundle), name=f"session:{spec.session_id}")
        self._runs.add(run)
        run.add_done_callback(self._runs.discard)

    def _publish_of(self, bundle: Bundle, event: SessionEvent) -> None:
        if isinstance(event, Ready):
            bundle.ready_after(event.start_ms)
            self._starting.pop(event.session_id, None)
        self._publish(event)

    async def _run(self, driver: Driver, bundle: Bundle) -> None:
        path = driver.spec.endpoint
        take = bundle.take if self.deployed.bundle_at(path) is None else self.deployed.take
        try:
            with self.deployed.used(bundle):
                await driver.run(partial(take, path))
        except Exception:
            log.exception("session.keeping_failed", session_id=driver.spec.session_id)
        finally:
            self._drivers.pop(driver.spec.session_id, None)
            self._starting.pop(driver.spec.session_id, None)
            self.measured.forget(driver.spec.session_id)

    async def stop(
        self,
        session_id: SessionId,
        reason: ExitReason,
        grace_s: float | None,
        finish_s: float | None = None,
    ) -> None:
        """See `Placement.stop`."""
        driver = self._drivers.get(session_id)
        if driver is not None:
            driver.stop(reason, grace_s, finish_s)
            await driver.released.wait()

    async def stop_all(self, reason: ExitReason, grace_s: float) -> None:
        """Stop every session at once and wait for all."""
        stops = [self.stop(session_id, reason, grace_s) for session_id in list(self._drivers)]
        await asyncio.gather(*stops)

    def driver(self, session_id: SessionId) -> Driver | None:
        return self._drivers.get(session_id)

    def logbook(self, session_id: SessionId) -> LogBook | None:
        return self._logs.get(session_id)

    @property
    def session_count(self) -> int:
        return len(self._drivers)

    @property
    def starting_count(self) -> int:
        return sum(1 for driver in self._starting.values() if driver.is_starting)

    async def close(self) -> None:
        """End everything that is left, now."""
        await self.stop_all(ExitReason.DRAINED, 0)
        await asyncio.gather(*self._runs, return_exceptions=True)
        await self._gate.aclose()
        await asyncio.gather(self.roster.close(), self.deployed.close())
        await self._sweep()
        self._disks.close()
        await self.cgroups.aclose()

    # ---- calls that wait to be answered for

    def _heard(self, watch: Watch, asked: Asked) -> None:
        """Runs in: the thread of a watch."""
        if self._loop is not None:
            with suppress(RuntimeError):  # the loop is closed: so are all of its sessions
                self._loop.call_soon_threadsafe(self._answer, watch, asked)

    def _answer(self, watch: Watch, asked: Asked) -> None:
        if (listener := watch.listener) is None:
            return
        by_pid = {one.worker.pid: one for one in self._drivers.values() if one.worker is not None}
        driver = next((by_pid[pid] for pid in asked.pids if pid in by_pid), None)
        if asked.name == "connect":
            leaves = Leaves.of(watch.policy) if driver is None else driver.outlet.leaves
            self._gate.connect(listener, asked, leaves)
        elif driver is not None:
            driver.outlet.never_innocent(asked)
        else:  # a program that is being imported, or the probe before it
            listener.refuse(asked.notice, errno.EPERM)

    def _is_ours(self, address: Address, port: int) -> bool:
        return self.door is not None and self.door.is_ours(str(address), port)

    async def _sweep(self) -> None:
        """Kill and reap what ended sessions left behind."""
        began, pause_s = self._clock.now(), _SWEEP_FIRST_S
        found = self._orphans.strike(held())
        dying, mine = found.left - found.new, set[int]()  # some may be ours: another sweep was quicker
        while (passed_s := self._clock.now() - began) < _SWEEP_S:
            if found.new:
                log.warning("orphans.killed", count=len(found.new))
                mine |= found.new
            elif not mine & found.left and (passed_s > _SWEEP_OTHERS_S or not dying & found.left):
                return
            await asyncio.sleep(pause_s)
            pause_s = min(_SWEEP_MOST_S, 2 * pause_s)
            found = self._orphans.strike(held())
