"""An exception of user code, put so that its author recognises it: their line first, ours left out."""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from pathlib import Path

_MAX_MESSAGE_CHARS = 2_000
_MAX_TRACEBACK_CHARS = 24_000
_RUNTIME = str(Path(__file__).resolve().parent.parent)


@dataclass(frozen=True, slots=True)
class Described:
    """What to tell about an exception; every text is bounded.

    Attributes:
        where: ``file:line in function`` of the innermost line below the bundle's folder; when there is
            none, of the innermost line outside Bulkhead; empty when there is no line at all.
    """

    kind: str
    message: str
    where: str
    traceback: str


def describe(error: BaseException, folder: Path) -> Described:
    """Describe an exception raised while code of the bundle in `folder` ran."""
    frames = traceback.extract_tb(error.__traceback__)
    theirs = _without_runtime(frames)
    where = ""
    if isinstance(error, SyntaxError) and error.filename:
        where = f"{error.filename}:{error.lineno}"
    else:
        own = [frame for frame in theirs if _is_below(frame.filename, folder)] or theirs
        if own:
            where = f"{own[-1].filename}:{own[-1].lineno} in {own[-1].name}"
    return Described(
        kind=type(error).__name__,
        message=_text(error)[:_MAX_MESSAGE_CHARS],
        where=where,
        traceback=_cut_middle(_formatted(error, theirs)),
    )


def _without_runtime(frames: traceback.StackSummary) -> list[traceback.FrameSummary]:
    """Leave out the frames of Bulkhead and of the import machinery."""
    return [f for f in frames if not f.filename.startswith((_RUNTIME, "<frozen "))]


def _formatted(error: BaseException, theirs: list[traceback.FrameSummary]) -> str:
    described = traceback.TracebackException.from_exception(error)
    described.stack = traceback.StackSummary.from_list(theirs)
    try:
        return "".join(described.format())
    except Exception:  # noqa: BLE001 - a __str__ of user code may raise; the edge of reporting it
        return f"{type(error).__name__}: (its message cannot be shown)\n"


def _text(error: BaseException) -> str:
    try:
        return error.msg if isinstance(error, SyntaxError) else str(error)
    except Exception:  # noqa: BLE001 - a __str__ of user code may raise
        return "(its message cannot be shown)"


def _is_below(filename: str, folder: Path) -> bool:
    return filename.startswith(f"{folder}/") and "/site-packages/" not in filename


def _cut_middle(text: str) -> str:
    if len(text) <= _MAX_TRACEBACK_CHARS:
        return text
    half = _MAX_TRACEBACK_CHARS // 2
    return f"{text[:half]}\n  … {len(text) - 2 * half} characters left out …\n{text[-half:]}"
