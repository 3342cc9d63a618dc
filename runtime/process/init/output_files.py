"""Standard output and error of a server that were led into a file: opened anew when the file was moved away.

`logrotate` renames the file and sends SIGHUP.  Whoever has it open goes on writing into the renamed one until
he opens the path again, which only he can know who looked at it before.
"""

from __future__ import annotations

import os
import stat


class OutputFiles:
    """The files behind descriptors 1 and 2, as they were when this was made."""

    def __init__(self, fds: tuple[int, ...] = (1, 2)) -> None:
        self._paths = {fd: path for fd in fds if (path := _path_of(fd))}

    def reopen(self) -> list[str]:
        """Open those anew whose path leads elsewhere by now.

        Returns:
            What could not be opened, and why; that one goes on into the file it went to.
        """
        problems = []
        for fd, path in self._paths.items():
            try:
                now = os.fstat(fd)
                if _is_same(path, now):
                    continue
                flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
                opened = os.open(path, flags, stat.S_IMODE(now.st_mode))
                os.dup2(opened, fd)
                os.close(opened)
            except OSError as error:
                problems.append(f"{path} cannot be opened again: {error.strerror}")
        return problems


def _path_of(fd: int) -> str:
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            return ""
        path = os.readlink(f"/proc/self/fd/{fd}")
        return path if _is_same(path, os.fstat(fd)) else ""  # it has a name, and is not deleted
    except OSError:
        return ""


def _is_same(path: str, opened: os.stat_result) -> bool:
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return False
    return (found.st_dev, found.st_ino) == (opened.st_dev, opened.st_ino)
