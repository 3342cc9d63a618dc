"""What runs beside its owner: kept until it is done, told of in the log where it fails."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Protocol, TypeVar

T = TypeVar("T")


class Log(Protocol):
    """What failures are told to; a logger of `runtime.logs` is one."""

    def error(self, event: str, **said: Any) -> Any:
        """Write an event down."""


class Tasks:
    """Tasks of one owner.  Runs in: the owner's event loop.

    Args:
        failed: What is logged of one that raised, such as ``bundle.task_failed``; the error goes no further.
    """

    def __init__(self, log: Log, failed: str) -> None:
        self._log, self._failed = log, failed
        self._running: set[asyncio.Task[Any]] = set()

    def __len__(self) -> int:
        """How many run."""
        return len(self._running)

    def spawn(self, work: Coroutine[Any, Any, T], name: str) -> asyncio.Task[T]:
        """Run it beside whoever calls."""
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._running.add(task)
        task.add_done_callback(self._done)
        return task

    def repeat(self, step: Callable[[], Awaitable[None]], every_s: float, name: str) -> None:
        """Do a step again and again; one that raised is told of, and followed by the next."""

        async def work() -> None:
            while True:
                try:
                    await step()
                except Exception as error:  # noqa: BLE001 - the others still have to be done
                    self._log.error(self._failed, task=name, exc_info=error)
                await asyncio.sleep(every_s)

        self.spawn(work(), name)

    def cancel(self, *names: str) -> None:
        """Those of these names; all, without one."""
        for task in self._running:
            if not names or task.get_name() in names:
                task.cancel()

    async def aclose(self) -> None:
        """Cancel what runs, and return once nothing does."""
        self.cancel()
        await self.settle()

    async def settle(self) -> None:
        """Return once what runs now is done."""
        await asyncio.gather(*self._running, return_exceptions=True)

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._log.error(self._failed, task=task.get_name(), exc_info=error)


async def cancelled(task: asyncio.Task[Any]) -> None:
    """Cancel a task, and return once it is over, however it ended."""
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def or_undone(working: asyncio.Future[T], undo: Callable[[T], object]) -> T:
    """What comes of work that cannot be broken off, as in a thread; undone once it is there if nobody waits.

    Args:
        undo: Called in the event loop; what has come of it is its argument.
    """

    def done(over: asyncio.Future[T]) -> None:
        if not over.cancelled() and over.exception() is None:
            undo(over.result())

    try:
        return await asyncio.shield(working)
    except asyncio.CancelledError:
        working.add_done_callback(done)
        raise


async def finished(work: Coroutine[Any, Any, T]) -> T:
    """Do something to its end; who is cancelled meanwhile is so after it."""
    task = asyncio.create_task(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.gather(task, return_exceptions=True)
        raise
