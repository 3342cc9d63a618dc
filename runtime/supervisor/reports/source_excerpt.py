"""A few lines of an agent's source, read by the front: for ends at which the process could send none.

The file's name comes from a process that may be hostile, so it is read only where the bundle's own source
lies, only when it is a plain Python file, and never waited for.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

from runtime.wire.trace import Excerpt

AROUND: Final = 5
MAX_FILE_BYTES: Final = 1 << 20
MAX_LINE_CHARS: Final = 200


def read_excerpt(file: str, line: int, folder: Path, *, loaded_at: float) -> Excerpt | None:
    """The lines around `line`; None when the file may not or cannot be read, or has no such line.

    Args:
        folder: The bundle's folder.
        loaded_at: When the code that ran was loaded; a file changed later may show other lines.
    """
    try:
        path = Path(file).resolve(strict=True)
        if path.suffix != ".py" or not path.is_relative_to(folder.resolve()):
            return None
        text, modified_at = _read(path)
    except (OSError, ValueError, RuntimeError):
        return None
    lines = text.splitlines()
    if not 1 <= line <= len(lines):
        return None
    first = max(1, line - AROUND)
    shown = [text[:MAX_LINE_CHARS] for text in lines[first - 1 : line + AROUND]]
    note = "the file was changed after this code was loaded" if loaded_at and modified_at > loaded_at else ""
    return Excerpt(file=file, first=first, marked=line, lines=shown, note=note)


def _read(path: Path) -> tuple[str, float]:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        about = os.fstat(fd)
        if not stat.S_ISREG(about.st_mode) or about.st_size > MAX_FILE_BYTES:
            raise ValueError("not a plain file of bearable size")
        return os.read(fd, MAX_FILE_BYTES).decode("utf-8", "replace"), about.st_mtime
    finally:
        os.close(fd)
