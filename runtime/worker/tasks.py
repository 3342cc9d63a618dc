"""What every asyncio task is doing, down to the line that awaits: for reports, and for whoever asks."""

from __future__ import annotations

import asyncio
import signal
from contextlib import suppress
from functools import partial
from itertools import islice
from pathlib import Path
from types import AsyncGeneratorType, CoroutineType, FrameType, GeneratorType
from typing import Any, Final

from runtime.process.plumbing import INSISTING_SIGNAL, MAX_TASKS_BYTES, TASKS_SIGNAL, Box
from runtime.wire.text import utf8_text
from runtime.wire.trace import TaskTrace, tasks_to_bytes
from runtime.worker.program.sampler import Sampler
from runtime.worker.program.stacks import stacks_now

OURS: Final = "bulkhead:"
"""Names of our own tasks begin so where their frames do not show it."""
MAX_TASKS: Final = 40
MAX_FRAMES: Final = 12
_LOOKED_AT: Final = 2_000
_MAX_DEPTH: Final = 200
_RUNTIME: Final = str(Path(__file__).resolve().parent.parent)
_HOUSEKEEPING: Final = (f"{_RUNTIME}/worker/", f"{_RUNTIME}/sdk/room/")


def tasks_now(folder: Path, at: FrameType | None = None) -> list[TaskTrace]:
    """The tasks of the running loop that are not done, those of the bundle in `folder` first.

    Our own tasks, which keep a session and its connection going, are left out.

    Args:
        at: Where the program is just now; without it the current task, which asks, is left out too.
    """
    now = asyncio.current_task()
    others = [task for task in asyncio.all_tasks() if not _name(task).startswith(OURS)]
    found = [_trace(task, f"{folder}/") for task in islice(others, _LOOKED_AT) if task is not now]
    shown = [task for task in found if task.own or not any(_is_ours(line) for line in task.frames)]
    shown.sort(key=lambda task: (not task.own, task.name))
    if now is not None and at is not None:
        shown.insert(0, _running(now, at, f"{folder}/"))
    return shown[:MAX_TASKS]


def answer_in(box: Box, folder: Path) -> None:
    """Leave stacks and tasks, or a profile, in the box whenever `TASKS_SIGNAL` asks, also in a blocked loop.

    The handler runs in the main thread between two instructions, within ``time.sleep`` and waiting on
    several things (``select``), and, where the front insists, within any call of Python's that can be
    interrupted (a lock, a socket, a child); all of them go on afterwards.  In a C call that does not return
    it does not run: then there are the stacks of the threads alone.
    """

    sampler = Sampler(box, chain=_chain, is_ours=partial(_keeps_going, f"{folder}/"))

    def asked(_: int, frame: FrameType | None) -> None:
        # What is raised here is raised in the agent, wherever it stands: so nothing is.
        with suppress(Exception):
            if sampler.begin_if_asked() and not box.wants_tasks():
                return
        with suppress(Exception):
            box.write_text(stacks_now(frame))
        try:
            told = tasks_to_bytes(tasks_now(folder, frame), most_bytes=MAX_TASKS_BYTES)
        except Exception:  # noqa: BLE001 - no loop runs, or the agent's tasks are of a kind of their own
            told = tasks_to_bytes([], most_bytes=MAX_TASKS_BYTES)
        with suppress(OSError):  # an agent that closed descriptors which were not its own goes on without us
            box.tell_tasks(told)

    signal.signal(TASKS_SIGNAL, asked)
    signal.siginterrupt(TASKS_SIGNAL, False)
    signal.signal(INSISTING_SIGNAL, asked)


def _keeps_going(below: str, name: str, frames: list[FrameType]) -> bool:
    """Whether a task is our own housekeeping: what an agent's chats and tools wait for is not."""
    if name.startswith(OURS):
        return True
    if any(frame.f_code.co_filename.startswith(below) for frame in frames):
        return False
    outermost = frames[0].f_code.co_filename
    return outermost.startswith(_HOUSEKEEPING) or "/site-packages/websockets/" in outermost


def _is_ours(line: str) -> bool:
    return line.startswith(_RUNTIME) or "/site-packages/websockets/" in line


def _name(task: asyncio.Task[Any]) -> str:
    return asyncio.Task.get_name(task) if isinstance(task, asyncio.Task) else type(task).__name__


def _trace(task: asyncio.Task[Any], below: str) -> TaskTrace:
    frames, awaited = _chain(task.get_coro())
    return TaskTrace(
        name=utf8_text(_name(task)[:100]),
        waits_for=awaited,
        frames=[_line(frame) for frame in frames],
        own=any(frame.f_code.co_filename.startswith(below) for frame in frames),
    )


def _running(task: asyncio.Task[Any], at: FrameType, below: str) -> TaskTrace:
    """The current task: its frames lie on the stack, from where we are out to its coroutine's own."""
    coro = task.get_coro()
    outermost = coro.cr_frame if type(coro) is CoroutineType else None
    frames: list[FrameType] = []
    frame: FrameType | None = at
    while frame is not None and len(frames) < _MAX_DEPTH:
        frames.append(frame)
        if frame is outermost:
            break
        frame = frame.f_back
    return TaskTrace(
        name=utf8_text(_name(task)[:100]),
        frames=[_line(frame) for frame in reversed(frames[:MAX_FRAMES])],
        own=any(frame.f_code.co_filename.startswith(below) for frame in frames),
        running=True,
    )


def _line(frame: FrameType) -> str:
    code = frame.f_code
    return utf8_text(f"{code.co_filename[:300]}:{frame.f_lineno} in {code.co_name[:100]}")


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
