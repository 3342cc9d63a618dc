"""The folders that sessions have for themselves, one each: their TMPDIR and HOME, gone with them.

    <state>/sessions/
        3f2a9c/            one generation of a bundle, locked as long as its front lives
            import/        of its program's import
            7bd01e/        of a session

What is in one may have been made to be hard to remove: folders in folders without end, without permissions,
links to what is not theirs.  So each folder is emptied by its descriptor, no link is followed, and what lies
deep is moved up first.  The lock tells the next server what a dead one left.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import secrets
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final

from runtime.files import removal
from runtime.process.confine.home import short
from runtime.process.confine.inner import PROBE

_FOLDER: Final = "sessions"
IMPORT: Final = "import"
_AT_ONCE = 1
_NAME_BYTES: Final = 6


class PrivateFolders:
    """Those of one generation of a bundle.  Runs in: the front's event loop.

    Owns a descriptor; `close` gives everything back once the last of its sessions has left.

    Args:
        user: Whose they are; None for ours.

    Attributes:
        path: The folder in which they are.
        short: The same by a path that leaves room for that of a socket (`ShortWay`).

    Raises:
        OSError: The state folder cannot be written.
    """

    def __init__(self, state: str, user: int | None = None) -> None:
        top = os.path.join(state, _FOLDER)
        os.makedirs(top, mode=0o700, exist_ok=True)
        if user is not None:
            os.chmod(top, 0o711)
        while True:
            self.path = os.path.join(top, secrets.token_hex(3))
            with contextlib.suppress(FileExistsError):
                os.mkdir(self.path, 0o700)
                break
        self._fd = -1
        self._way: short.ShortWay | None = None
        # Where they are another's, the folder that they are in stays ours: nobody else makes or moves any.
        self._own = (IMPORT,) if user is None else (IMPORT, PROBE)
        try:
            self._begin(user)
        except BaseException:  # nothing is left behind of what was made
            self._end()
            raise
        self._names: set[str] = set()
        self._leaving: set[str] = set()
        self._gone = asyncio.Event()
        self._closed = False

    def _begin(self, user: int | None) -> None:
        self._way = short.ShortWay.where_needed(self.path, _NAME_BYTES, is_for_others=user is not None)
        self.short = self.path if self._way is None else self._way.path
        self._fd = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        for name in self._own:
            self.make(name, user)
        if user is not None:
            os.fchmod(self._fd, 0o711)

    def new(self) -> str:
        """The name of another one; whoever starts the session makes it."""
        name = secrets.token_hex(3)
        while name in self._names:
            name = secrets.token_hex(3)
        self._names.add(name)
        return name

    def make(self, name: str, user: int | None = None) -> str:
        """Make it, for a user if one is named, and say where it is."""
        os.mkdir(name, 0o700, dir_fd=self._fd)
        if user is not None:
            os.chown(name, user, user, dir_fd=self._fd, follow_symlinks=False)
        return os.path.join(self.path, name)

    def leave(self, name: str, removed: Callable[[], None] = lambda: None) -> None:
        """Its session is over: remove it, in the background, and call `removed` then."""
        if name in self._names and name not in self._leaving:
            self._in_background(name, removed)

    def close(self) -> None:
        """No more are made, and the import is over; idempotent."""
        if not self._closed:
            self._closed = True
            self._names |= {*self._own}
            for name in self._own:
                self._in_background(name)

    def remove(self) -> None:
        """Remove all of them, where there is no event loop.  Blocks."""
        for name in os.listdir(self._fd):
            removal.remove(self._fd, name)
        self._end()

    async def gone(self, timeout_s: float) -> None:
        """Call after `close`: return when all of it is removed; at once where sessions live on in it."""
        if self._names <= self._leaving:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._gone.wait(), timeout_s)

    def _in_background(self, name: str, then: Callable[[], None] = lambda: None) -> None:
        self._leaving.add(name)
        future: Future[None] = _threads().submit(removal.remove, self._fd, name)
        loop = asyncio.get_running_loop()

        def removed(_: Future[None]) -> None:
            with contextlib.suppress(RuntimeError):  # the loop has ended: the next start removes the rest
                loop.call_soon_threadsafe(self._left, name, then)

        future.add_done_callback(removed)

    def _left(self, name: str, then: Callable[[], None]) -> None:
        then()
        self._names.discard(name)
        self._leaving.discard(name)
        if self._closed and not self._names and self._fd >= 0:
            self._end()
            self._gone.set()

    def _end(self) -> None:
        fd, self._fd = self._fd, -1
        if self._way is not None:
            self._way.close()
        with contextlib.suppress(OSError):  # somebody wrote to it in its last moment
            os.rmdir(self.path)
        if fd >= 0:
            os.close(fd)


def clear_leftovers(state: str) -> int:
    """Remove what a server that died has left in the state folder; how many generations.  Blocks."""
    top, count = os.path.join(state, _FOLDER), 0
    short.clear_leftovers(top)
    try:
        names = os.listdir(top)
        top_fd = os.open(top, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return 0
    try:
        for name in names:
            with contextlib.suppress(OSError):
                fd = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=top_fd)
                try:
                    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)  # else a server has it that lives
                    removal.remove(top_fd, name)
                    count += 1
                finally:
                    os.close(fd)
    finally:
        os.close(top_fd)
    return count


_pool: list[ThreadPoolExecutor] = []


def _threads() -> ThreadPoolExecutor:
    """Of their own, and few: somebody's million files must not keep the threads that others wait for."""
    if not _pool:
        _pool.append(ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="private_folders"))
    return _pool[0]
