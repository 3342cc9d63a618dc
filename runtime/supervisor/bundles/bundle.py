"""One bundle: its program, its generations, and what is wrong with it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import structlog

from runtime.clock import Clock
from runtime.errors import BundleImportFailed, RuntimeServiceError
from runtime.process.logpipe import LogPipe
from runtime.process.worker_process import WorkerProcess
from runtime.process.zygote_client import Command, ZygoteClient
from runtime.session.crash import Code, LoadedCode
from runtime.session.info import BundleInfo
from runtime.session.restart import Backoff
from runtime.settings import SupervisorSettings
from runtime.supervisor.bundles.worker_pool import WorkerPool
from runtime.wire.control import Described, EndpointDecl

log = structlog.get_logger("supervisor")


class Bundle:
    """A program that is loaded, loaded again when it changes, and never takes the others down.

    While a generation serves, a broken newer one is only reported.  Runs in: the front's event loop.

    Args:
        changed: Called after each load, and when the zygote was lost.
    """

    def __init__(
        self,
        name: str,
        command: Command,
        settings: SupervisorSettings,
        *,
        clock: Clock,
        changed: Callable[[], None],
    ) -> None:
        self.name = name
        self.generation = 0
        self.endpoints: tuple[EndpointDecl, ...] = ()
        self.error: RuntimeServiceError | None = None
        self.conflict: RuntimeServiceError | None = None
        self.threads: tuple[str, ...] = ()
        self._command = command
        self._settings = settings
        self._clock = clock
        self._changed = changed
        self._pool: WorkerPool | None = None
        self._serving = asyncio.Event()
        self._loading = asyncio.Lock()
        self._loaded_at = 0.0
        self._code: LoadedCode | None = None
        self._backoff = Backoff()
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False
        self._log = log.bind(bundle=name)

    @property
    def source(self) -> Path:
        return self._command.source

    def info(self) -> BundleInfo:
        error = self.conflict or self.error
        state = (
            "ready" if self._pool is not None and self.conflict is None else "failed" if error else "loading"
        )
        return BundleInfo(
            name=self.name,
            source=str(self.source),
            generation=self.generation,
            state=state,
            pid=self._pool.pid if self._pool is not None else None,
            parked=self._pool.parked if self._pool is not None else 0,
            error="" if error is None else str(error),
            detail=error.detail if isinstance(error, BundleImportFailed) else "",
            threads=self.threads,
        )

    async def load(self) -> None:
        """Run the program anew; on success new sessions come from it, else the old code keeps serving."""
        async with self._loading:
            if self._closed:
                return
            started, loaded_at = self._clock.now(), self._clock.wall()
            try:
                pool, described = await self._bring_up()
            except RuntimeServiceError as error:
                self.error = error
                self._log.error(
                    "bundle.failed",
                    error=str(error),
                    source=str(self.source),
                    generation=self.generation,  # what serves meanwhile; 0: nothing
                )
            else:
                old, self._pool = self._pool, pool
                self.error = None
                self.generation += 1
                self.endpoints = tuple(described.endpoints)
                self.threads = tuple(described.threads)
                self._code = self._loaded(described, loaded_at)
                self._loaded_at = self._clock.now()
                self._serving.set()
                self._log.info(
                    "bundle.loaded",
                    generation=self.generation,
                    endpoints=[endpoint.path for endpoint in self.endpoints],
                    pid=pool.pid,
                    duration_s=round(self._loaded_at - started, 3),
                )
                pool.refill()
                if old is not None:
                    await old.close()
        self._changed()

    def _loaded(self, described: Described, at: float) -> LoadedCode:
        program = self.source / "main.py" if self.source.is_dir() else self.source
        code = Code(
            bundle=self.name,
            generation=self.generation,
            file=str(program),
            sha256=described.sha256,
            modified_at=described.modified_at,
        )
        return LoadedCode(code=code, folder=program.parent, loaded_at=at)

    async def take(self) -> tuple[WorkerProcess, bool]:
        """A worker of the newest generation; waits while the zygote is being started again."""
        await self._serving.wait()
        assert self._pool is not None
        code = self._code
        worker, parked = await self._pool.take()
        worker.code = code
        return worker, parked

    async def close(self) -> None:
        """End the zygote and what is parked; sessions live on."""
        self._closed = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        async with self._loading:
            if self._pool is not None:
                await self._pool.close()

    async def _bring_up(self) -> tuple[WorkerPool, Described]:
        read_fd, write_fd = os.pipe2(os.O_CLOEXEC)
        output = LogPipe(
            read_fd,
            lambda line: self._log.info("bundle.printed", line=line),
            max_line_bytes=self._settings.log_line_bytes,
            lines_per_s=self._settings.log_lines_per_s,
        )
        served: list[
            WorkerPool
        ] = []  # empty until the zygote's worker pool exists; a loss before that is a failed load

        def reaped() -> None:
            output.drain()
            output.close()

        try:
            zygote = ZygoteClient(
                self._command,
                log_fd=write_fd,
                on_lost=lambda: self._lost(served[0] if served else None),
                on_reaped=reaped,
            )
        except BaseException:
            output.close()
            raise
        finally:
            os.close(write_fd)
        try:
            async with asyncio.timeout(self._settings.import_s):
                described = await asyncio.shield(zygote.described)
        except BaseException as error:
            zygote.close()
            await zygote.wait(0 if isinstance(error, TimeoutError) else 2.0)
            if isinstance(error, TimeoutError):
                raise BundleImportFailed(
                    f"{self.source.name} was not imported within {self._settings.import_s:g} s",
                    cure="Move long work out of the import, or raise supervisor.import_s.",
                ) from None
            if (death := zygote.early_death()) is not None:
                raise death from None
            raise
        if described.threads:
            self._log.warning(
                "bundle.not_forkable",
                threads=described.threads,
                cure="Start threads in the agent's start, not while the file is imported.",
            )
            zygote.close()
            await zygote.wait(2.0)
            return WorkerPool(self._command, None, self._settings), described
        pool = WorkerPool(self._command, zygote, self._settings)
        served.append(pool)
        return pool, described

    def _lost(self, pool: WorkerPool | None) -> None:
        """The zygote is gone although nobody asked it to go."""
        if self._closed or pool is None or pool is not self._pool:
            return
        self._pool = None
        self._serving.clear()
        delay_s = self._backoff.after(self._clock.now() - self._loaded_at)
        self._log.error("zygote.lost", restart_in_s=delay_s)
        task = asyncio.create_task(self._restart(pool, delay_s), name=f"bundle:{self.name}:restart")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self._changed()

    async def _restart(self, lost: WorkerPool, delay_s: float) -> None:
        await lost.close()
        await asyncio.sleep(delay_s)
        await self.load()
        self._log.info("zygote.restarted", generation=self.generation)
