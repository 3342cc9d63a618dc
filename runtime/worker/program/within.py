"""What a program has in the event loop in which it came to ``service.run()``, and what no fork carries over.

A forked session has a loop of its own: tasks that were created before would never run in it, and what is
bound to the first loop (a client, a pool, a server) would wait in it for ever.  A program with such things is
not forked from; in an interpreter of its own, a session runs in the program's loop, together with them.
"""

from __future__ import annotations

import asyncio
import gc
import os
import sys
from pathlib import Path
from types import FrameType
from typing import Any, Final

from runtime.process.leftovers.holders import holder_of
from runtime.wire.control import Opened
from runtime.worker.program.outer_loop import OuterLoop

_MOST: Final = 20
_BOUND_OF_ASYNCIO: Final = (
    "Transport",
    "Server",
    "StreamReader",
    "Queue",
    "Lock",
    "Event",
    "Condition",
    "Semaphore",
)


def bound_to(outer: OuterLoop, folder: Path) -> list[Opened]:
    """What sessions would miss if they were forked from here, with its line; empty where no loop runs."""
    if outer.loop is None:
        return []
    return [*_tasks(outer), *_objects(outer.loop, folder)][:_MOST]


def _tasks(outer: OuterLoop) -> list[Opened]:
    found = []
    for task in asyncio.all_tasks(outer.loop):
        if task is outer.task or _is_main(task):
            continue
        coroutine: Any = task.get_coro()
        frame = getattr(coroutine, "cr_frame", None)
        where = "" if frame is None else f"{os.path.basename(frame.f_code.co_filename)}:{frame.f_lineno}"
        name = getattr(coroutine, "__qualname__", type(coroutine).__name__)
        found.append(Opened("task", f"the task {name}", where))
    return sorted(found, key=lambda one: one.where)


def _is_main(task: asyncio.Task[Any]) -> bool:
    """Whether the loop runs until this task is complete; it waits for us, and is ended by our end."""
    callbacks = getattr(task, "_callbacks", None) or ()
    return any(getattr(each[0], "__name__", "") == "_run_until_complete_cb" for each in callbacks)


def _objects(loop: asyncio.AbstractEventLoop, folder: Path) -> list[Opened]:
    """Objects that refer to the loop, but for what asyncio itself needs to run the program."""
    found: dict[str, Opened] = {}
    for referrer in gc.get_referrers(loop):
        for each in gc.get_referrers(referrer) if type(referrer) is dict else (referrer,):
            kind = type(each)
            if type(referrer) is dict and getattr(each, "__dict__", None) is not referrer:
                continue
            if not _may_be_used(kind):
                continue
            name = f"{kind.__module__}.{kind.__qualname__}"
            where = holder_of(lambda one, each=each: one is each, folder) or _line_in_frames(each)  # type: ignore[misc]
            found.setdefault(name, Opened("bound", f"{name}, which is bound to its event loop", where))
    return list(found.values())


def _may_be_used(kind: type[Any]) -> bool:
    home = kind.__module__.split(".")[0]
    if home == "asyncio":
        return kind.__name__.endswith(_BOUND_OF_ASYNCIO)
    return home not in ("builtins", "uvloop", "contextvars", __name__.split(".")[0])


def _line_in_frames(value: Any) -> str:
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        file = frame.f_code.co_filename
        if file == getattr(sys.modules["__main__"], "__file__", "") and any(
            each is value for each in frame.f_locals.values()
        ):
            return f"{os.path.basename(file)}:{frame.f_lineno}"
        frame = frame.f_back
    return ""
