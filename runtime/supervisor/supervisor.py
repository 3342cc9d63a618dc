"""Keep the bundles loaded and the sessions supervised, on this machine.

The supervisor never runs user code and never waits for it: bundles are programs it starts, sessions are
drivers it feeds.  What its processes leave behind comes to it as a subreaper, and ends here.
"""

from __future__ import annotations

import asyncio
import sys
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import structlog

from runtime.clock import Clock
from runtime.errors import EndpointNotFound, EnvironmentUnusable
from runtime.process.child import become_subreaper
from runtime.process.environment import BUNDLE_MARK, bundle_environment
from runtime.process.handle import held
from runtime.process.orphans import Orphans
from runtime.process.zygote_client import Command
from runtime.session.events import Placed, SessionEvent
from runtime.session.info import BundleInfo, EndpointInfo, RelayPort
from runtime.session.limit_layers import DECORATOR, SourcedLimits, from_server
from runtime.session.record import ExitReason
from runtime.session.redaction import secrets_in
from runtime.session.spec import Limits, SessionId, SessionSpec
from runtime.settings import SupervisorSettings
from runtime.supervisor.bundles.bundle import Bundle
from runtime.supervisor.bundles.bundle_limits import limits_of
from runtime.supervisor.bundles.changes import changes, touched
from runtime.supervisor.bundles.claims import Claim, settle
from runtime.supervisor.bundles.discovery import bundles_in
from runtime.supervisor.bundles.environment import own_launch
from runtime.supervisor.driver import Driver
from runtime.supervisor.logbook import LogBook
from runtime.supervisor.watch.cgroups import Cgroups
from runtime.supervisor.watch.sampler import Sampler

log = structlog.get_logger("supervisor")

_KEPT_LOGBOOKS = 500
_SWEEP_S = 10.0
_SWEEP_OTHERS_S = 1.0  # a session does not end later for another's thousand
_SWEEP_FIRST_S, _SWEEP_MOST_S = 0.005, 0.05
_INSTALLED_S = 1.0


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
        owns_process: Whether every child of this process is ours; False where the front runs inside
            somebody's own program, whose children are then left alone.
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
        owns_process: bool = True,
        environments: Path = Path(".bulkhead/environments"),
        agents_env: Mapping[str, str] | None = None,
    ) -> None:
        self._settings = settings
        self._set_limits, self._default_limits = from_server(limits, limit_origins or {})
        self._bundle_limits: dict[str, SourcedLimits] = {}
        self._clock = clock
        self._env = bundle_environment(env, names=settings.pass_env, agents=agents_env)
        self._secrets = secrets_in(self._env)
        self._environments = environments
        self._publish = publish
        self._changed = changed
        self._orphans = Orphans(None if owns_process else BUNDLE_MARK)
        self._bundles: dict[str, Bundle] = {}
        self._owners: Mapping[str, str] = {}
        self._drivers: dict[SessionId, Driver] = {}
        self._runs: set[asyncio.Task[None]] = set()
        self._logbooks: OrderedDict[SessionId, LogBook] = OrderedDict()
        self._sampler = Sampler(clock=clock)
        self.cgroups = Cgroups(settings.cgroups, may_move=owns_process)
        self._sources: list[Path] = []
        self._stop_watching = asyncio.Event()
        self._watching: asyncio.Task[None] | None = None
        self._installations: asyncio.Task[None] | None = None
        self._reconciling = asyncio.Lock()

    # ---- bundles

    async def start(self, sources: Sequence[Path], *, watch: bool) -> None:
        """Load every bundle; those that fail are listed with their error and stop nobody.

        Raises:
            BundleNotFound: A source does not exist.
        """
        become_subreaper()
        self._sources = [source.resolve() for source in sources]
        await self.cgroups.open()  # first: what is started from here on begins in a group of ours
        if watch:
            self._watching = asyncio.create_task(self._watch(), name="supervisor:watch")
            await asyncio.sleep(0)  # it watches now, so a change while we load is not missed
        await self._reconcile(set())
        self._installations = asyncio.create_task(
            self._watch_installations(), name="supervisor:installations"
        )

    def bundles(self) -> list[BundleInfo]:
        return [self._bundles[name].info() for name in sorted(self._bundles)]

    def endpoints(self) -> list[EndpointInfo]:
        """Every endpoint of every bundle, and a row without a path for a bundle that has none to show."""
        found = []
        for name in sorted(self._bundles):
            bundle = self._bundles[name]
            info = bundle.info()
            if not bundle.endpoints:
                found.append(
                    EndpointInfo(
                        path="", identity="", bundle=name, generation=0, state=info.state, error=info.error
                    )
                )
            for declared in bundle.endpoints:
                limits = self._limits_of(name, declared.limits)
                found.append(
                    EndpointInfo(
                        path=declared.path,
                        identity=declared.identity,
                        bundle=name,
                        generation=bundle.generation,
                        state=info.state,
                        class_name=declared.class_name,
                        kind=declared.kind,
                        title=declared.title,
                        description=declared.description,
                        permissions=declared.permissions,
                        limits=limits.limits,
                        limit_sources=limits.plain_sources(),
                        restart=declared.restart or self._settings.restart,
                        error=info.error,
                    )
                )
        return found

    def serves(self, path: str) -> bool:
        """Whether a path is among the endpoints."""
        return any(one.path == path for bundle in self._bundles.values() for one in bundle.endpoints)

    def _limits_of(self, bundle: str, declared: Mapping[str, Any]) -> SourcedLimits:
        own = SourcedLimits.of(Limits.from_declared(declared), DECORATOR)
        brought = self._bundle_limits.get(bundle, SourcedLimits())
        return own.over(self._set_limits).over(brought).over(self._default_limits)

    async def _watch(self) -> None:
        async for changed in changes(self._sources, stop=self._stop_watching):
            try:
                await self._reconcile(changed)
            except Exception:
                log.exception("bundle.reload_failed")

    async def _watch_installations(self) -> None:
        """Load a bundle as soon as the environment that it waited for has been made."""
        while True:
            await asyncio.sleep(_INSTALLED_S)
            for name, bundle in list(self._bundles.items()):
                if isinstance(bundle.error, EnvironmentUnusable):
                    try:
                        own_launch(name, bundle.source, self._environments, self._env)
                    except EnvironmentUnusable:
                        continue
                    await bundle.load()

    async def _reconcile(self, changed: set[Path]) -> None:
        async with self._reconciling:
            await self._reconcile_now(changed)

    async def _reconcile_now(self, changed: set[Path]) -> None:
        found = bundles_in(self._sources)
        for name in [name for name, bundle in self._bundles.items() if found.get(name) != bundle.source]:
            log.info("bundle.removed", bundle=name)
            gone = self._bundles.pop(name)
            self._settle()  # before anything else runs: no call may be sent to a bundle that is not there
            await gone.close()
        stale = [bundle for bundle in self._bundles.values() if touched(changed, bundle.source)]
        for name, source in found.items():
            if name not in self._bundles:
                command = Command(
                    sys.executable,
                    source,
                    self._env,
                    partial(own_launch, name, source, self._environments),
                    self._settings.log_line_bytes,
                )
                bundle = Bundle(name, command, self._settings, clock=self._clock, changed=self._settle)
                self._bundles[name] = bundle
                stale.append(bundle)
        self._bundle_limits = {name: limits_of(source) for name, source in found.items()}
        await asyncio.gather(*(bundle.load() for bundle in stale))
        self._settle()

    def _settle(self) -> None:
        """Decide anew which bundle serves which path."""
        claims = [
            Claim(name, str(bundle.source), tuple(e.path for e in bundle.endpoints))
            for name, bundle in sorted(self._bundles.items())
        ]
        self._owners, refused = settle(claims)
        for name, bundle in self._bundles.items():
            conflict = refused.get(name)
            if conflict is not None and bundle.conflict is None:
                log.error("bundle.refused", bundle=name, error=str(conflict))
            bundle.conflict = conflict
        self._changed()

    # ---- sessions

    def place(self, spec: SessionSpec, generation: int, relay: RelayPort | None) -> None:
        """Start a session; what becomes of it is published.

        Raises:
            EndpointNotFound: No bundle serves the endpoint.
        """
        name = self._owners.get(spec.endpoint)
        if name is None:
            raise EndpointNotFound(f"no agent at {spec.endpoint}", cure="GET /workers lists the endpoints.")
        bundle = self._bundles[name]
        driver = Driver(
            spec,
            generation,
            self._settings,
            clock=self._clock,
            publish=self._publish,
            swept=self._sweep,
            sampler=self._sampler,
            cgroups=self.cgroups,
            relay=relay,
            secrets=self._secrets,
        )
        self._drivers[spec.session_id] = driver
        if (earlier := self._logbooks.get(spec.session_id)) is not None:
            driver.logbook = earlier  # of the attempt before: one log, numbered through
        self._keep_logbook(spec.session_id, driver.logbook)
        self._publish(Placed(session_id=spec.session_id, at=self._clock.wall(), generation=generation))
        run = asyncio.create_task(self._run(driver, bundle), name=f"session:{spec.session_id}")
        self._runs.add(run)
        run.add_done_callback(self._runs.discard)

    async def _run(self, driver: Driver, bundle: Bundle) -> None:
        try:
            await driver.run(bundle.take)
        finally:
            self._drivers.pop(driver.spec.session_id, None)

    async def stop(self, session_id: SessionId, reason: ExitReason, grace_s: float | None) -> None:
        """See `Placement.stop`."""
        driver = self._drivers.get(session_id)
        if driver is not None:
            driver.stop(reason, grace_s)
            await driver.released.wait()

    async def stop_all(self, reason: ExitReason, grace_s: float) -> None:
        """Stop every session at once and wait for all."""
        stops = [self.stop(session_id, reason, grace_s) for session_id in list(self._drivers)]
        await asyncio.gather(*stops)

    def driver(self, session_id: SessionId) -> Driver | None:
        return self._drivers.get(session_id)

    def logbook(self, session_id: SessionId) -> LogBook | None:
        return self._logbooks.get(session_id)

    @property
    def session_count(self) -> int:
        return len(self._drivers)

    @property
    def starting_count(self) -> int:
        return sum(1 for driver in self._drivers.values() if driver.is_starting)

    async def close(self) -> None:
        """End everything that is left, now."""
        self._stop_watching.set()
        if self._watching is not None:
            await asyncio.gather(self._watching, return_exceptions=True)
        if self._installations is not None:
            self._installations.cancel()
            await asyncio.gather(self._installations, return_exceptions=True)
        await self.stop_all(ExitReason.DRAINED, 0)
        await asyncio.gather(*self._runs, return_exceptions=True)
        await asyncio.gather(*(bundle.close() for bundle in self._bundles.values()))
        await self._sweep()
        await self.cgroups.aclose()

    def _keep_logbook(self, session_id: SessionId, logbook: LogBook) -> None:
        self._logbooks[session_id] = logbook
        while len(self._logbooks) > max(_KEPT_LOGBOOKS, len(self._drivers)):
            ended = next((old for old in self._logbooks if old not in self._drivers), None)
            if ended is None:
                break
            del self._logbooks[ended]

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
