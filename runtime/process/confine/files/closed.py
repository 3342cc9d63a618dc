"""Files of the system that are kept from everybody else: a server that is root could read them.

Sessions of such a server are root as well, without its privileges, and own what is root's alone: keys,
passwords, programs that somebody installed for themselves.  They are to read what any other user of the
machine may, so what others may not is left out of what is granted.  Where sessions have users of their own,
the kernel sees to it.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

from runtime.confinement.paths import is_below

_ALWAYS: Final = ("/etc", "/run/NetworkManager")
"""Looked through whoever we are: a group of the server's user may read a key there."""
_INSTALLED: Final = ("/opt", "/usr")
_DISTRIBUTIONS: Final = tuple(
    f"/usr/{name}"
    for name in ("bin", "sbin", "lib", "lib32", "lib64", "libx32", "libexec", "share", "include", "games")
)
"""What packages of the distribution bring, which everybody has: not looked through, they are too many."""
_FOR_S: Final = 10.0
"""So long what was found is believed: a server loads many bundles at its start."""


def to_others() -> list[str]:
    """Files and folders that this process may read, and not everybody."""
    return [path for top in tops() for path in below(top)]


def tops() -> tuple[str, ...]:
    """The folders that are looked through."""
    return (*_ALWAYS, *(_INSTALLED if os.geteuid() == 0 else ()))


def below(top: str) -> tuple[str, ...]:
    """Those that are `top` or lie in it."""
    return _found(top, int(time.monotonic() / _FOR_S))


def is_own(folder: str) -> bool:
    """Whether a folder lies in one of those and is none of them: what is in it is not the system's."""
    return any(folder != top and is_below(folder, top) for top in tops())


@lru_cache(maxsize=32)
def _found(top: str, _: int) -> tuple[str, ...]:
    try:
        mode = os.stat(top).st_mode
    except OSError:
        return ()
    if not _is_for_others(mode):
        return (os.path.realpath(top),)
    return tuple(_closed_in(top))


def _closed_in(folder: str) -> Iterator[str]:
    try:
        entries = list(os.scandir(folder))
    except OSError:
        return
    for entry in entries:
        try:
            mode = entry.stat(follow_symlinks=False).st_mode
        except OSError:
            continue
        if stat.S_ISLNK(mode):
            continue
        if not _is_for_others(mode):
            if os.access(entry.path, os.R_OK):
                yield entry.path
        elif stat.S_ISDIR(mode) and entry.path not in _DISTRIBUTIONS:
            yield from _closed_in(entry.path)


def _is_for_others(mode: int) -> bool:
    wanted = stat.S_IROTH | (stat.S_IXOTH if stat.S_ISDIR(mode) else 0)
    return mode & wanted == wanted
