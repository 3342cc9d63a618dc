"""A short way to private folders that lie deep.

The path of a socket has 107 bytes at most, and programs make some in TMPDIR.

    /tmp/bulkhead-k3j2h1g9/      locked as long as it is used, so that who tidies /tmp leaves it alone
        t -> <state>/sessions/3f2a9c

Who follows the link is judged by where it leads, so nothing is granted by it.
"""

from __future__ import annotations

import contextlib
import fcntl
import glob
import os
import tempfile
from typing import Final

LONGEST: Final = 60
"""Of a folder for temporary files: ``multiprocessing`` appends 32 bytes to it, a browser 46."""
_PLACES: Final = ("/tmp", "/var/tmp", "/dev/shm")
_PREFIX: Final = "bulkhead-"
_LINK: Final = "t"


class ShortWay:
    """To one folder.  Owns a descriptor; `close` takes the way away.

    Args:
        folder: Where it leads.
        is_for_others: Other users than ours have to take it.

    Attributes:
        path: The same folder by a path that is short; its own where no other can be had.
    """

    def __init__(self, folder: str, *, is_for_others: bool = False) -> None:
        self.path = folder
        self._fd = -1
        for place in _PLACES:
            try:
                made = tempfile.mkdtemp(prefix=_PREFIX, dir=place)
            except OSError:
                continue
            self._fd = os.open(made, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if is_for_others:
                os.fchmod(self._fd, 0o711)
            os.symlink(folder, _LINK, dir_fd=self._fd)
            self.path = os.path.join(made, _LINK)
            return

    @classmethod
    def where_needed(cls, folder: str, longest_name: int, *, is_for_others: bool = False) -> ShortWay | None:
        """None where what is in the folder has a short path anyway."""
        if len(os.fsencode(folder)) + 1 + longest_name <= LONGEST:
            return None
        return cls(folder, is_for_others=is_for_others)

    def close(self) -> None:
        """Idempotent."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            _take_away(os.path.dirname(self.path), fd)


def clear_leftovers(top: str) -> None:
    """Take away what dead servers left that led to something in `top`."""
    for place in _PLACES:
        for link in glob.glob(f"{place}/{_PREFIX}*/{_LINK}"):
            folder = os.path.dirname(link)
            with contextlib.suppress(OSError):
                if not os.readlink(link).startswith(f"{top}/"):
                    continue
                fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
                try:
                    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)  # else a server has it that lives
                except OSError:
                    os.close(fd)
                    raise
                if os.fstat(fd).st_uid == os.geteuid():
                    _take_away(folder, fd)
                else:
                    os.close(fd)


def _take_away(folder: str, fd: int) -> None:
    with contextlib.suppress(OSError):
        os.unlink(_LINK, dir_fd=fd)
        os.rmdir(folder)
    os.close(fd)
