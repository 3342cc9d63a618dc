"""Where workers come from: one zygote, and a few of its children parked in their event loops.

A parked child turns the start of a session into one message.  Their number follows the demand: none while
nothing happens for long, up to the setting while sessions come; each serves one session, never a second.
"""

from __future__ import annotations

import asyncio
import signal
from collections import deque
from collections.abc import Awaitable, Callable, Mapping

import structlog

from runtime.confinement.upheld import Upheld
from runtime.errors import RuntimeServiceError, ZygoteLost
from runtime.process.confine import landlock, seccomp
from runtime.process.confine.files.entries import Entries
from runtime.process.program.command import Command
from runtime.process.worker_process import WorkerProcess
from runtime.process.zygote_client import ZygoteClient
from runtime.settings import SupervisorSettings
from runtime.supervisor.failures import Phase, Then, Tries, then
from runtime.supervisor.shortages import Shortages

log = structlog.get_logger("supervisor")

_CLOSE_S = 2.0
_REFILL_AFTER_S = 0.02
"""A fork takes a core for milliseconds: not while the session that took the last parked child comes up."""


class WorkerPool:
    """The workers of one generation of a bundle.  Runs in: the front's event loop.

    Args:
        shortages: Told of what the system had no more of, and that a process was had.
        zygote: None for a bundle that cannot be forked from; then each worker is a fresh interpreter.

    Attributes:
        apart: By path, how workers are started that are held although their bundle is not: each is a fresh
            interpreter, too.
    """

    def __init__(
        self,
        command: Command,
        zygote: ZygoteClient | None,
        settings: SupervisorSettings,
        *,
        shortages: Shortages,
    ) -> None:
        self._command = command
        self._shortages = shortages
        self._zygote = zygote
        self._settings = settings
        self._parked: deque[WorkerProcess] = deque()
        self._refilling: asyncio.Task[None] | None = None
        self._ending: set[asyncio.Task[None]] = set()
        self._closed = False
        self.apart: Mapping[str, Command] = {}

    @property
    def pid(self) -> int | None:
        return self._zygote.pid if self._zygote is not None else None

    @property
    def entries(self) -> Entries | None:
        """Folders that its processes were not granted as a whole."""
        return None if self._command.hold is None else self._command.hold.entries

    @property
    def parked(self) -> int:
        return len(self._parked)

    async def take(self, endpoint: str) -> tuple[WorkerProcess, bool]:
        """A worker for one session of an endpoint, and whether it was parked.

        Raises:
            SystemShort: The system has no more of what a process takes.
            SpawnFailed: There is no process for another reason.
            ZygoteLost: The zygote is, or goes, away.
            OSError: The system refused something else.
        """
        if (command := self.apart.get(endpoint)) is not None:
            worker = await WorkerProcess.once(command, self._settings, endpoint=endpoint)
            version = landlock.abi()
            upheld = Upheld(version, seccomp.is_there(), worker.user, tuple(landlock.missing(version)))
            worker.upheld = upheld.shown()
            self._shortages.had()
            return worker, False
        while self._parked:
            worker = self._parked.popleft()
            if not worker.process.has_exited and not worker.pipe_ended:
                self.refill()
                return worker, True
            self._discard(worker)
        if self._zygote is None:
            worker = await WorkerProcess.once(self._command, self._settings, endpoint=endpoint)
        else:
            worker = await WorkerProcess.fork(self._zygote, self._settings)
            self.refill()
        self._shortages.had()
        return worker, False

    def refill(self) -> None:
        """Park more children in the background, one at a time."""
        if self._closed or self._zygote is None:
            return
        if self._refilling is None or self._refilling.done():
            self._refilling = asyncio.create_task(self._refill(self._zygote), name="worker_pool:refill")

    async def close(self) -> None:
        """End the zygote and the parked children; sessions live on."""
        self._closed = True
        # Whoever is being forked is waited for: a session of the code that was just replaced, or a child that
        # nobody would know of.
        if self._zygote is not None:
            await self._zygote.forked(_CLOSE_S)
        if (refilling := self._refilling) is not None:
            await asyncio.wait([refilling], timeout=_CLOSE_S)
            refilling.cancel()
            await asyncio.gather(refilling, return_exceptions=True)
        while self._parked:
            self._discard(self._parked.popleft())
        if self._zygote is not None:
            self._zygote.close()
            await self._zygote.wait(_CLOSE_S)
        await asyncio.gather(*self._ending, return_exceptions=True)
        for command in (self._command, *self.apart.values()):
            if command.hold is not None:
                command.hold.close()
                await command.hold.private.gone(_CLOSE_S)

    async def _refill(self, zygote: ZygoteClient) -> None:
        await asyncio.sleep(_REFILL_AFTER_S)
        tries, told = Tries(), ""
        while not self._closed and len(self._parked) < self._settings.max_parked:
            try:
                self._parked.append(await WorkerProcess.fork(zygote, self._settings, parked=True))
                self._shortages.had()
                tries.succeeded()
            except Exception as error:  # noqa: BLE001 - whatever it is: `failures` has what follows
                if then(error, Phase.PARK) is Then.LEAVE:
                    return
                self._shortages.in_the_way(error)
                if str(error) != told:
                    log.warning("worker_pool.refill_failed", error=(told := str(error)))
                await asyncio.sleep(tries.failed(error))

    def _discard(self, worker: WorkerProcess) -> None:
        task = asyncio.create_task(_end(worker), name="worker_pool:discard")
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)


async def worker_within(
    seconds: float,
    get: Callable[[], Awaitable[tuple[WorkerProcess, bool]]],
    shortages: Shortages,
    not_served: Callable[[], RuntimeServiceError | None],
) -> tuple[WorkerProcess, bool]:
    """A worker, as soon as nothing is in the way that passes (see `failures`).

    Args:
        get: Has one from whoever serves now, or waits for that.
        not_served: Why nobody serves when the time is over; None when somebody does.

    Raises:
        RuntimeServiceError: What was in the way.
    """
    waits: RuntimeServiceError = ZygoteLost(f"no process came within {seconds:g} s")
    tries = Tries()
    try:
        async with asyncio.timeout(seconds):
            while True:
                try:
                    return await get()
                except Exception as error:
                    waits = shortages.in_the_way(error)
                    match then(error, Phase.START):
                        case Then.AGAIN:
                            await asyncio.sleep(tries.failed(error))
                        case Then.NEXT:
                            await asyncio.sleep(0)
                        case _:
                            raise waits from error
    except TimeoutError:
        raise (not_served() or waits) from None


async def _end(worker: WorkerProcess) -> None:
    """A parked child has run nothing of the agent's: there is nothing to ask it for."""
    worker.signal_tree(signal.SIGKILL)
    await worker.exited()
    worker.close()
