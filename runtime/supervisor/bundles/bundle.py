"""One bundle: its program, its generations, and what is wrong with it."""

from __future__ import annotations

import asyncio
import statistics
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import structlog
from msgspec.structs import replace

from runtime.clock import Clock
from runtime.confinement.upheld import Upheld
from runtime.errors import (
    BundleError,
    BundleImportFailed,
    BundleNotFound,
    RuntimeServiceError,
    ZygoteLost,
)
from runtime.process.leftovers.forkability import Fork, bounded, is_forkable, sentence_for
from runtime.process.program.command import Command
from runtime.process.program.import_error import MEND
from runtime.process.worker_process import WorkerProcess
from runtime.session.crash import LoadedCode
from runtime.session.info import BundleInfo
from runtime.session.limit_layers import SourcedLimits
from runtime.session.restart import Backoff
from runtime.settings import SupervisorSettings
from runtime.supervisor.bundles.bundle_file import file_of
from runtime.supervisor.bundles.bundle_limits import limits_of
from runtime.supervisor.bundles.code_files import CodeFiles, LaterFiles
from runtime.supervisor.bundles.confined.bundle_confinement import Confinement
from runtime.supervisor.bundles.confined.declared import Declared
from runtime.supervisor.bundles.confined.held import Held
from runtime.supervisor.bundles.import_turns import ImportTurns, Turn
from runtime.supervisor.bundles.load_attempt import LoadAttempt
from runtime.supervisor.bundles.worker_pool import WorkerPool, worker_within
from runtime.supervisor.failures import Phase, Then, Tries, then
from runtime.supervisor.shortages import Shortages
from runtime.tasks import Tasks
from runtime.wire.control import EndpointDecl, Opened

log = structlog.get_logger("supervisor")

_STARTS = 20
"""As many of the latest starts are looked at."""


class Bundle:
    """A program that is loaded, loaded again when it changes, and never takes the others down.

    While a generation serves, a broken newer one is only reported.  Runs in: the front's event loop.

    Args:
        shortages: Told of what the system had no more of.
        swept: Awaited when a process of it has ended; kills what that left behind.
        turns: Shared by all bundles: how many are imported at once.
        follows: Whether a save is noticed, so that this may be promised.
        changed: Called after each load, and when the zygote was lost.
        confinement: Decides what it may reach; None holds nothing back.
        others: The sources of the other bundles, now.

    Attributes:
        files: What its code consists of, as far as it was told.
        limits: Those of the file that lies with it.
        held: What the generation that serves may reach.
        upheld: By what it is held; None where nothing is.
        is_due: It is to be loaded and will read its files then; to look for changes in them is of no use.
    """

    def __init__(
        self,
        name: str,
        command: Command,
        settings: SupervisorSettings,
        *,
        clock: Clock,
        shortages: Shortages,
        swept: Callable[[], Awaitable[None]],
        turns: ImportTurns,
        follows: bool,
        changed: Callable[[], None],
        confinement: Confinement | None = None,
        others: Callable[[], Sequence[Path]] = tuple,
    ) -> None:
        self.name = name
        self.generation = 0
        self.endpoints: tuple[EndpointDecl, ...] = ()
        self.error: RuntimeServiceError | None = None
        self.conflict: RuntimeServiceError | None = None
        self.opened: tuple[Opened, ...] = ()
        self.fork = Fork.AUTO
        self.files = CodeFiles(command.source)
        self.limits = SourcedLimits()
        self.held = Held()
        self.upheld: Upheld | None = None
        self._confinement = confinement
        self._others = others
        self._declared: Declared = {}
        self._command = command
        self._settings = settings
        self._clock = clock
        self._turns = turns
        self._follows = follows
        self._changed = changed
        self._pool: WorkerPool | None = None
        self._serving = asyncio.Event()
        self._loading = asyncio.Lock()
        self._loaded_at = 0.0
        self._code: LoadedCode | None = None
        self._shortages = shortages
        self._swept = swept
        self._backoff = Backoff()
        self._tries, self._told = Tries(), ""
        self._log = log.bind(bundle=name)
        self._tasks = Tasks(self._log, "bundle.task_failed")
        self._starts_ms: deque[float] = deque(maxlen=_STARTS)
        self._load: asyncio.Task[None] | None = None
        self._later = LaterFiles(self.files, lambda adding: self._spawn(adding, "imported"))
        self.is_due = False
        self._away: BundleError | None = None
        self._closed = False

    @property
    def source(self) -> Path:
        return self._command.source

    @property
    def is_loading(self) -> bool:
        """It does not serve yet, and nothing is known to keep it from doing so."""
        return self._pool is None and self.error is None and self.conflict is None

    @property
    def under_way(self) -> asyncio.Task[None] | None:
        """The load that is asked for and not over."""
        return None if self._load is None or self._load.done() else self._load

    @property
    def is_coming_up(self) -> bool:
        """Its program is being run."""
        return self.under_way is not None and not self.is_due

    def condition(self) -> tuple[str, Exception | None]:
        """Its state, and what is wrong; each call asks for it."""
        error = self.conflict or self.error or self._away
        is_ready = self._pool is not None and self.conflict is None
        return "ready" if is_ready else "failed" if error else "loading", error

    def info(self) -> BundleInfo:
        state, error = self.condition()
        return BundleInfo(
            name=self.name,
            source=str(self.source),
            generation=self.generation,
            state=state,
            pid=self._pool.pid if self._pool is not None else None,
            parked=self._pool.parked if self._pool is not None else 0,
            error="" if error is None else str(error),
            detail=error.detail if isinstance(error, BundleImportFailed) else "",
            threads=tuple(one.name for one in self.opened if one.kind == "thread"),
            fork=self.fork,
            is_forked=is_forkable(self.fork, self.opened),
            opened=tuple(map(sentence_for, self.opened)),
            start_ms=statistics.median(self._starts_ms) if self._starts_ms else None,
            digest=self.files.digest,
        )

    def load_soon(self) -> asyncio.Task[None]:
        """Load it in the background.  A load that is under way is given up: it is of older code."""
        if self._load is not None:
            self._load.cancel()
        self.is_due = True
        self._load = self._spawn(self.load(), "load")
        return self._load

    async def load(self) -> None:
        """Run the program anew; on success new sessions come from it, else the old code keeps serving."""
        async with self._loading:
            if self._closed:
                return
            async with self._turns.turn() as turn:
                await self._load_now(turn)
        self._changed()

    async def _load_now(self, turn: Turn) -> None:
        started, loaded_at = self._clock.now(), self._clock.wall()
        attempt = LoadAttempt(
            self._command, self._settings, shortages=self._shortages, lost=self._lost, log=self._log
        )
        attempt.declared = self._declared
        try:
            await asyncio.to_thread(self.files.begin)
            self.is_due = False
            self.limits = await asyncio.to_thread(limits_of, self.source)
            others = list(self._others())
            pool, described, held = await attempt.run_held(turn, self._confinement, others)
        except Exception as error:  # noqa: BLE001 - no failure may leave it "loading" for ever
            self.is_due, self._declared = False, attempt.declared
            self._failed(error)
            await self._noted(attempt.imported, serves=False)
            await self._swept()
            return
        self._tries.succeeded()
        self._told, self._declared = "", attempt.declared
        old, self._pool = self._pool, pool
        self.held, self.upheld, self.fork = held, attempt.upheld, attempt.fork
        self._tell_upheld()
        self.error = self._away = None
        self.generation += 1
        self.endpoints = tuple(described.endpoints)
        self.opened = bounded(described.opened)
        self._code = attempt.code(self.name, self.generation, self.files.program, described, loaded_at)
        self._loaded_at = self._clock.now()
        self._serving.set()
        self._log.info(
            "bundle.loaded",
            code_generation=self.generation,
            endpoints=[endpoint.path for endpoint in self.endpoints],
            pid=pool.pid,
            duration_s=round(self._loaded_at - started, 3),
        )
        pool.refill()
        if old is not None:
            self._spawn(old.close(), "close")
        await self._noted(attempt.imported, serves=True)

    async def _noted(self, imported: list[str], *, serves: bool) -> None:
        """Have its files followed."""
        try:
            await asyncio.to_thread(self.files.told, imported, serves=serves)
        except RuntimeError as error:  # the system has no thread for that
            self._shortages.in_the_way(error)
            self.files.told(imported, serves=serves)

    def _tell_upheld(self) -> None:
        """Once for a server, and again where something else is found."""
        if self.upheld is None or self._confinement is None or not self._confinement.is_news(self.upheld):
            return
        level = str(self.held.bundle.level)
        rules = self.upheld.shown()
        if self.upheld.missing:
            self._log.warning(
                "confinement.degraded",
                confinement=level,
                **rules,
                detail="what is missing is open to every session",
                cure="Use a newer kernel or container engine, or see the guide of confinement.",
            )
        else:
            self._log.info("confinement.enforced", confinement=level, **rules)

    def _failed(self, error: Exception) -> None:
        """Say why it was not loaded, and see to what follows from that."""
        phase = Phase.NEWER if self._pool is not None else Phase.LOST if self.generation else Phase.FIRST
        self._shortages.in_the_way(error)
        delay_s = None
        if then(error, phase) is Then.AGAIN:
            delay_s = self._tries.failed(error)
            self._spawn(self._again(delay_s), "again")
        foreseen = isinstance(error, RuntimeServiceError)
        if isinstance(error, RuntimeServiceError):
            self.error = error
        else:
            self.error = BundleError(
                f"{self.source.name} cannot be loaded: {type(error).__name__}: {str(error)[:500]}",
                cure=f"Look at its {file_of(self.source).name}; the server's log has the traceback.",
            )
        if self.error.cure == MEND and not self._follows:
            self.error.cure = "Mend that line, and start it again."
        if (told := str(self.error)) == self._told:  # once is enough for the same mistake
            self._log.info("bundle.still_failed", again_in_s=delay_s)
            return
        self._told = told
        self._log.error(
            "bundle.failed",
            error=told,
            source=str(self.source),
            code_generation=self.generation,  # what serves meanwhile; 0: nothing
            again_in_s=delay_s,
            **({} if foreseen else {"exc_info": error}),
        )

    async def _again(self, delay_s: float) -> None:
        """Load it once more, unless somebody else does so first."""
        failed = self.error
        await asyncio.sleep(delay_s)
        if self.error is failed and self.under_way is None:
            self.load_soon()

    def restored(self) -> None:
        """Its files are again those that serve: a mistake in an edit was undone."""
        self.files.restore()
        self.error, self._told = None, ""
        self._log.info("bundle.restored", code_generation=self.generation)
        self._changed()

    def program_away(self, is_away: bool) -> None:
        """Its program has not been there for a while; or it is there again, which nobody needs to be told."""
        if is_away == (self._away is not None):
            return
        self._away = None
        if is_away:
            program = self.files.program
            self._away = BundleError(
                f"{program} is gone; the code that was loaded from it serves on",
                cure="Put it back, or stop the server.",
            )
            self._log.warning("bundle.program_gone", source=str(program), code_generation=self.generation)
        self._changed()

    async def take(self, endpoint: str) -> tuple[WorkerProcess, bool]:
        """A worker of the newest generation.

        Waits while the zygote is being started again, and for what the system lacks, for `start_s` in all.

        Raises:
            RuntimeServiceError: What was in the way until then.
        """
        get = partial(self._taken, endpoint)
        return await worker_within(self._settings.start_s, get, self._shortages, self._not_served)

    async def _taken(self, endpoint: str) -> tuple[WorkerProcess, bool]:
        await self._serving.wait()
        if (pool := self._pool) is None or self._closed:
            raise BundleNotFound(f"the bundle {self.name} was removed")
        code, held, upheld, generation = self._code, self.held, self.upheld, self.generation
        try:
            worker, parked = await pool.take(endpoint)
        except ZygoteLost:
            self._lost(pool)
            raise
        worker.code = code
        worker.policy, worker.ground = held.of(endpoint), held.ground
        if upheld is not None:
            missing = (*upheld.missing, *((held.no_user,) if held.no_user else ()))
            worker.upheld = replace(upheld, uid=worker.user, missing=missing).shown()
        worker.on_imported = partial(self._imported_later, generation)
        return worker, parked

    def _not_served(self) -> RuntimeServiceError | None:
        """Why there is nobody to fork from; None when there is."""
        if self._pool is not None:
            return None
        told, cure = (f": {self.error.message}", self.error.cure) if self.error is not None else ("", "")
        return ZygoteLost(f"its program did not come up within {self._settings.start_s:g} s{told}", cure=cure)

    def _imported_later(self, generation: int, paths: list[str]) -> None:
        """A session imported more of the code; what one of older code does is of no concern any more."""
        if generation == self.generation and not self._closed:
            self._later.take(paths)

    def ready_after(self, start_ms: float) -> None:
        """A session of it became ready so long after its call."""
        self._starts_ms.append(start_ms)

    async def close(self) -> None:
        """End the zygote and what is parked; sessions live on."""
        self._closed = True
        self._tasks.cancel(*(f"bundle:{self.name}:{what}" for what in ("load", "restart", "again")))
        await self._tasks.settle()
        async with self._loading:
            self._serving.set()  # for those who wait for a worker that will not come
            if self._pool is not None:
                await self._pool.close()

    def _lost(self, pool: WorkerPool | None) -> None:
        """The zygote is gone although nobody asked it to go."""
        if self._closed or pool is None or pool is not self._pool:
            return
        self._pool = None
        self._serving.clear()
        delay_s = self._backoff.after(self._clock.now() - self._loaded_at)
        self._log.error("zygote.lost", restart_in_s=delay_s)
        closing = self._spawn(pool.close(), "close")
        self._spawn(self._restart(closing, delay_s), "restart")
        self._changed()

    async def _restart(self, closing: asyncio.Task[None], delay_s: float) -> None:
        await asyncio.wait([closing])  # which goes on where this is given up: a process is to be reaped
        await asyncio.sleep(delay_s)
        await self.load()
        if self._pool is not None:  # else it was said why, and is tried again
            self._log.info("zygote.restarted", code_generation=self.generation)

    def _spawn(self, work: Coroutine[Any, Any, None], what: str) -> asyncio.Task[None]:
        return self._tasks.spawn(work, f"bundle:{self.name}:{what}")
