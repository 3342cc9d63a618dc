"""Where a program stood when it failed, as a worker writes it down: frames with locals, tasks, source.

All texts are made by the worker, bounded and without secrets; the front bounds and redacts them again,
because a worker may send what it likes.
"""

from __future__ import annotations

from typing import Final

import msgspec

_MAX_TASKS: Final = 100


class Frame(msgspec.Struct, frozen=True, omit_defaults=True):
    """One call on the stack.

    Attributes:
        own: A line of the bundle, not of a library.
        locals: Local variables as text, in the order they were made; empty where they were not taken.
        omitted: Local variables that were not taken, for their number.
    """

    file: str
    line: int
    function: str
    own: bool = False
    source: str = ""
    locals: dict[str, str] = {}
    omitted: int = 0


class TaskTrace(msgspec.Struct, frozen=True, omit_defaults=True):
    """One asyncio task that was not done.

    Attributes:
        waits_for: What its innermost frame awaits, by type; empty when it does not wait.
        frames: ``file:line in function``, outermost first.
        own: A line of the bundle is among them.
        running: It does not wait: the last line is where the process was.
    """

    name: str
    waits_for: str = ""
    frames: list[str] = []
    own: bool = False
    running: bool = False


def short_place(where: str) -> str:
    """``/a/long/way/main.py:41 in start`` -> ``main.py:41 in start``."""
    file, found, rest = where.rpartition(":")
    return f"{file.rpartition('/')[2]}{found}{rest}" if found else where


_tasks_decoder = msgspec.msgpack.Decoder(list[TaskTrace])


def tasks_to_bytes(tasks: list[TaskTrace], *, most_bytes: int) -> bytes:
    """The tasks as a worker leaves them in its box; the last ones are left out where there is no room."""
    parts, left_bytes = list[bytes](), most_bytes - 5
    for task in tasks[:_MAX_TASKS]:
        part = msgspec.msgpack.encode(task)
        left_bytes -= len(part)
        if left_bytes < 0:
            break
        parts.append(part)
    return msgspec.msgpack.encode([msgspec.Raw(part) for part in parts])


def tasks_from_bytes(raw: bytes) -> list[TaskTrace]:
    """Read what a worker left; nothing where it makes no sense."""
    try:
        return _tasks_decoder.decode(raw)[:_MAX_TASKS]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return []


class Excerpt(msgspec.Struct, frozen=True, omit_defaults=True):
    """A few lines of source around the one that counts.

    Attributes:
        first: Number of the first line in `lines`.
        marked: Number of the line that counts.
        note: Set when these may not be the lines that ran.
    """

    file: str
    first: int
    marked: int
    lines: list[str]
    note: str = ""


class Trace(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a worker knows of an exception beyond its text.

    Attributes:
        frames: Outermost first.
        omitted: Frames in the middle that were left out.
        bases: Full names of the exception's class and its bases, most special first.
        missing: The module that could not be found, when that was the reason.
        near: The file of the program whose name is most like it.
        shared: Its package is one whose parts come from several distributions.
        variable: The environment variable that was not set, when that was the reason.
        refused: What its confinement refused, when that was the reason: a rule, and a path, host or process.
        hide: Values that must not be shown; for redacting what else is known of the session, never kept.
    """

    frames: list[Frame] = []
    omitted: int = 0
    tasks: list[TaskTrace] = []
    excerpt: Excerpt | None = None
    bases: list[str] = []
    missing: str = ""
    near: str = ""
    shared: bool = False
    variable: str = ""
    refused: tuple[str, str] | None = None
    hide: list[str] = []
