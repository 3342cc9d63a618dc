"""The bundles of a server: found, each loaded by itself, loaded again when changed, and what they serve.

No bundle waits for another.  One that is being loaded, or cannot be, is listed with its state and serves
nothing; the others serve meanwhile.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Final

import structlog

from runtime.clock import Clock
from runtime.errors import BundleError, BundleNotFound, EnvironmentUnusable
from runtime.process.confine.watch import Heard
from runtime.process.program.command import Alone, Command
from runtime.session.info import BundleInfo, EndpointInfo
from runtime.session.limit_layers import DECORATOR, SourcedLimits
from runtime.session.spec import Limits
from runtime.settings import SupervisorSettings
from runtime.supervisor.bundles.bundle import Bundle
from runtime.supervisor.bundles.code_files import Verdict
from runtime.supervisor.bundles.confined.bundle_confinement import Confinement
from runtime.supervisor.bundles.confined.keep_up import KeepUp
from runtime.supervisor.bundles.discovery import Discovery, Look, is_flat, is_service
from runtime.supervisor.bundles.environment import environment_of, own_launch, remove_unused
from runtime.supervisor.bundles.file_watch import LOOK_S, FileWatch, Watched, watched
from runtime.supervisor.bundles.import_turns import ImportTurns
from runtime.supervisor.bundles.served.claims import Claim, settle
from runtime.supervisor.shortages import Shortages
from runtime.wire.control import EndpointDecl

log = structlog.get_logger("supervisor")

GONE_S: Final = 1.5
"""How long a file may be missing before that counts: a branch is switched, an editor saves."""
_GONE_LOOK_S: Final = 0.3
_INSTALLED_S: Final = 1.0
_FIRST_TIDY_S: Final = 60.0  # after the start, which has other things to do
_TIDY_S: Final = 86400.0


class Roster:
    """Runs in: the front's event loop.

    Args:
        set_limits: Limits that somebody set for all endpoints; before a bundle's own file.
        default_limits: Those that nobody set; behind it.
        shortages: Told of what the system had no more of.
        swept: Awaited when a process of a bundle has ended; kills what that left behind.
        env: What bundles' programs are started with.
        environments: The folder with the environments that bundles have of their own.
        changed: Called when bundles or endpoints changed.
        is_alone: The front runs inside the one program that it serves.
        confinement: Decides what bundles may reach; None holds nothing back.
        heard: Called in a thread, for each call of their processes that waits to be answered for.
        serves: Whether sessions run, which imports give way to.
    """

    def __init__(
        self,
        settings: SupervisorSettings,
        *,
        set_limits: SourcedLimits,
        default_limits: SourcedLimits,
        clock: Clock,
        shortages: Shortages,
        swept: Callable[[], Awaitable[None]],
        env: Mapping[str, str],
        environments: Path,
        changed: Callable[[], None],
        serves: Callable[[], bool],
        is_alone: bool = False,
        confinement: Confinement | None = None,
        heard: Heard | None = None,
    ) -> None:
        self._settings = settings
        self._heard = heard
        self._set_limits, self._default_limits = set_limits, default_limits
        self._clock = clock
        self._shortages, self._swept = shortages, swept
        self._env = env
        self._environments = environments
        self._changed = changed
        self._is_alone = is_alone
        self._confinement = confinement
        self._turns = ImportTurns(serves=serves)
        self._follows = False
        self._discovery = Discovery(())
        self._bundles: dict[
            str, Bundle
        ] = {}  # in the order in which they came, which is that of their claims
        self._owners: Mapping[str, str] = {}
        self._told: dict[str, tuple[tuple[object, ...], list[EndpointInfo]]] = {}
        self._gone_since: dict[tuple[str, str], float] = {}
        self._looking = asyncio.Lock()
        self._watch: FileWatch | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._closing: set[asyncio.Task[None]] = set()

    # ---- life

    async def start(self, sources: Sequence[Path], *, watch: bool) -> None:
        """Find the bundles and begin to load each; see `loaded`.

        Raises:
            BundleNotFound: A source does not exist.
        """
        # Made absolute, not resolved: links in them are followed at each look.
        self._discovery = Discovery(Path(os.path.join(os.getcwd(), source)) for source in sources)
        self._follows = watch
        self._take(await asyncio.to_thread(self._discovery.look), now=True)
        if watch:
            self._watch = FileWatch()
            self._tasks.append(asyncio.create_task(self._follow(self._watch), name="supervisor:watch"))
        self._tasks.append(asyncio.create_task(self._watch_installations(), name="supervisor:installations"))
        if self._confinement is not None:
            keep_up = KeepUp(lambda: list(self._bundles.values()), self._foreign, follows=watch)
            self._tasks.append(asyncio.create_task(keep_up.run(), name="supervisor:entries"))
        self._tasks.append(asyncio.create_task(self._tidy(), name="supervisor:environments"))

    async def loaded(self) -> None:
        """Return when no bundle is being loaded: each serves, or is known not to."""
        while loads := [load for bundle in self._bundles.values() if (load := bundle.under_way)]:
            await asyncio.wait(loads)

    async def reload_changed(self) -> list[str]:
        """Look now: take in new bundles, drop those that are gone, load those whose code changed or failed.

        Returns:
            The names of those that are being loaded; `loaded` waits for them.

        Raises:
            BundleNotFound: A source that was never there is not there yet.
        """
        return await self._look(now=True)

    async def close(self) -> None:
        """End every zygote and what is parked; sessions live on."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._watch is not None:
            await self._watch.aclose()
        await asyncio.gather(*self._closing, *(bundle.close() for bundle in self._bundles.values()))

    # ---- what there is

    def infos(self) -> list[BundleInfo]:
        """Every bundle, by name."""
        return [self._bundles[name].info() for name in sorted(self._bundles)]

    def endpoints(self) -> list[EndpointInfo]:
        """Every endpoint of every bundle, and a row without a path for a bundle that has none to show."""
        return [info for name in sorted(self._bundles) for info in self._endpoints_of(name)]

    def _endpoints_of(self, name: str) -> Sequence[EndpointInfo]:
        """Made once for what a bundle says of itself now."""
        bundle = self._bundles[name]
        state, wrong = bundle.condition()
        error = "" if wrong is None else str(wrong)
        now = (bundle.endpoints, bundle.limits, bundle.generation, state, error)
        if (known := self._told.get(name)) is not None and known[0] == now:
            return known[1]
        found = [self._endpoint(bundle, declared, state, error) for declared in bundle.endpoints]
        if not found:
            found = [EndpointInfo(path="", identity="", bundle=name, generation=0, state=state, error=error)]
        self._told[name] = now, found
        return found

    def rows(self, bundle: Bundle) -> list[EndpointInfo]:
        """The endpoints of a bundle that is none of these."""
        state, wrong = bundle.condition()
        return [self._endpoint(bundle, one, state, str(wrong or "")) for one in bundle.endpoints]

    def _endpoint(self, bundle: Bundle, declared: EndpointDecl, state: str, error: str) -> EndpointInfo:
        limits = self._limits_of(bundle, declared.limits)
        return EndpointInfo(
            path=declared.path,
            identity=declared.identity,
            bundle=bundle.name,
            generation=bundle.generation,
            state=state,
            class_name=declared.class_name,
            kind=declared.kind,
            title=declared.title,
            description=declared.description,
            permissions=declared.permissions,
            limits=limits.limits,
            limit_sources=limits.plain_sources(),
            restart=declared.restart or self._settings.restart,
            error=error,
        )

    def serves(self, path: str) -> bool:
        """Whether a path is among the endpoints."""
        return any(one.path == path for bundle in self._bundles.values() for one in bundle.endpoints)

    def awaits(self, path: str) -> bool:
        """Whether nobody serves a path, but a bundle that is loaded for the first time may come to."""
        return not self.serves(path) and any(bundle.is_loading for bundle in self._bundles.values())

    def bundle_at(self, path: str) -> Bundle | None:
        """The bundle that serves a path."""
        name = self._owners.get(path)
        return None if name is None else self._bundles[name]

    def _limits_of(self, bundle: Bundle, declared: Mapping[str, Any]) -> SourcedLimits:
        own = SourcedLimits.of(Limits.from_declared(declared), DECORATOR)
        return own.over(self._set_limits).over(bundle.limits).over(self._default_limits)

    # ---- looking

    async def _follow(self, watch: FileWatch) -> None:
        while True:
            try:
                watch.follow(await asyncio.to_thread(self._watched))
                was_told = await watch.wait(most_s=_GONE_LOOK_S if self._gone_since else LOOK_S)
                if await self._look() and not was_told:
                    await watch.missed()
            except BundleNotFound as error:
                log.warning("bundle.source_unusable", error=str(error))
                await asyncio.sleep(LOOK_S)
            except Exception:
                log.exception("bundle.reload_failed")
                await asyncio.sleep(LOOK_S)

    def _watched(self) -> Watched:
        files = set().union(*(bundle.files.paths() for bundle in list(self._bundles.values())))
        folders = [source for source in self._discovery.sources if source.suffix != ".py"]
        inner: list[Path] = []
        for folder in folders:
            with suppress(OSError):  # one that cannot be read now: the others are followed
                if folder.is_dir() and not is_service(folder):
                    inner += [
                        entry
                        for entry in folder.iterdir()
                        if entry.is_dir() and not entry.name.startswith(("_", "."))
                    ]
        return watched(files | {str(entry / "main.py") for entry in inner}, folders)

    async def _look(self, *, now: bool = False) -> list[str]:
        """Bring the bundles up to date with what is on the disk; those that are to be loaded for that.

        Args:
            now: What is missing is gone, instead of perhaps being put back in a moment.
        """
        async with self._looking:
            look = await asyncio.to_thread(self._discovery.look)
            judged = [bundle for bundle in self._bundles.values() if not bundle.is_due]
            verdicts = await asyncio.to_thread(lambda: [(one, one.files.verdict()) for one in judged])
            begun = self._take(look, now=now)
            for bundle, verdict in verdicts:
                if self._bundles.get(bundle.name) is not bundle or bundle.is_due:
                    continue
                is_away = bundle.name in look.away
                has_gone = self._has_gone(bundle.name, "files", verdict is Verdict.GONE and not is_away, now)
                bundle.program_away(self._has_gone(bundle.name, "program", is_away, now))
                if is_away:
                    continue
                if verdict is Verdict.RESTORED and not bundle.is_coming_up:
                    bundle.restored()
                elif verdict in (Verdict.CHANGED, Verdict.RESTORED) or has_gone:
                    bundle.load_soon()
                    begun.append(bundle.name)
                elif now and bundle.error is not None and not bundle.is_coming_up:
                    bundle.load_soon()  # what kept it from loading may not have been a file
                    begun.append(bundle.name)
            return begun

    def _take(self, look: Look, *, now: bool) -> list[str]:
        """Let bundles go that are there no more, and take in new ones, whose loading begins."""
        for name, bundle in list(self._bundles.items()):
            is_other = name in look.bundles and look.bundles[name] != bundle.source
            if self._has_gone(name, "bundle", name not in look.bundles, now) or is_other:
                self._remove(bundle)
        begun = []
        for name, source in look.bundles.items():
            if name not in self._bundles:
                self._bundles[name] = bundle = self.made(name, source, beside=look.bundles.values())
                bundle.load_soon()
                begun.append(name)
        if begun:
            self._settle()
        return begun

    def made(
        self, name: str, source: Path, env: Mapping[str, str] | None = None, *, beside: Iterable[Path] = ()
    ) -> Bundle:
        """A bundle as those here, not loaded yet, with variables of its own; `beside` was found with it."""
        return Bundle(
            name,
            Command(
                sys.executable,
                source,
                {**self._env, **(env or {})},
                partial(own_launch, name, source, self._environments),
                self._settings.log_line_bytes,
                self._settings.immortal,
                is_flat=is_flat(source, self._discovery.sources, beside),
                alone=Alone.started(source) if self._is_alone else None,
                heard=self._heard,
            ),
            self._settings,
            clock=self._clock,
            shortages=self._shortages,
            swept=self._swept,
            turns=self._turns,
            follows=self._follows,
            changed=self._settle,
            confinement=self._confinement,
            others=partial(self._sources_but, name),
        )

    def _foreign(self, bundle: Bundle) -> Sequence[str]:
        others = self._sources_but(bundle.name)
        return () if self._confinement is None else self._confinement.foreign(bundle.source, others)

    def _sources_but(self, name: str) -> list[Path]:
        return [bundle.source for other, bundle in self._bundles.items() if other != name]

    def _has_gone(self, name: str, what: str, is_missing: bool, now: bool) -> bool:
        """Whether something has been missing for long enough to say so."""
        if not is_missing:
            self._gone_since.pop((name, what), None)
            return False
        since = self._gone_since.setdefault((name, what), self._clock.now())
        return now or self._clock.now() - since >= GONE_S

    def _remove(self, bundle: Bundle) -> None:
        log.info("bundle.removed", bundle=bundle.name)
        del self._bundles[bundle.name]
        self._told.pop(bundle.name, None)
        self._gone_since = {key: since for key, since in self._gone_since.items() if key[0] != bundle.name}
        self._settle()  # before anything else runs: no call may be sent to a bundle that is not there
        closing = asyncio.create_task(bundle.close(), name=f"bundle:{bundle.name}:close")
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)

    def _settle(self) -> None:
        """Decide anew which bundle serves which path: of two that want one, the one that came first."""
        claims = [
            Claim(name, str(bundle.source), tuple(e.path for e in bundle.endpoints))
            for name, bundle in self._bundles.items()
        ]
        self._owners, refused = settle(claims)
        for name, bundle in self._bundles.items():
            conflict = refused.get(name)
            if conflict is not None and bundle.conflict is None:
                log.error("bundle.refused", bundle=name, error=str(conflict))
            bundle.conflict = conflict
        self._changed()

    async def _tidy(self) -> None:
        """Remove, after a week, the environments of bundles that are gone; look once a day."""
        await asyncio.sleep(_FIRST_TIDY_S)
        while True:
            sources = {name: bundle.source for name, bundle in self._bundles.items()}
            try:
                for name in await asyncio.to_thread(self._remove_unused, sources):
                    log.info(
                        "environment.removed",
                        environment=name,
                        detail="its bundle has been gone for a week",
                        cure="If it comes back: bulkhead bundle install.",
                    )
            except Exception:
                log.exception("environment.tidying_failed")
            await asyncio.sleep(_TIDY_S)

    def _remove_unused(self, sources: Mapping[str, Path]) -> list[str]:
        used = set[Path]()
        for name, source in sources.items():
            with suppress(BundleError):
                if (environment := environment_of(name, source, self._environments)) is not None:
                    used.add(environment.folder)
        return remove_unused(self._environments.resolve(), used, self._clock.wall())

    async def _watch_installations(self) -> None:
        """Load a bundle as soon as the environment that it waited for has been made."""
        while True:
            await asyncio.sleep(_INSTALLED_S)
            for name, bundle in list(self._bundles.items()):
                if isinstance(bundle.error, EnvironmentUnusable) and bundle.under_way is None:
                    try:
                        own_launch(name, bundle.source, self._environments, self._env)
                    except EnvironmentUnusable:
                        continue
                    except Exception:
                        log.exception("bundle.installation_unusable", bundle=name)  # its load will tell why
                    bundle.load_soon()
