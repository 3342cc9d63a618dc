"""A room's files on disk: a tree that no path leaves, and a staging folder for what is being written.

Everything here blocks and is meant for a thread, except `reserve` and `release`, which keep the count of
bytes and belong to the event loop.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import time
import uuid
from collections.abc import Callable, Coroutine, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final, ParamSpec, TypeVar

from runtime.clock import iso
from runtime.errors import Conflict, InvalidRequest, NotFound, RoomFull
from runtime.rooms.kept import folders

MAX_PATH_BYTES: Final = 1024
MAX_NAME_BYTES: Final = 255
FILES: Final = "files"
STAGING: Final = "staging"
JOURNALS: Final = ("journal.jsonl", "journal.older.jsonl")
"""What a room remembers of its turns and runs, the newer first; see `developer/journal.py`."""

REMEMBER_S: Final = 7 * 86_400.0

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


@dataclass(frozen=True, slots=True)
class Entry:
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
        self._root = root
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
        """What is at the path, or None."""
        try:
            return _entry(self._locate(path))
        except (FileNotFoundError, NotADirectoryError):
            return self._built_in_entry(path)

    def list(self, path: str) -> list[Entry]:
        """What is in a folder, by name.

        Raises:
            NotFound: Nothing there, or a file.
        """
        folder = self._locate(path)
        if path == ".schemas":  # every agent's start lists it
            folder.mkdir(exist_ok=True, mode=0o700)
        try:
            entries = {child.name: _entry(child) for child in folder.iterdir() if not child.is_symlink()}
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

    def locate(self, path: str) -> Path:
        """Where a file is on disk.

        Raises:
            NotFound: Nothing there, a folder, or a file that is in every room.
        """
        entry = self.stat(path)
        if entry is None or entry.size is None or entry.is_built_in:
            raise NotFound(f"no file {path!r}")
        return self._locate(path)

    def read(self, path: str, *, offset: int = 0, max_bytes: int) -> bytes:
        """Up to ``max_bytes`` of a file.

        Raises:
            NotFound: Nothing there, or a folder.
        """
        try:
            with self._locate(path).open("rb") as file:
                file.seek(offset)
                return file.read(max_bytes)
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
            if path in self._built_in and isinstance(error, FileNotFoundError):
                return self._built_in[path][offset : offset + max_bytes]
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
        target = self._writable(path)
        replaced = 0
        if target.is_dir():
            raise Conflict(f"{path!r} is a folder")
        if target.exists():
            if not overwrite:
                raise Conflict(f"{path!r} exists already", cure="Ask to overwrite it.")
            replaced = target.stat().st_size
        folders.make(target.parent)
        with staged.open("rb") as file:
            os.fsync(file.fileno())  # a name without its bytes would be an empty file after a power cut
        os.replace(staged, target)
        return replaced

    def discard(self, staged: Path) -> None:
        """Drop an upload."""
        staged.unlink(missing_ok=True)

    def delete(self, path: str, *, recursive: bool) -> int:
        """Delete a file, or a folder when ``recursive`` or empty; return the bytes freed.

        Raises:
            NotFound: Nothing there.
            Conflict: A folder with something in it.
        """
        if not path:
            raise InvalidRequest("the room's root is not deleted")
        target = self._locate(path)
        try:
            if target.is_dir():
                freed = sum(self._sizes(target))
                if not recursive and any(target.iterdir()):
                    raise Conflict(f"{path!r} is a folder", cure="Delete it recursively.")
                shutil.rmtree(target)
                return freed
            freed = target.stat().st_size
            target.unlink()
            return freed
        except (FileNotFoundError, NotADirectoryError) as error:
            raise NotFound(f"no file {path!r}") from error

    def move(self, source: str, destination: str, *, overwrite: bool) -> int:
        """Move a file or folder; return the bytes of the file it replaced.

        Raises:
            NotFound: No such source.
            Conflict: Something is at the destination and may not be replaced.
        """
        origin, target = self._locate(source), self._writable(destination)
        if not source or not origin.exists():
            raise NotFound(f"no file {source!r}")
        if target == origin or target.is_relative_to(origin):
            raise Conflict(f"{destination!r} is inside {source!r}")
        replaced = 0
        if target.exists():
            if not overwrite or target.is_dir():
                raise Conflict(f"{destination!r} exists already")
            replaced = target.stat().st_size
        folders.make(target.parent)
        os.replace(origin, target)
        return replaced

    def _writable(self, path: str) -> Path:
        if not path:
            raise InvalidRequest("a file needs a path")
        target = self._locate(path)
        for above in PurePosixPath(path).parents:
            if str(above) != "." and (self._root / above).is_file():
                raise Conflict(f"{str(above)!r} is a file, not a folder")
        return target

    def _locate(self, path: str) -> Path:
        # clean_path has refused "..", so only a symbolic link could lead elsewhere: out of the tree, or to
        # what the token does not allow.  Containers of the room may have made some.
        target, root = self._root / path, self._root.resolve()
        real = target.resolve()
        if not real.is_relative_to(root):
            raise InvalidRequest("the path points outside the room")
        if real != root / path:
            raise InvalidRequest("the path leads over a link", cure="Use the path that it leads to.")
        return target

    def _sizes(self, folder: Path) -> Iterator[int]:
        for above, _, names in os.walk(folder):
            for name in names:
                try:
                    yield os.lstat(os.path.join(above, name)).st_size
                except FileNotFoundError:
                    continue


def _entry(path: Path) -> Entry:
    status = path.stat()
    is_folder = path.is_dir()
    return Entry(
        path.name,
        is_folder,
        None if is_folder else status.st_size,
        iso(min(status.st_ctime, status.st_mtime)),
        iso(status.st_mtime),
    )
