"""A state folder as one file: a compressed tar whose last member tells what every other one is.

Databases are copied by SQLite, by a server that runs (`runtime.front.operator.kept.snapshot`) or in a folder
that nobody uses, and come first: what they tell of is in the rooms that are read after them.  Files of rooms
are written whole and renamed, so each is as it was at one moment.  Not in it: environments, made again;
what is being uploaded; `server.json`, which is a running server's.
"""

from __future__ import annotations

import errno
import gzip
import hashlib
import os
import shutil
import sqlite3
import stat
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from io import BytesIO
from itertools import chain
from pathlib import Path
from typing import IO, Final

import msgspec

import runtime
from runtime.clock import iso
from runtime.errors import ConfigError
from runtime.files.tree import Tree
from runtime.front.home import contents, databases
from runtime.front.home.state_folder import whose
from runtime.session.journal.file import copy

FORMAT: Final = 1
MANIFEST: Final = "manifest.json"
BLOCK_BYTES: Final = 1 << 20
MOST_PATH_BYTES: Final = 2048
"""Participants name a file of a room with half of that; what runs beside a room makes longer ones."""
HOLLOW_BYTES: Final = 64 << 20
HOLLOW_TIMES: Final = 64
"""A file of so many bytes that are so many times those on the disk: nothing that takes hours to read."""
BUSY_S: Final = 10.0
"""As long as a room may be writing its tables."""


class Kept(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file in a backup."""

    size: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a backup has.

    Attributes:
        format: Of the backup; a newer one is not read.
        version: Of the program that made it.
        made_at: RFC 3339.
        schemas: Of the databases, by name.
        folders: All folders, also empty ones: a room is known by its folder.
        files: All others, by their path in the state folder.
    """

    format: int
    version: str
    made_at: str
    schemas: dict[str, int]
    folders: list[str]
    files: dict[str, Kept]


class Summary(msgspec.Struct):
    """What was copied."""

    file_count: int = 0
    size_bytes: int = 0
    room_count: int = 0
    skipped: list[str] = msgspec.field(default_factory=list)


def make(
    folder: Path, target: IO[bytes], *, at: float, snapshot_of: Callable[[Path], Path | None]
) -> Summary:
    """Write a backup of a state folder, and of those in it.

    Args:
        at: Seconds since the epoch.
        snapshot_of: Asks the server of a folder that is in use for a copy of its databases; the folder with
            the copies, which is removed afterwards.  None when there is nobody to ask.

    Raises:
        ConfigError: It is no state folder, or another user's, or in use by somebody who cannot be asked.
        OSError, sqlite3.Error: It cannot be read, or the backup not be written.
    """
    if not folder.is_dir() or not any(map(contents.is_state, contents.units(folder))):
        cure = "Name it with --state-dir, or BULKHEAD_STATE_DIR."
        raise ConfigError(f"{folder} is no state folder: there is nothing to back up", cure=cure)
    with ExitStack() as held:
        scratch = Path(held.enter_context(tempfile.TemporaryDirectory(prefix="bulkhead-backup-")))
        packing = held.enter_context(_Packing(target, at=at))
        for number, unit in enumerate(contents.units(folder)):
            inner = "" if unit == folder else f"{unit.relative_to(folder)}/"
            copies = _copies(unit, scratch / str(number), snapshot_of, held)
            for name, copied in copies.items():
                packing.schema(name, copied)
                packing.file(inner + name, copied)
            _pack_rest(unit, inner, packing, scratch / str(number))
        return packing.end()


def _copies(
    unit: Path, scratch: Path, snapshot_of: Callable[[Path], Path | None], held: ExitStack
) -> dict[str, Path]:
    """Copies of the databases by name, all of one moment; nobody begins to use them meanwhile."""
    found: dict[str, Path] = {}
    scratch.mkdir()
    try:
        for name in contents.DATABASES:
            path = unit / name
            if path.exists() and path.stat().st_size:
                db = held.enter_context(databases.opened(path))
                copy(db, scratch / name)
                found[name] = scratch / name
    except databases.InUse as error:
        copies = snapshot_of(unit)
        if copies is None:
            cure = "Stop it, or see why it does not answer, and try again."
            raise ConfigError(f"{error.message}, which cannot be asked for a copy", cure=cure) from error
        held.callback(shutil.rmtree, copies, ignore_errors=True)
        return {name: copies / name for name in contents.DATABASES if (copies / name).is_file()}
    except sqlite3.OperationalError as error:
        if "readonly" not in str(error) and "unable to open" not in str(error):
            raise
        raise ConfigError(
            f"user {whose()} cannot read the databases in {unit}: {error}",
            cure="Run it as the user it belongs to.",
        ) from error
    return found


def _pack_rest(unit: Path, inner: str, packing: _Packing, scratch: Path) -> None:
    for name in contents.SINGLE:
        if (unit / name).is_file():
            packing.file(inner + name, unit / name)
    for path in chain.from_iterable(_in_rooms(unit / name, packing, unit) for name in contents.COPIED):
        name = inner + str(path.relative_to(unit))
        try:
            about = path.lstat()
        except OSError:
            continue  # somebody in the room has just deleted it
        mode = about.st_mode
        if not _can_be_named(name) or _is_hollow(about):
            packing.skip(name)
        elif stat.S_ISDIR(mode):
            packing.folder(name)
        elif stat.S_ISREG(mode) and path.parent == _tables_of(path, unit):
            if path.suffix == ".sqlite3":  # not what is beside it, which the copy has in it
                _pack_tables(path, name, packing, scratch / path.name)
        elif stat.S_ISREG(mode):
            try:
                opened = Tree(unit).opened(str(path.relative_to(unit)))
            except FileNotFoundError:
                continue  # somebody in the room has just deleted it
            except OSError as error:
                closed = error.errno == errno.EACCES and _is_of_rooms(path, unit)
                if not closed and error.errno not in (errno.ELOOP, errno.ENOTDIR, errno.EINVAL):
                    raise
                # A container of the room has put something else in its place, or closed it.
                packing.skip(name)
                continue
            packing.file(name, opened)
        else:
            packing.skip(name)


def _is_of_rooms(path: Path, unit: Path) -> bool:
    """Whether it lies where containers of rooms write as well, whatever they like."""
    return path.is_relative_to(unit / contents.ROOMS)


def _can_be_named(name: str) -> bool:
    try:
        return len(name.encode()) <= MOST_PATH_BYTES
    except UnicodeEncodeError:
        return False


def _is_hollow(about: os.stat_result) -> bool:
    is_large = stat.S_ISREG(about.st_mode) and about.st_size > HOLLOW_BYTES
    return is_large and about.st_blocks * 512 * HOLLOW_TIMES < about.st_size


def _tables_of(path: Path, unit: Path) -> Path | None:
    """The folder of tables of the room whose file this is; None for a file of no room."""
    if not path.is_relative_to(unit / contents.ROOMS):
        return None
    parts = path.relative_to(unit / contents.ROOMS).parts
    return unit / contents.ROOMS / Path(*parts[:2]) / contents.TABLES if len(parts) == 4 else None


def _pack_tables(path: Path, name: str, packing: _Packing, copied: Path) -> None:
    """As they are in this moment, whether a server uses them or not."""
    with closing(sqlite3.connect(path, timeout=BUSY_S)) as db:
        copy(db, copied)
    packing.file(name, copied)
    copied.unlink()


def _in_rooms(rooms: Path, packing: _Packing, unit: Path) -> Iterator[Path]:
    """The folder and all in it but what is being written, and what others have closed or buried."""
    if not rooms.is_dir():
        return

    def tell(error: OSError) -> None:
        if error.errno == errno.ENOENT:
            return
        if error.errno != errno.EACCES or not _is_of_rooms(path := Path(error.filename), unit):
            raise error
        packing.skip(str(path.relative_to(unit)))

    for above, folders, files in os.walk(rooms, onerror=tell):
        here = Path(above)
        if not _can_be_named(str(here.relative_to(unit))):
            folders.clear()
            files.clear()
        if here.parent == rooms / "data" and contents.STAGING in folders:
            folders.remove(contents.STAGING)
        yield here
        for name in sorted(folders):
            if (here / name).is_symlink():
                yield here / name
        yield from (here / name for name in sorted(files))


class _Packing:
    """The archive that is being written."""

    def __init__(self, target: IO[bytes], *, at: float) -> None:
        self._at = at
        self._zip = gzip.GzipFile(filename="", mode="wb", fileobj=target, compresslevel=6)
        self._tar = tarfile.open(fileobj=self._zip, mode="w", format=tarfile.PAX_FORMAT)  # noqa: SIM115
        self._schemas: dict[str, int] = {}
        self._folders: list[str] = []
        self._files: dict[str, Kept] = {}
        self._told = Summary()

    def __enter__(self) -> _Packing:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError, ValueError):  # said by who wrote last
            self._zip.close()

    def schema(self, name: str, path: Path) -> None:
        with databases.opened(path) as db:
            self._schemas[name] = max(databases.version_of(db), self._schemas.get(name, 0))

    def folder(self, name: str) -> None:
        self._folders.append(name)
        self._told.room_count += Path(name).parent.name == "data"
        self._tar.addfile(self._member(name, tarfile.DIRTYPE, 0o700))

    def file(self, name: str, path: Path | int) -> None:
        """Put a file in, or what a descriptor is of, which is closed."""
        with open(path, "rb") as stream:
            member = self._member(name, tarfile.REGTYPE, 0o600)
            member.size = os.fstat(stream.fileno()).st_size
            member.mtime = int(os.fstat(stream.fileno()).st_mtime)
            seen = _Hashing(stream)
            self._tar.addfile(member, seen)
        self._files[name] = Kept(member.size, seen.sum.hexdigest())
        self._told.file_count += 1
        self._told.size_bytes += member.size

    def skip(self, name: str) -> None:
        self._told.skipped.append(name)

    def end(self) -> Summary:
        manifest = Manifest(
            format=FORMAT,
            version=runtime.__version__,
            made_at=iso(self._at),
            schemas=self._schemas,
            folders=self._folders,
            files=self._files,
        )
        raw = msgspec.json.format(msgspec.json.encode(manifest))
        member = self._member(MANIFEST, tarfile.REGTYPE, 0o600)
        member.size = len(raw)
        self._tar.addfile(member, BytesIO(raw))
        self._tar.close()
        self._zip.close()
        return self._told

    def _member(self, name: str, kind: bytes, mode: int) -> tarfile.TarInfo:
        member = tarfile.TarInfo(name)
        member.type, member.mode, member.mtime = kind, mode, int(self._at)
        return member


class _Hashing:
    """A file whose sum is known when it was read."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream, self.sum = stream, hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        raw = self._stream.read(size)
        self.sum.update(raw)
        return raw
