"""What is being done for callers: each call is a task, which ends by itself, with its caller or its host."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from runtime.wire.content import CODE_FAILED, CODE_LOADED_AGAIN, ErrorContent
from runtime.wire.room import Message

_log = logging.getLogger("calls")


class Ongoing:
    """The calls of one host.  Used by: its event loop.

    Args:
        host: Who does the work, as callers are told of it.

    Attributes:
        is_loaded_again: The host ends because its program was loaded again; nothing more is begun.
    """

    def __init__(self, host: Callable[[], str]) -> None:
        self._host = host
        self._tasks: dict[asyncio.Task[None], str] = {}
        self.is_loaded_again = False

    def __len__(self) -> int:
        return len(self._tasks)

    def refusal(self, most_count: int) -> ErrorContent | None:
        """Why one more call is not begun; None where it may be."""
        if self.is_loaded_again:
            return self._loaded_again("was loaded again")
        if len(self._tasks) >= most_count:
            return ErrorContent(f"{self._host()} is busy: try again later", CODE_FAILED)
        return None

    def begin(self, call_id: object, work: Coroutine[Any, Any, None], *, name: str) -> None:
        """Do it; `call_id` is by what `cancelled` knows it."""
        task = asyncio.create_task(work, name=name)
        self._tasks[task] = str(call_id)
        task.add_done_callback(lambda done: self._tasks.pop(done, None))

    def cancelled(self, push: Message) -> None:
        """The room says that nobody waits for the answer of a call any more."""
        call_id = str(push.header.get("task_id") or push.header.get("tool_call_id") or "")
        for task, its_id in list(self._tasks.items()):
            if call_id and its_id == call_id:
                _log.info("%s ends %s: %s", self._host(), task.get_name(), push.header.get("reason"))
                task.cancel()

    async def finish(self, *, within_s: float) -> None:
        """Begin nothing more, as the program was loaded again; return when all is done, or it is late."""
        self.is_loaded_again = True
        if self._tasks and within_s > 0:
            told = "%s was loaded again: %g s to finish what runs (%d)"
            _log.info(told, self._host(), within_s, len(self._tasks))
            await asyncio.wait(self._tasks, timeout=within_s)

    async def end(self) -> None:
        """Cancel what still runs; its callers are told by `failure`."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def failure(self, error: BaseException) -> ErrorContent:
        """What somebody who waits for the work is told of the exception that ended it."""
        if isinstance(error, asyncio.CancelledError) and must_go_on(error):
            if self.is_loaded_again:
                return self._loaded_again("was loaded again before this was done")
            return ErrorContent(f"{self._host()} left the room", CODE_FAILED)
        if isinstance(error, asyncio.CancelledError):
            return ErrorContent("the work was cancelled by its own code", CODE_FAILED)
        if isinstance(error, SystemExit | KeyboardInterrupt):
            return ErrorContent(f"{self._host()} ended its process: {type(error).__name__}", CODE_FAILED)
        return ErrorContent(str(error) or type(error).__name__, CODE_FAILED)

    def _loaded_again(self, what: str) -> ErrorContent:
        return ErrorContent(f"{self._host()} {what}: ask again", CODE_LOADED_AGAIN)


def must_go_on(error: BaseException) -> bool:
    """Whether an exception means more than the work that raised it: the end of its task or of the process."""
    if isinstance(error, asyncio.CancelledError):
        task = asyncio.current_task()
        return task is not None and task.cancelling() > 0
    return isinstance(error, SystemExit | KeyboardInterrupt | GeneratorExit)
