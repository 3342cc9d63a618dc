"""An exception of user code, put so that its author recognises it: their line first, ours left out.

Nothing here may fail or take long because of the agent.  Its ``__repr__`` is never called; the ``__str__``
of its exception is, for there is no other way to the message, and is given half a second.
"""

from __future__ import annotations

import functools
import linecache
import os
import signal
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, Final, TypeVar

import msgspec
from msgspec import structs

from runtime.session.redaction import Redactor, secrets_in
from runtime.wire import control
from runtime.wire.text import utf8_text
from runtime.wire.trace import Excerpt, Frame, TaskTrace, Trace
from runtime.worker.locals import locals_of, secrets_of
from runtime.worker.program.imported import missing_module, near_module
from runtime.worker.refused import causes

MAX_MESSAGE_BYTES: Final = 56 << 10
"""Of a whole report on the pipe: below the smallest limit that a front may set for a frame."""
_MAX_MESSAGE_CHARS: Final = 2_000
_MAX_TRACEBACK_CHARS: Final = 24_000
_MAX_FRAMES: Final = 20
_MAX_LOCALS_CHARS: Final = 24_000
_MAX_HIDDEN: Final = 100
_MAX_HIDDEN_CHARS: Final = 8_000
_MAX_LINE_CHARS: Final = 200
_AROUND: Final = 5
_USER_CODE_S: Final = 0.5
Report = TypeVar("Report", control.Failed, control.Exiting)
_NOT_THEIRS: Final = (str(Path(__file__).resolve().parent.parent), "<frozen ")
_OS_FILES: Final = ("<frozen os>", os.__file__)


class Described(msgspec.Struct, frozen=True):
    """What to tell about an exception; every text is bounded and without secrets.

    Attributes:
        where: ``file:line in function`` of the innermost line below the bundle's folder; when there is
            none, of the innermost line outside Bulkhead; empty when there is no line at all.
    """

    kind: str
    message: str
    where: str
    traceback: str
    trace: Trace


def describe(error: BaseException, folder: Path, tasks: list[TaskTrace] | None = None) -> Described:
    """Describe an exception raised while code of the bundle in `folder` ran.

    Args:
        tasks: The asyncio tasks at that moment, when there was a loop.
    """
    live = [
        (frame, line)
        for frame, line in traceback.walk_tb(error.__traceback__)
        if not frame.f_code.co_filename.startswith(_NOT_THEIRS)
    ]
    # What comes before the agent's first line is the event loop's turning.
    skip = next((n for n, (frame, _) in enumerate(live) if _is_below(frame.f_code.co_filename, folder)), 0)
    live = live[skip:]
    redactor = Redactor(secrets_in(os.environ))
    for frame, _ in live[-_MAX_FRAMES:]:
        redactor.learn(secrets_of(frame))
    frames = _frames(live, folder, redactor)
    theirs = traceback.StackSummary.from_list(
        [f for f in traceback.extract_tb(error.__traceback__) if not f.filename.startswith(_NOT_THEIRS)][
            skip:
        ]
    )
    if isinstance(error, SyntaxError) and error.filename:
        file, line, where = error.filename, error.lineno or 1, f"{error.filename}:{error.lineno}"
    else:
        chosen = next((frame for frame in reversed(frames) if frame.own), frames[-1] if frames else None)
        file, line = (chosen.file, chosen.line) if chosen else ("", 0)
        where = f"{file}:{line} in {chosen.function}" if chosen else ""
    missing, shared = missing_module(error, folder) if isinstance(error, ImportError) else ("", False)
    return Described(
        kind=utf8_text(type(error).__name__),
        message=utf8_text(redactor.text(_text(error)[: 2 * _MAX_MESSAGE_CHARS])[:_MAX_MESSAGE_CHARS]),
        where=utf8_text(where),
        # Cut, redact, cut again: what the first cut may have split in two is gone with the second.
        traceback=utf8_text(_cut_middle(redactor.text(_cut_middle(_formatted(error, theirs), 4)), 1)),
        trace=_sendable(
            Trace(
                frames=frames,
                omitted=max(0, len(live) - len(frames)),
                tasks=tasks or [],
                excerpt=_excerpt(file, line, redactor),
                bases=[f"{cls.__module__}.{cls.__qualname__}"[:200] for cls in type(error).__mro__[:8]],
                missing=missing,
                near=near_module(missing, folder)[:200] if missing else "",
                shared=shared,
                variable=_variable(error),
                refused=_refused(error),
                hide=_hidden(redactor),
            )
        ),
    )


def _sendable(trace: Trace) -> Trace:
    """With each lone surrogate replaced: file names and what is read of the world bring them in."""
    try:
        msgspec.msgpack.encode(trace)
    except UnicodeEncodeError:
        return msgspec.convert(_utf8(msgspec.to_builtins(trace)), Trace)
    return trace


def _utf8(value: Any) -> Any:
    match value:
        case str():
            return utf8_text(value)
        case list():
            return [_utf8(one) for one in value]
        case dict():
            return {_utf8(key): _utf8(one) for key, one in value.items()}
        case _:
            return value


def fitting(message: Report) -> Report:
    """The message, if need be without its longest parts: no front refuses a frame of this size."""
    trace = message.trace or Trace()
    without_locals = [structs.replace(frame, locals={}) for frame in trace.frames]
    smaller: tuple[dict[str, Any], ...] = (
        {},
        {"trace": structs.replace(trace, tasks=[])},
        {"trace": structs.replace(trace, tasks=[], frames=without_locals)},
        {"trace": structs.replace(trace, tasks=[], frames=[], excerpt=None)},
        {"trace": None, "traceback": message.traceback[-4_000:], "message": message.message[:500]},
    )
    for changes in smaller:
        made = structs.replace(message, **changes)
        if len(control.encode(made)) <= MAX_MESSAGE_BYTES:
            return made
    return structs.replace(message, trace=None, traceback="", message="", where="")


def _frames(live: list[tuple[FrameType, int]], folder: Path, redactor: Redactor) -> list[Frame]:
    """The outermost and the innermost calls; with the locals of the bundle's own, from the inside out."""
    kept = live if len(live) <= _MAX_FRAMES else [*live[:5], *live[5 - _MAX_FRAMES :]]
    made: list[Frame] = []
    left_chars = _MAX_LOCALS_CHARS
    for number, (frame, line) in enumerate(reversed(kept)):
        code = frame.f_code
        own = _is_below(code.co_filename, folder)
        shown, omitted = locals_of(frame, redactor) if (own or number == 0) and left_chars > 0 else ({}, 0)
        left_chars -= sum(len(name) + len(value) for name, value in shown.items())
        source = linecache.getline(code.co_filename, line).strip()[:_MAX_LINE_CHARS]
        made.append(
            Frame(
                file=code.co_filename[:500],
                line=line,
                function=code.co_name[:200],
                own=own,
                source=redactor.text(source),
                locals=shown,
                omitted=omitted,
            )
        )
    return made[::-1]


def _excerpt(file: str, line: int, redactor: Redactor) -> Excerpt | None:
    lines = linecache.getlines(file) if file else []
    if not 1 <= line <= len(lines):
        return None
    first = max(1, line - _AROUND)
    shown = [redactor.text(text.rstrip("\n"))[:_MAX_LINE_CHARS] for text in lines[first - 1 : line + _AROUND]]
    return Excerpt(file=file[:500], first=first, marked=line, lines=shown)


def _hidden(redactor: Redactor) -> list[str]:
    """What the front must hide, too; shorter ones first, so that many find room."""
    found, left_chars = list[str](), _MAX_HIDDEN_CHARS
    for value in reversed(redactor.values):
        left_chars -= len(value)
        if left_chars < 0 or len(found) >= _MAX_HIDDEN:
            break
        found.append(value)
    return found


def _variable(error: BaseException) -> str:
    """``os.environ["NAME"]`` without such a variable: its name."""
    last = error.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    if not isinstance(error, KeyError) or last is None or last.tb_frame.f_code.co_filename not in _OS_FILES:
        return ""
    name = error.args[0] if error.args else ""
    return name[:100] if type(name) is str else ""


def _refused(error: BaseException) -> tuple[str, str] | None:
    found = causes.behind(error)
    return None if found is None else (found.rule, utf8_text(found.what))


def _formatted(error: BaseException, theirs: traceback.StackSummary) -> str:
    try:
        with _no_longer_than(_USER_CODE_S):
            described = traceback.TracebackException.from_exception(error, limit=50)
            described.stack = theirs
            return "".join(described.format())
    except (Exception, _TooLong):  # noqa: BLE001 - a __str__ of user code may raise anything
        shown = "".join(theirs.format())
        return f"{shown}{type(error).__name__}: (its message cannot be shown)\n"


def _text(error: BaseException) -> str:
    try:
        with _no_longer_than(_USER_CODE_S):
            return str.__str__(error.msg if isinstance(error, SyntaxError) else str(error))
    except (Exception, _TooLong):  # noqa: BLE001 - the same
        return "(its message cannot be shown)"


class _TooLong(BaseException):
    """Not an Exception, so that a handler of the agent's does not take it for one of its own."""


@contextmanager
def _no_longer_than(seconds: float) -> Iterator[None]:
    """Interrupt Python code that takes longer; only in the main thread, where workers run their loop."""

    def late(*_: object) -> None:
        raise _TooLong

    try:
        before = signal.signal(signal.SIGALRM, late)
    except ValueError:
        yield
        return
    signal.setitimer(signal.ITIMER_REAL, seconds, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _is_below(filename: str, folder: Path) -> bool:
    # A program that was started by a link finds its modules where the link leads.
    within = (f"{folder}/", f"{_real(str(folder))}/")
    return filename.startswith(within) and "/site-packages/" not in filename


_real = functools.lru_cache(maxsize=8)(os.path.realpath)


def _cut_middle(text: str, times: int) -> str:
    limit = times * _MAX_TRACEBACK_CHARS
    if len(text) <= limit:
        return text
    half = limit // 2
    return f"{text[:half]}\n  … {len(text) - limit} characters left out …\n{text[-half:]}"
