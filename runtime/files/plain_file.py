"""A file that somebody else may have put there: read only if it is a file, and never more than is bearable.

Whoever may write to a folder can put a pipe into it, which nobody ever writes to, or a link to a device that
never ends.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path

Judge = Callable[[str], object]
"""Told where a file really lies, once it is open; raises what there is against it."""


def opened(path: Path | str, judge: Judge | None = None, *, dir_fd: int | None = None) -> int:
    """A descriptor of a regular file, open for reading; of what a link leads to.  Never waits.

    Args:
        dir_fd: The folder that it is in; then it is no link.

    Raises:
        OSError: It is none, or cannot be opened.
    """
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
    fd = os.open(path, flags if dir_fd is None else flags | os.O_NOFOLLOW, dir_fd=dir_fd)
    try:
        mode = os.fstat(fd).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        if not stat.S_ISREG(mode):
            raise OSError(errno.EINVAL, "Not a regular file", str(path))
        if judge is not None:
            judge(os.readlink(f"/proc/self/fd/{fd}"))
    except BaseException:
        os.close(fd)
        raise
    return fd


def read(path: Path | str, *, most_bytes: int, judge: Judge | None = None) -> bytes:
    """All that is in a regular file.

    Raises:
        OSError: It is none, cannot be read, or is larger than `most_bytes`.
    """
    with os.fdopen(opened(path, judge), "rb") as file:
        raw: bytes = file.read(most_bytes + 1) or b""  # None where there is nothing yet, and it would wait
    if len(raw) > most_bytes:
        raise OSError(errno.EFBIG, f"Larger than {most_bytes >> 10} KiB", str(path))
    return raw
