"""A tree of files that others may change at any moment: what is in it is reached over no link.

A path that was looked at may lead elsewhere when it is used: whoever may write in the tree puts a link in the
place of a folder in between.  So each folder on the way is opened by the one above it, and what is done is
done in the last of them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from runtime.files import plain_file

_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


class Tree:
    """Everything here blocks.  Paths are relative, with no empty and no dot parts; the root is ``""``."""

    def __init__(self, root: Path) -> None:
        self._root = root

    @contextmanager
    def folder(self, path: str, *, make: bool = False) -> Iterator[int]:
        """A descriptor of a folder.

        Args:
            make: Those that are missing are made, their owner's alone.

        Raises:
            OSError: It is not there, is none, or a link is on the way (NotADirectoryError).
        """
        fd = os.open(self._root, _FOLDER)
        try:
            for part in path.split("/") if path else ():
                if make:
                    with suppress(FileExistsError):
                        os.mkdir(part, 0o700, dir_fd=fd)
                deeper = os.open(part, _FOLDER | os.O_NOFOLLOW, dir_fd=fd)
                os.close(fd)
                fd = deeper
            yield fd
        finally:
            os.close(fd)

    @contextmanager
    def at(self, path: str, *, make: bool = False) -> Iterator[tuple[int, str]]:
        """The folder that something is in, as `folder` has it, and its name there."""
        above, _, name = path.rpartition("/")
        with self.folder(above, make=make) as fd:
            yield fd, name or "."

    def stat(self, path: str) -> os.stat_result:
        """What is there.  Raises OSError."""
        with self.at(path) as (fd, name):
            return os.stat(name, dir_fd=fd, follow_symlinks=False)

    def opened(self, path: str) -> int:
        """A descriptor of a regular file, open for reading.  Raises OSError; see `plain_file.opened`."""
        with self.at(path) as (fd, name):
            return plain_file.opened(name, dir_fd=fd)
