"""Remove a folder that others filled, whatever is in it: links, closed folders, thousands in one another.

Nothing is followed that leads elsewhere, nothing calls itself, and three descriptors are enough.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from pathlib import Path


def remove_folder(folder: Path) -> None:
    """As `remove`, for a folder of a place that is ours alone; one that is not there is no error.  Blocks."""
    try:
        parent = os.open(folder.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return
    try:
        remove(parent, folder.name)
    finally:
        os.close(parent)


def remove(parent: int, name: str) -> None:
    """Remove a folder and all that is in it, whatever that is; what cannot be removed stays.  Blocks."""
    try:
        top = _opened(parent, name)
    except OSError:
        return
    try:
        _empty(top, top)
        while folders := [entry for entry in os.listdir(top) if _is_folder(top, entry)]:
            before = len(folders)
            for folder in folders:
                with contextlib.suppress(OSError):
                    inner = _opened(top, folder)
                    try:
                        _empty(inner, top)
                    finally:
                        os.close(inner)
                    os.rmdir(folder, dir_fd=top)
            left = os.listdir(top)
            if len(left) >= before and set(folders) <= set(left):
                break  # nothing of it can be removed
    finally:
        os.close(top)
    with contextlib.suppress(OSError):
        os.rmdir(name, dir_fd=parent)


def _empty(folder: int, top: int) -> None:
    """Remove the files of a folder; its folders go to `top`, so that nothing lies deeper than one."""
    for entry in os.listdir(folder):
        with contextlib.suppress(OSError):
            if not _is_folder(folder, entry):
                os.unlink(entry, dir_fd=folder)
            elif folder != top:
                _open_up(folder, entry)
                os.rename(entry, secrets.token_hex(8), src_dir_fd=folder, dst_dir_fd=top)


def _opened(parent: int, name: str) -> int:
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    if not _is_folder(parent, name):
        raise NotADirectoryError(name)
    _open_up(parent, name)
    return os.open(name, flags, dir_fd=parent)


def _open_up(parent: int, name: str) -> None:
    # By a descriptor of the folder itself: somebody who still lives may put a link in its place, and the mode
    # of what that leads to is not his to change where we are another user than he.
    fd = os.open(name, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
    try:
        with contextlib.suppress(PermissionError):  # it is another user's, and modes do not hold us
            os.chmod(f"/proc/self/fd/{fd}", 0o700)
    finally:
        os.close(fd)


def _is_folder(parent: int, name: str) -> bool:
    try:
        return stat.S_ISDIR(os.lstat(name, dir_fd=parent).st_mode)
    except OSError:
        return False
