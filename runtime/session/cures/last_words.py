"""What a program's last lines say of why it ended: an exception, a variable that it misses.  Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from runtime.session.record import Failure

_MISSING: Final = (
    re.compile(r"KeyError: '([A-Z][A-Z0-9_]+)'"),
    re.compile(r"environment variable[ :'\"]+([A-Z][A-Z0-9_]+)"),
    re.compile(r"\b([A-Z][A-Z0-9_]{2,}) (?:is not set|is missing|is required|environment variable)"),
)
_TRACEBACK: Final = "Traceback (most recent call last):"
_FRAME: Final = re.compile(r'  File "([^"]+)", line (\d+), in (.+)')
_EXCEPTION: Final = re.compile(r"([A-Za-z_][\w.]*)(?:: (.*))?")
_INSTALLED: Final = re.compile(r"/(?:lib/python3[^/]*|site-packages)/")
_MAX_CHARS: Final = 24_000


def missing_variable(lines: Sequence[str]) -> str:
    """The variable that a program says it misses; empty for none."""
    for line in reversed(lines):
        for pattern in _MISSING:
            if (found := pattern.search(line)) is not None:
                return found[1]
    return ""


def cure_of_missing(variable: str, service: str = "NAME") -> str:
    """How a service is given it."""
    return (
        f"It misses {variable}: bulkhead secret set {variable}, then bulkhead service update {service} "
        f"--secret {variable}; or --env {variable}=TEXT."
    )


def exception_in(lines: Sequence[str]) -> Failure | None:
    """What ended a program of Python, by the traceback that it printed last; None where there is none."""
    starts = [number for number, line in enumerate(lines) if line.startswith(_TRACEBACK)]
    if not starts:
        return None
    frames: list[str] = []
    for end, line in enumerate(lines[starts[-1] + 1 :], starts[-1] + 1):
        if (frame := _FRAME.match(line)) is not None:
            frames.append(f"{frame[1]}:{frame[2]} in {frame[3]}")
        elif line and not line[0].isspace():
            if (said := _EXCEPTION.fullmatch(line)) is None:
                return None
            theirs = [one for one in frames if not one.startswith("<") and not _INSTALLED.search(one)]
            traceback = "\n".join(lines[starts[-1] : end + 1])[-_MAX_CHARS:]
            where = (theirs or frames or [""])[-1]
            kind = said[1].rpartition(".")[2]
            return Failure(stage="run", kind=kind, message=said[2] or "", where=where, traceback=traceback)
    return None
