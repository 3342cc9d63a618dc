"""The databases of one room on disk: a file each, found by name, few of them open at a time."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import sqlite3
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Final, NoReturn, TypeVar

import msgspec

from runtime.errors import Exists, InvalidRequest, NotFound, RoomError, RoomFull
from runtime.files import kept_file, plain_file
from runtime.rooms.built_in.sqlite.share import Share
from runtime.rooms.built_in.tables.bounds import TableBounds
from runtime.rooms.built_in.tables.catalog import TableName
from runtime.rooms.built_in.tables.file import FileKind, TableFile, Work
from runtime.rooms.built_in.tables.threads import THREADS
from runtime.rooms.files import on_disk, whole, whole_on_disk

T = TypeVar("T")

MAX_DATABASES: Final = 100
MAX_OPEN: Final = 8
_BEGIN: Final = "db-"
_COPY: Final = "copy-"
_NAMES: Final = "databases.json"
_MOST_BYTES: Final = 4 << 20


def _prepare(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA trusted_schema = OFF")  # it may come from elsewhere
    if sys.version_info >= (3, 12):
        connection.setconfig(sqlite3.SQLITE_DBCONFIG_DEFENSIVE, True)


KIND: Final = FileKind(_prepare, called="the room's databases")


class _Opened(msgspec.Struct):
    """One that is open, and how many use it at the moment."""

    file: TableFile
    users: int = 0


class Databases:
    """They, by name.  Runs in: the front's event loop; files are used by threads.

    Args:
        folder: Where they are; made with the first.
    """

    def __init__(self, folder: Path, bounds: TableBounds) -> None:
        self._folder, self.bounds = folder, bounds
        self._names: dict[TableName, str] | None = None
        self._open: dict[TableName, _Opened] = {}
        self._share = Share(bounds.max_bytes)
        self._turn = asyncio.Lock()

    async def listed(self, namespace: Sequence[str]) -> list[TableName]:
        """Those of a namespace, by name."""
        async with self._turn:
            names = await self._loaded()
        return sorted((name for name in names if name.namespace == tuple(namespace)), key=str)

    async def read(self, name: TableName, work: Work[T]) -> T:
        """See `TableFile.read`.  Raises NotFound."""
        async with self._used(name) as (file, path):
            if not (self._folder / path).exists():  # a name without a file is an empty one
                await file.write(self._share.within(path, lambda _: None))
            return await file.read(work, partial(_removed_while_open, name))

    async def write(self, name: TableName, work: Work[T]) -> T:
        """See `TableFile.write`.  Raises NotFound."""
        async with self._used(name) as (file, path):
            return await file.write(self._share.within(path, work))

    async def need(self, name: TableName) -> None:
        """Raises NotFound."""
        async with self._turn:
            await self._path(name)

    async def size_bytes(self, name: TableName) -> int:
        """Of the file and what is beside it.  Raises NotFound."""
        async with self._turn:
            file = await self._path(name)
        return await on_disk(_size, self._folder / file)

    async def content_bytes(self, name: TableName) -> int:
        """Of what is in it, which a copy of it has.  Raises NotFound."""
        async with self._turn:
            return self._share.of(await self._path(name))

    async def create(self, name: TableName, mode: str) -> None:
        """Make one.

        Args:
            mode: ``create``, ``overwrite`` or ``create_if_not_exists``.

        Raises:
            Exists: It is there, and the mode is ``create``.
            RoomFull: There are as many as may be.
        """
        if mode not in ("create", "overwrite", "create_if_not_exists"):
            raise InvalidRequest(f"there is no mode {mode!r:.80}")
        async with self._turn:
            names = await self._loaded()
            if name in names:
                if mode == "create":
                    raise Exists(f"database {str(name)!r} exists already")
                if mode == "create_if_not_exists":
                    return
                await whole(self._gone(name))
                names = await self._loaded()
            self._need_free(names, name)
            await self._written({**names, name: _file_name(name)})
        await self.write(name, lambda _: None)  # so that it is there to be read

    async def drop(self, name: TableName) -> bool:
        """Delete one; False where there was none."""
        async with self._turn:
            if name not in await self._loaded():
                return False
            await whole(self._gone(name))
            return True

    async def need_free(self, name: TableName, size: int = 0) -> None:
        """Raises Exists, RoomFull where no further database of that name, and size, can be."""
        async with self._turn:
            self._need_free(await self._loaded(), name)
            self._share.need(size)

    async def adopt(self, name: TableName, path: Path, size: int) -> None:
        """Make one of a file that nobody has open, which is moved.  Raises Exists, RoomFull."""
        async with self._turn, self._share.turn:
            names = await self._loaded()
            self._need_free(names, name)
            self._share.need(size)
            await whole_on_disk(self._adopt, names, name, path, size)

    def _adopt(self, names: dict[TableName, str], name: TableName, path: Path, size: int) -> None:
        file = _file_name(name)
        self._write({**names, name: file})  # first: without power in between it is empty
        try:
            path.replace(self._folder / file)
        except OSError:
            self._write(names)
            raise
        self._share.add(file, size)

    def temporary(self, name: str) -> Path:
        """Where a file may be that is none of the databases; one that is left is removed later."""
        return self._folder / f"{_COPY}{name}"

    async def beside(self, work: Callable[[], T]) -> T:
        """Run something that takes time and needs no database."""
        return await (await self.begun(work))

    async def begun(self, work: Callable[[], T]) -> asyncio.Future[T]:
        """As `beside`, for who wants to end it before it is done."""
        return await THREADS.run(self._folder, work)

    async def close(self) -> None:
        """Let go of the files."""
        async with self._turn:
            while self._open:
                await whole(self._open.popitem()[1].file.close())

    @asynccontextmanager
    async def _used(self, name: TableName) -> AsyncIterator[tuple[TableFile, str]]:
        """One of them, which stays open for this long.  Raises NotFound."""
        async with self._turn:
            path = await self._path(name)
            opened = self._open.pop(name, None) or _Opened(
                TableFile(self._folder, self.bounds, name=path, kind=KIND, turn=self._share.turn)
            )
            opened.users += 1
            self._open[name] = opened  # behind the others, which are idle for longer
            try:
                await self._close_idle()
            except BaseException:
                opened.users -= 1
                raise
        try:
            yield opened.file, path
        finally:
            opened.users -= 1

    async def _close_idle(self) -> None:
        idle = [name for name, opened in self._open.items() if not opened.users]
        for name in idle[: max(len(self._open) - MAX_OPEN, 0)]:
            await whole(self._open.pop(name).file.close())

    def _need_free(self, names: Mapping[TableName, str], name: TableName) -> None:
        if name in names:
            raise Exists(f"database {str(name)!r} exists already")
        if len(names) >= MAX_DATABASES:
            raise RoomFull(f"the room has {MAX_DATABASES} databases already", cure="Drop some.")

    async def _path(self, name: TableName) -> str:
        file = (await self._loaded()).get(name)
        if file is None:
            raise NotFound(f"database {str(name)!r} does not exist", cure="Create it first.")
        return file

    async def _gone(self, name: TableName) -> None:
        names = dict(await self._loaded())
        file = names.pop(name)
        if (opened := self._open.pop(name, None)) is not None:
            await opened.file.close()
        await on_disk(_removed, self._folder / file)  # first: a name without a file is an empty one
        self._share.forget(file)
        await self._written(names)

    async def _loaded(self) -> dict[TableName, str]:
        if self._names is None:
            names = await on_disk(self._read)
            self._share.begin(await on_disk(self._sizes, names))
            self._names = names
        return self._names

    def _sizes(self, names: Mapping[TableName, str]) -> dict[str, int]:
        return {file: _size(self._folder / file) for file in names.values()}

    def _read(self) -> dict[TableName, str]:
        for left in self._folder.glob(f"{_COPY}*"):  # by a server that died
            left.unlink(missing_ok=True)
        try:
            listed = json.loads(plain_file.read(self._folder / _NAMES, most_bytes=_MOST_BYTES))
            return {TableName(one["name"], tuple(one["namespace"])): str(one["file"]) for one in listed}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, KeyError, TypeError) as error:
            # An empty list in its place would lose them all at the next one that is made.
            raise RoomError(
                f"the list of the room's databases cannot be read: {type(error).__name__}",
                cure=f"Put {_NAMES} of the room's folder back from a backup.",
            ) from None

    async def _written(self, names: dict[TableName, str]) -> None:
        await whole_on_disk(self._write, names)

    def _write(self, names: dict[TableName, str]) -> None:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        listed = [
            {"name": name.name, "namespace": list(name.namespace), "file": file}
            for name, file in names.items()
        ]
        kept_file.write(self._folder / _NAMES, json.dumps(listed))
        self._names = names


def _file_name(name: TableName) -> str:
    told = json.dumps([*name.namespace, name.name]).encode()
    return f"{_BEGIN}{hashlib.sha256(told).hexdigest()[:32]}.sqlite3"


def _beside(path: Path) -> list[Path]:
    return [path.with_name(path.name + ending) for ending in ("", "-wal", "-shm")]


def _size(path: Path) -> int:
    size = 0
    for one in _beside(path):
        with suppress(FileNotFoundError):  # what is beside it comes and goes
            size += os.stat(one).st_size
    return size


def _removed(path: Path) -> None:
    for one in _beside(path):
        one.unlink(missing_ok=True)


def _removed_while_open(name: TableName) -> NoReturn:
    raise RoomError(
        f"the file of database {str(name)!r} was removed while it was open",
        cure="Drop the database and create it again, or restore it from a copy.",
    )
