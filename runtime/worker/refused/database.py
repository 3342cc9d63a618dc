"""Which database an exception of SQLite is about that was opened when nobody saw the calls of a process."""

from __future__ import annotations

import os
from collections.abc import Iterator
from types import FrameType, TracebackType
from typing import Any, Final

from runtime.confinement.refusal import FILES_WRITE, Refusal
from runtime.worker.refused.calls import Calls, text_of

_ENDINGS: Final = (".db", ".db3", ".sqlite", ".sqlite3")
_MOST_FRAMES: Final = 20
_MOST_VALUES: Final = 500


def named_in(error: BaseException, calls: Calls) -> Refusal | None:
    """The one that the lines which led to it name, if it may not be written: such an exception names none."""
    for frame in _frames(error.__traceback__):
        texts = list(dict.fromkeys(filter(None, map(_text, _values(frame)))))
        # A path that is put together of its parts: the folder is one of the others, below the program's own.
        folders = [os.getcwd(), *(text for text in texts if os.path.isdir(text))]
        for text in texts:
            if text.endswith(_ENDINGS):
                for folder in reversed(folders):
                    real = os.path.realpath(os.path.join(folder, text))
                    if not calls.may_write(os.path.dirname(real)) and os.path.isdir(os.path.dirname(real)):
                        return Refusal(FILES_WRITE, real)
    return None


def _frames(last: TracebackType | None) -> list[FrameType]:
    """The innermost first."""
    found: list[FrameType] = []
    while last is not None:
        found.append(last.tb_frame)
        last = last.tb_next
    return found[: -_MOST_FRAMES - 1 : -1]


def _values(frame: FrameType) -> Iterator[Any]:
    """What its code may have made a path of."""
    code = frame.f_code
    yield from code.co_consts
    names = (*code.co_varnames, *code.co_names)[:_MOST_VALUES]
    for name in names:
        yield frame.f_locals.get(name, frame.f_globals.get(name))


def _text(value: Any) -> str:
    try:
        return text_of(value) if isinstance(value, str | os.PathLike) else ""
    except Exception:  # noqa: BLE001 - somebody's path, which is asked for its text
        return ""
