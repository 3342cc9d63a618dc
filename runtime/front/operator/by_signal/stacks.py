"""Where the front's own threads and asyncio tasks are, for its log."""

from __future__ import annotations

import asyncio
import sys
import threading
import traceback
from collections import Counter
from types import FrameType
from typing import Any, Final

from runtime.logs import get_logger

MAX_KINDS: Final = 100
"""Tasks that stand at the same line are told once; of different ones, so many."""
MAX_FRAMES: Final = 20
_log = get_logger("stacks")


class Stacks:
    """All of them at one moment; taken in the loop's thread, also by a signal handler, told later.

    Args:
        loop: Whose tasks are wanted.
        at: Where the calling thread was interrupted, if it was.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, at: FrameType | None = None) -> None:
        names = {thread.ident: thread.name for thread in threading.enumerate()}
        me = threading.get_ident()
        self._threads = [
            (names.get(ident, str(ident)), _text(at if ident == me and at is not None else frame))
            for ident, frame in sys._current_frames().items()
        ]
        running = asyncio.current_task(loop)
        self._tasks: Counter[tuple[str, str]] = Counter()
        for task in asyncio.all_tasks(loop):
            mark = "running" if task is running else "\n".join(_awaits(task.get_coro()))
            self._tasks[(_kind(task), mark)] += 1

    def text(self) -> str:
        """The threads alone."""
        return "".join(f"{name}:\n{stack}\n\n" for name, stack in self._threads)

    def tell(self) -> None:
        """One line of the log for each thread, and one for each kind of task."""
        for name, stack in self._threads:
            _log.warning("front.thread", thread=name, stack=stack)
        kinds = self._tasks.most_common()
        for (name, stack), count in kinds[:MAX_KINDS]:
            _log.warning("front.task", task=name, count=count, stack=stack)
        _log.warning(
            "front.stacks_written",
            threads=len(self._threads),
            tasks=self._tasks.total(),
            left_out=sum(count for _, count in kinds[MAX_KINDS:]),
        )


def _kind(task: asyncio.Task[Any]) -> str:
    """Its coroutine's name: a thousand sessions are one kind, whatever each task is called."""
    coro: Any = task.get_coro()
    return str(getattr(coro, "__qualname__", type(coro).__name__))[:100]


def _text(frame: FrameType) -> str:
    return "".join(traceback.format_stack(frame, limit=MAX_FRAMES)).rstrip()


def _awaits(waiting: Any) -> list[str]:
    """The lines at which a suspended coroutine stands, outermost first."""
    lines: list[str] = []
    while len(lines) < MAX_FRAMES:
        frame = getattr(waiting, "cr_frame", None) or getattr(waiting, "gi_frame", None)
        if frame is None:
            break
        code = frame.f_code
        lines.append(f"{code.co_filename}:{frame.f_lineno} in {code.co_qualname}")
        waiting = getattr(waiting, "cr_await", None) or getattr(waiting, "gi_yieldfrom", None)
    return lines
