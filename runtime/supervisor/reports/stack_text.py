"""Stacks of threads and tasks as one text for people.  Bounded: a worker may send what it likes.  Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from runtime.session.redaction import Redactor
from runtime.wire.trace import TaskTrace

_MAX_TASKS: Final = 40
_MAX_FRAMES: Final = 12
_LINE_CHARS: Final = 300
_FATAL: Final = "Fatal Python error"
_NO_TASKS: Final = (
    "Its asyncio tasks are not known: its main thread did not come back to Python code, where it could be "
    "asked for them."
)


def stacks_text(stack: str, tasks: Sequence[TaskTrace] | None) -> str:
    """Tasks first, then what faulthandler wrote; says so where there was no answer about tasks (None)."""
    if tasks is None:
        return f"{_NO_TASKS}\n\n{stack}" if stack else ""
    redactor = Redactor()
    return "\n\n".join([*(_told(task, redactor) for task in tasks[:_MAX_TASKS]), stack])


def fatal_part(stack: str, *, was_asked: bool) -> str:
    """What belongs to the end: not what somebody had written some time before, out of interest."""
    _, fatal, last = stack.rpartition(_FATAL)
    if fatal:
        return f"{fatal}{last}"
    return stack if was_asked else ""


def _told(task: TaskTrace, redactor: Redactor) -> str:
    waits = f" waits for {task.waits_for}" if task.waits_for else ""
    doing = " is running" if task.running else waits
    lines = [f"  {line}" for line in task.frames[-_MAX_FRAMES:]]
    return "\n".join(line[:_LINE_CHARS] for line in [f"Task {redactor.text(task.name)}{doing}", *lines])
