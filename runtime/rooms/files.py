"""A room's files on disk: a tree that no path leaves, and a staging folder for what is being written.

Everything here blocks and is meant for a thread, except `reserve` and `release`, which keep the count of
bytes and belong to the event loop.
"""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import stat
import time
import uuid
from collections.abc import Callable, Coroutine, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import Any, Final, ParamSpec, TypeVar

import msgspec

from runtime.clock import iso
from runtime.errors import Conflict, InvalidRequest, NotFound, RoomFull
from runtime.files import removal
from runtime.files.tree import Tree

MAX_PATH_BYTES: Final = 1024
MAX_NAME_BYTES: Final = 255
FILES: Final = "files"
STAGING: Final = "staging"
JOURNALS: Final = ("journal.jsonl", "journal.older.jsonl")
"""What a room remembers of its turns and runs, the newer first; see `developer/journal.py`."""

REMEMBER_S: Final = 7 * 86_400.0
_NO_FILE: Final = (errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.EINVAL, errno.ENXIO)
"""What the system says of a path at which there is no file to be read."""

# Threads of their own: participants who keep the disk busy must not use up those that others wait for.
_THREADS: Final = ThreadPoolExecutor(max_workers=4, thread_name_prefix="room-files")

P = ParamSpec("P")
T = TypeVar("T")


async def on_disk(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run something that blocks, off the event loop."""
    return await asyncio.get_running_loop().run_in_executor(_THREADS, lambda: function(*args, **kwargs))


async def whole_on_disk(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """As `on_disk`; a caller that is cancelled meanwhile leaves only when it is done.

    For what is done under a lock: the next one must not begin beside a thread that is still at work.
    """
    return await whole(on_disk(function, *args, **kwargs))


async def whole(doing: Coroutine[Any, Any, T]) -> T:
    """Do something to its end, also when the caller is cancelled meanwhile, who leaves only then."""
    work = asyncio.ensure_future(doing)
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        await asyncio.wait((work,))
        raise


def clean_path(path: str) -> str:
    """A room path in its one spelling: relative, without empty or dot parts; the root is ``""``.

    Raises:
        InvalidRequest: It points outside, or no file system could hold it.
    """
    try:
        length = len(path.encode("utf-8"))
    except UnicodeEncodeError as error:
        raise InvalidRequest("the path is not valid text") from error
    if length > MAX_PATH_BYTES:
        raise InvalidRequest(f"the path is longer than {MAX_PATH_BYTES} bytes")
    if "\x00" in path:
        raise InvalidRequest("the path contains a zero byte")
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise InvalidRequest("the path points outside the room")
    if any(len(part.encode("utf-8")) > MAX_NAME_BYTES for part in parts):
        raise InvalidRequest(f"a name in the path is longer than {MAX_NAME_BYTES} bytes")
    return "/".join(parts)


def remove_unused(folder: Path, *, remember_s: float = REMEMBER_S) -> bool:
    """Remove the folder of a room that is not open, and in which nobody saved anything.

    What it remembers of runs keeps it for `remember_s` after the last of them.

    Only folders are removed, and only empty ones, so what somebody saves meanwhile stays.  A room that was
    made by name has its notes there, and stays as well.
    """
    if not (folder / FILES).is_dir():  # it was never opened, so somebody made it
        return False
    if any(names for _, _, names in os.walk(folder / FILES)) or not _are_unfinished(folder):
        return False
    journals = [folder / name for name in JOURNALS if (folder / name).exists()]
    if any(time.time() - journal.stat().st_mtime < remember_s for journal in journals):
        return False
    for journal in journals:
        journal.unlink()
    shutil.rmtree(folder / STAGING, ignore_errors=True)
    try:
        for above, _, _ in os.walk(folder, topdown=False):
            os.rmdir(above)
    except OSError:
        return False
    return True


def _are_unfinished(folder: Path) -> bool:
    """Whether a room's folder has nothing but its files and uploads that were never finished."""
    return {entry.name for entry in folder.iterdir()} <= {FILES, STAGING, *JOURNALS}


class Entry(msgspec.Struct, frozen=True):
    """A file or a folder.

    Attributes:
        is_built_in: It is in every room, and not on disk.
    """

    name: str
    is_folder: bool
    size: int | None
    created_at: str
    updated_at: str
    is_built_in: bool = False


class Files:
    """The files of one room.

    Args:
        root: Where the tree is; made when missing.
        staging: Where unfinished uploads are; emptied when the room opens.
        max_bytes: Bound of the whole tree and staging together.
        built_in: Files that are there though nobody has put them there, by path, as long as none of that path
            is on disk.
    """

    def __init__(
        self, root: Path, staging: Path, *, max_bytes: int, built_in: Mapping[str, bytes] | None = None
    ) -> None:
        self._root, self._tree = root, Tree(root)
        self._built_in = built_in or {}
        self._staging = staging
        self._max_bytes = max_bytes
        self._used_bytes = 0

    @property
    def used_bytes(self) -> int:
        """Bytes counted against the bound."""
        return self._used_bytes

    def prepare(self) -> None:
        """Make the folders, drop what an earlier run left unfinished, count what is there."""
        shutil.rmtree(self._staging, ignore_errors=True)
        self._root.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        for folder in (self._root, self._staging):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._root = self._root.resolve()
        self._tree = Tree(self._root)
        self._used_bytes = sum(size for size in self._sizes(self._root))

    def reserve(self, size: int) -> None:
        """Count bytes before they are written.

        Raises:
            RoomFull: They do not fit.
        """
        if self._used_bytes + size > self._max_bytes:
            raise RoomFull(f"the room's files may have {self._max_bytes} bytes")
        self._used_bytes += size

    def release(self, size: int) -> None:
        """Count bytes that are gone; a negative number counts bytes that must be taken whatever the bound."""
        self._used_bytes = max(0, self._used_bytes - size)

    def stat(self, path: str) -> Entry | None:
        """What is at the path, or None: what is neither a file nor a folder is not there."""
        self._refuse_links(path)
        with suppress(FileNotFoundError, NotADirectoryError):
            if (found := _entry(path.rpartition("/")[2] or FILES, self._tree.stat(path))) is not None:
                return found
        return self._built_in_entry(path)

    def list(self, path: str) -> list[Entry]:
        """What is in a folder, by name.

        Raises:
            NotFound: Nothing there, or a file.
        """
        self._refuse_links(path)
        entries = dict[str, Entry]()
        try:
            with self._tree.folder(path, make=path == ".schemas") as fd:  # every agent's start lists that
                for name in os.listdir(fd):
                    with suppress(FileNotFoundError):  # removed meanwhile
                        status = os.stat(name, dir_fd=fd, follow_symlinks=False)
                        if (found := _entry(name, status)) is not None:
                            entries[name] = found
        except (FileNotFoundError, NotADirectoryError) as error:
            raise NotFound(f"no folder {path!r}") from error
        for known in self._built_in:
            if known.rpartition("/")[0] == path and (entry := self._built_in_entry(known)) is not None:
                entries.setdefault(entry.name, entry)
        return [entries[name] for name in sorted(entries)]

    def size(self, path: str) -> int:
        """Bytes of a file.

        Raises:
            NotFound: Nothing there, or a folder.
        """
        entry = self.stat(path)
        if entry is None or entry.size is None:
            raise NotFound(f"no file {path!r}")
        return entry.size

    def need_on_disk(self, path: str) -> None:
        """Raises NotFound: Nothing there, a folder, or a file that is in every room."""
        entry = self.stat(path)
        if entry is None or entry.size is None or entry.is_built_in:
            raise NotFound(f"no file {path!r}")

    def read(self, path: str, *, offset: int = 0, max_bytes: int) -> bytes:
        """Up to ``max_bytes`` of a file.

        Raises:
            NotFound: Nothing there, or a folder.
        """
        self._refuse_links(path)
        try:
            with os.fdopen(self._tree.opened(path), "rb") as file:
                file.seek(offset)
                return bytes(file.read(max_bytes))
        except OSError as error:
            if path in self._built_in and isinstance(error, FileNotFoundError):
                return self._built_in[path][offset : offset + max_bytes]
            if error.errno not in _NO_FILE:
                raise
            raise NotFound(f"no file {path!r}") from error

    def _built_in_entry(self, path: str) -> Entry | None:
        content = self._built_in.get(path)
        if content is None:
            return None
        made = iso(0.0)
        return Entry(path.rpartition("/")[2], False, len(content), made, made, is_built_in=True)

    def stage(self) -> Path:
        """A fresh file for an upload."""
        staged = self._staging / uuid.uuid4().hex
        staged.touch(mode=0o600)
        return staged

    def append(self, staged: Path, data: bytes) -> None:
        """Write to the end of an upload."""
        with staged.open("ab") as file:
            file.write(data)

    def commit(self, staged: Path, path: str, *, overwrite: bool) -> int:
        """Make an upload visible at its path, at once; return the bytes of the file it replaced.

        Raises:
            Conflict: Something is there and may not be replaced.
        """
        with self._placed(path) as (fd, name):
            replaced = self._replaced(fd, name)
            if replaced is None:
                raise Conflict(f"{path!r} is a folder")
            if replaced >= 0 and not overwrite:
                raise Conflict(f"{path!r} exists already", cure="Ask to overwrite it.")
            with staged.open("rb") as file:
                os.fsync(file.fileno())  # a name without its bytes would be an empty file after a power cut
            os.replace(staged, name, dst_dir_fd=fd)
        return max(replaced, 0)

    def discard(self, staged: Path) -> None:
        """Drop an upload."""
        staged.unlink(missing_ok=True)

    def delete(self, path: str, *, recursive: bool) -> tuple[int, bool]:
        """Delete a file, a folder when ``recursive`` or empty, or a link, never what that leads to.

        Returns:
            The bytes freed, and whether all of it is gone: others may keep what is in a folder from going.

        Raises:
            NotFound: Nothing there.
            Conflict: A folder with something in it.
        """
        if not path:
            raise InvalidRequest("the room's root is not deleted")
        self._refuse_links(path.rpartition("/")[0])
        try:
            with self._tree.at(path) as (fd, name):
                if (freed := self._replaced(fd, name)) is not None:
                    os.unlink(name, dir_fd=fd)
                    return max(freed, 0), True
                freed = sum(self._sizes(self._root / path))
                if recursive:
                    removal.remove(fd, name)
                else:
                    os.rmdir(name, dir_fd=fd)
                return freed - sum(self._sizes(self._root / path)), self._replaced(fd, name) == -1
        except (FileNotFoundError, NotADirectoryError) as error:
            raise NotFound(f"no file {path!r}") from error
        except OSError as error:
            if error.errno != errno.ENOTEMPTY:
                raise
            raise Conflict(f"{path!r} is a folder", cure="Delete it recursively.") from error

    def move(self, source: str, destination: str, *, overwrite: bool) -> int:
        """Move a file or folder; return the bytes of the file it replaced.

        Raises:
            NotFound: No such source.
            Conflict: Something is at the destination and may not be replaced.
        """
        if not source or (entry := self.stat(source)) is None or entry.is_built_in:
            raise NotFound(f"no file {source!r}")
        if PurePosixPath(destination).is_relative_to(source):
            raise Conflict(f"{destination!r} is inside {source!r}")
        with self._tree.at(source) as (origin, old), self._placed(destination) as (fd, name):
            replaced = self._replaced(fd, name)
            if replaced is None or (replaced >= 0 and not overwrite):
                raise Conflict(f"{destination!r} exists already")
            os.replace(old, name, src_dir_fd=origin, dst_dir_fd=fd)
        return max(replaced, 0)

    def _replaced(self, fd: int, name: str) -> int | None:
        """Bytes of what has this name in a folder: -1 where there is nothing, None of another folder.

        A link has none, wherever it leads.
        """
        try:
            status = os.stat(name, dir_fd=fd, follow_symlinks=False)
        except FileNotFoundError:
            return -1
        if stat.S_ISLNK(status.st_mode):
            return 0
        return None if stat.S_ISDIR(status.st_mode) else status.st_size

    @contextmanager
    def _placed(self, path: str) -> Iterator[tuple[int, str]]:
        """Where something comes to be; missing folders are made.  Raises Conflict, InvalidRequest."""
        if not path:
            raise InvalidRequest("a file needs a path")
        self._refuse_links(path)
        try:
            with self._tree.at(path, make=True) as place:
                yield place
        except NotADirectoryError as error:
            raise Conflict(f"a part of {path!r} is no folder") from error

    def _refuse_links(self, path: str) -> None:
        # clean_path has refused "..", so only a symbolic link could lead elsewhere: out of the tree, or to
        # what the token does not allow.  Containers of the room may have made some.  This says so; one that
        # is put there in this moment is found by `Tree`.
        target, root = self._root / path, self._root.resolve()
        real = target.resolve()
        if not real.is_relative_to(root):
            raise InvalidRequest("the path points outside the room")
        if real != root / path:
            raise InvalidRequest("the path leads over a link", cure="Use the path that it leads to.")

    def _sizes(self, folder: Path) -> Iterator[int]:
        for above, _, names in os.walk(folder):
            for name in names:
                try:
                    status = os.lstat(os.path.join(above, name))
                except FileNotFoundError:
                    continue
                if not stat.S_ISLNK(status.st_mode):
                    yield status.st_size


def _entry(name: str, status: os.stat_result) -> Entry | None:
    """None of what is neither a file nor a folder."""
    is_folder = stat.S_ISDIR(status.st_mode)
    if not is_folder and not stat.S_ISREG(status.st_mode):
        return None
    return Entry(
        name,
        is_folder,
        None if is_folder else status.st_size,
        iso(min(status.st_ctime, status.st_mtime)),
        iso(status.st_mtime),
    )
