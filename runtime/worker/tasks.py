"""What every asyncio task is doing, down to the line that awaits: for the report of a failure."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import AsyncGeneratorType, CoroutineType, FrameType, GeneratorType
from typing import Any, Final

from runtime.wire.trace import TaskTrace

OURS: Final = "bulkhead:"
"""Names of our own tasks begin so where their frames do not show it."""
MAX_TASKS: Final = 40
MAX_FRAMES: Final = 12
_RUNTIME: Final = str(Path(__file__).resolve().parent.parent)


def tasks_now(folder: Path) -> list[TaskTrace]:
    """The tasks of the running loop that are not done, those of the bundle in `folder` first.

    Our own tasks, which keep a session and its connection going, are left out.
    """
    now = asyncio.current_task()
    others = [t for t in asyncio.all_tasks() if t is not now and not t.get_name().startswith(OURS)]
    found = [_trace(task, f"{folder}/") for task in others]
    shown = [task for task in found if task.own or not any(_is_ours(line) for line in task.frames)]
    shown.sort(key=lambda task: (not task.own, task.name))
    return shown[:MAX_TASKS]


def _is_ours(line: str) -> bool:
    return line.startswith(_RUNTIME) or "/site-packages/websockets/" in line


def _trace(task: asyncio.Task[Any], below: str) -> TaskTrace:
    frames, awaited = _chain(task.get_coro())
    return TaskTrace(
        name=task.get_name()[:100],
        waits_for=awaited,
        frames=[f"{f.f_code.co_filename}:{f.f_lineno} in {f.f_code.co_name}" for f in frames],
        own=any(f.f_code.co_filename.startswith(below) for f in frames),
    )


def _chain(awaited: Any) -> tuple[list[FrameType], str]:
    """The frames of a suspended coroutine, outermost first, and the type of what the innermost awaits."""
    frames: list[FrameType] = []
    while len(frames) < MAX_FRAMES:
        kind = type(awaited)
        if kind is CoroutineType:
            frame, inner = awaited.cr_frame, awaited.cr_await
        elif kind is GeneratorType:
            frame, inner = awaited.gi_frame, awaited.gi_yieldfrom
        elif kind is AsyncGeneratorType:
            frame, inner = awaited.ag_frame, awaited.ag_await
        else:
            # An awaited future is seen as the iterator over it, which says nothing of its own.
            name = "Future" if kind.__name__ == "FutureIter" else kind.__name__
            return frames, "" if awaited is None else name
        if frame is None:
            return frames, ""
        frames.append(frame)
        awaited = inner
    return frames, ""
