"""A backup put back: read through and checked to its end before anything is touched, then moved into place.

A backup may come from anywhere.  Only regular files and folders with the names that a backup has are taken,
each with its sum; nothing leaves the folder, and no more is written than the manifest and the disk allow.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import shutil
import sqlite3
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Final

import msgspec

from runtime.errors import RuntimeServiceError
from runtime.front.home import contents, databases
from runtime.front.home.backup import BLOCK_BYTES, FORMAT, MANIFEST, Kept, Manifest

MAX_MANIFEST_BYTES: Final = 256 << 20
MAX_MEMBERS: Final = 5_000_000
SPARE_BYTES: Final = 16 << 20
_ROOTS: Final = frozenset({*contents.DATABASES, *contents.SINGLE, *contents.COPIED})
_AGAIN: Final = "Nothing was changed. Take another backup."


class BackupUnusable(RuntimeServiceError):
    """A file is no backup, or damaged, or cannot be put back here."""

    code = "backup_unusable"


class Restored(msgspec.Struct, frozen=True):
    """What was put back.

    Attributes:
        aside: Where what was there is now; None when nothing was.
    """

    manifest: Manifest
    aside: Path | None


def verify(path: Path) -> Manifest:
    """Read a backup to its end, writing nothing.

    Raises:
        BackupUnusable: It is none, damaged, or of a newer version.
    """
    files: dict[str, Kept] = {}
    folders: list[str] = []
    manifest = None
    for member, stream in _members(path):
        if manifest is not None:
            raise BackupUnusable(f"{path} has more behind its manifest", cure=_AGAIN)
        if member.name == MANIFEST:
            manifest = _manifest(path, member, stream)
        elif stream is None:
            folders.append(member.name)
        else:
            files[member.name] = Kept(member.size, _sum(path, stream).hexdigest())
    if manifest is None:
        raise BackupUnusable(f"{path} is no whole backup: its manifest is missing", cure=_AGAIN)
    for name in sorted(files.keys() | manifest.files.keys()):
        found, told = files.get(name), manifest.files.get(name)
        if found != told:
            what = "is missing" if found is None else "is not in its manifest"
            wrong = "is not what was saved (its checksum is wrong)" if found and told else what
            raise BackupUnusable(f"{path} is damaged: {name} {wrong}", cure=_AGAIN)
    if sorted(folders) != sorted(manifest.folders):
        raise BackupUnusable(f"{path} is damaged: its folders are not those of its manifest", cure=_AGAIN)
    return manifest


def restore(path: Path, folder: Path, *, force: bool, stamp: str) -> Restored:
    """Put a backup into a folder that is new or has no state; with `force`, what is there is moved aside.

    Args:
        stamp: Makes the name of what is moved aside.

    Raises:
        BackupUnusable: The backup cannot be used, or not here.
        OSError: The folder cannot be written; what was in it is as it was.
    """
    manifest = verify(path)
    there = _state_in(folder)
    for unit in contents.units(folder) if folder.is_dir() else ():
        if databases.is_in_use(unit / contents.JOURNAL):
            raise BackupUnusable(f"a server uses {unit}", cure="Stop it first; nothing was changed.")
    if there and not force:
        names = ", ".join(there)
        cure = "Name another with --state-dir, or move what is there aside with --force. Nothing was changed."
        raise BackupUnusable(f"{folder} has state already ({names})", cure=cure)
    is_new = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    staged = folder / f"{contents.RESTORING}{stamp}"
    aside = folder / f"{contents.BEFORE}{stamp}" if there else None
    try:
        _check_space(folder, manifest)
        staged.mkdir(mode=0o700)
        _unpack(path, manifest, staged)
        _check_databases(path, staged)
        _give_to_owner(folder, staged)
        _exchange(folder, staged, there, aside)
    finally:
        shutil.rmtree(staged, ignore_errors=True)
        if is_new and not os.listdir(folder):
            folder.rmdir()
    return Restored(manifest, aside)


@contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except (tarfile.ReadError, gzip.BadGzipFile) as error:
        if "unexpected end" in str(error) or "end-of-stream" in str(error):
            raise BackupUnusable(f"{path} is cut off: {error}", cure=_AGAIN) from error
        cure = "Name a file that `bulkhead backup` made. Nothing was changed."
        raise BackupUnusable(f"{path} is no backup: {error}", cure=cure) from error
    except EOFError as error:
        raise BackupUnusable(f"{path} is cut off", cure=_AGAIN) from error
    except (zlib.error, tarfile.TarError, UnicodeError, ValueError, OverflowError) as error:
        raise BackupUnusable(f"{path} is damaged: {error}", cure=_AGAIN) from error
    except OSError as error:
        cure = "Check its name, its owner and its disk. Nothing was changed."
        raise BackupUnusable(f"{path} cannot be read: {error.strerror or error}", cure=cure) from error


def _members(path: Path) -> Iterator[tuple[tarfile.TarInfo, IO[bytes] | None]]:
    """All members, each with its bytes, or None for a folder."""
    seen = set[str]()
    with _told(path), gzip.open(path, "rb") as unzipped, tarfile.open(fileobj=unzipped, mode="r|") as tar:
        for member in tar:
            _check_name(path, member)
            if member.name in seen or len(seen) > MAX_MEMBERS:
                raise BackupUnusable(f"{path} is damaged: it has {member.name!r:.80} twice", cure=_AGAIN)
            seen.add(member.name)
            yield member, (tar.extractfile(member) if member.isreg() else None)
        while unzipped.read(BLOCK_BYTES):  # to the end, where the sum of all of it is
            pass


def _check_name(path: Path, member: tarfile.TarInfo) -> None:
    name = member.name
    parts = PurePosixPath(name).parts
    safe = str(PurePosixPath(name)) == name and not name.startswith("/") and ".." not in parts
    # A sparse file says by itself how large it is.
    plain = member.type in (tarfile.REGTYPE, tarfile.AREGTYPE) and not member.issparse()
    safe = safe and "\0" not in name and (plain or member.isdir())
    if safe and parts[:1] == (contents.HOSTS,) and len(parts) > 2:
        parts = parts[2:]
    elif safe and parts[:1] == (contents.RUN,) and len(parts) > 1:
        parts = parts[1:]
    if not safe or not (name == MANIFEST or parts[0] in _ROOTS):
        raise BackupUnusable(
            f"{path} has {name!r:.80}, which no backup has",
            cure="It was not made by `bulkhead backup`, or was changed since. Nothing was changed here.",
        )


def _manifest(path: Path, member: tarfile.TarInfo, stream: IO[bytes] | None) -> Manifest:
    with _told(path):
        raw = b"" if stream is None or member.size > MAX_MANIFEST_BYTES else stream.read()
    try:
        told = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
        number = msgspec.json.decode(told["format"], type=int)
        if number > FORMAT:
            raise BackupUnusable(
                f"{path} was made by a newer version (format {number}, this one knows {FORMAT})",
                cure="Restore it with that version. Nothing was changed.",
            )
        manifest = msgspec.json.decode(raw, type=Manifest)
    except (msgspec.MsgspecError, KeyError, RecursionError) as error:
        about = f"{path} is damaged: its manifest cannot be read: {error}"
        raise BackupUnusable(about, cure=_AGAIN) from error
    for name, version in manifest.schemas.items():
        known = databases.VERSIONS.get(name, 0)
        if version > known:
            raise BackupUnusable(
                f"{path} was made by a newer version ({manifest.version}): {name} has schema {version}, "
                f"this one knows {known}",
                cure="Restore it with that version. Nothing was changed.",
            )
    return manifest


def _sum(path: Path, stream: IO[bytes], into: IO[bytes] | None = None) -> hashlib._Hash:
    seen = hashlib.sha256()
    while True:
        with _told(path):
            block = stream.read(BLOCK_BYTES)
        if not block:
            return seen
        seen.update(block)
        if into is not None:
            into.write(block)


def _state_in(folder: Path) -> list[str]:
    """What of a state is there, and would be replaced."""
    if folder.exists() and not folder.is_dir():
        raise BackupUnusable(f"{folder} is no folder", cure="Name another with --state-dir.")
    names = sorted(os.listdir(folder)) if folder.is_dir() else []
    stays = (".gitignore", contents.ENVIRONMENTS)
    known = [name for name in names if contents.is_known(name) and not name.startswith(contents.ASIDE)]
    if contents.is_state(folder / contents.RUN):
        known.append(contents.RUN)
    return [name for name in known if name not in stays]


def _check_space(folder: Path, manifest: Manifest) -> None:
    needed = sum(one.size for one in manifest.files.values()) + 4096 * len(manifest.folders) + SPARE_BYTES
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise BackupUnusable(
            f"the backup needs {needed >> 20} MiB, and {free >> 20} MiB are free where {folder} is",
            cure="Free some space. Nothing was changed.",
        )


def _unpack(path: Path, manifest: Manifest, staged: Path) -> None:
    for member, stream in _members(path):
        target = staged / member.name
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if stream is None:
            target.mkdir(exist_ok=True, mode=0o700)
        elif member.name != MANIFEST:
            descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                found = _sum(path, stream, file).hexdigest()
                file.flush()
                os.fsync(file.fileno())
            if found != manifest.files[member.name].sha256:
                raise BackupUnusable(f"{path} was changed while it was read", cure=_AGAIN)


def _check_databases(path: Path, staged: Path) -> None:
    for unit in contents.units(staged):
        for name in contents.DATABASES:
            if (unit / name).exists():
                try:
                    with databases.opened(unit / name) as db:
                        wrong = databases.complaints(db)
                except sqlite3.Error as error:
                    wrong = [str(error)]
                if wrong:
                    raise BackupUnusable(f"{path} is damaged: {name}: {wrong[0]}", cure=_AGAIN)


def _give_to_owner(folder: Path, staged: Path) -> None:
    """Where root restores for another user, it is that user's."""
    owner = folder.stat()
    if os.geteuid() == 0 and owner.st_uid != 0:
        for above, _, files in os.walk(staged):
            for one in (above, *(os.path.join(above, name) for name in files)):
                os.chown(one, owner.st_uid, owner.st_gid)


def _exchange(folder: Path, staged: Path, there: list[str], aside: Path | None) -> None:
    """Renames alone; the journal last, so that what is there of a restore that is cut off is no state."""
    if aside is not None:
        aside.mkdir(mode=0o700)
        for name in there:
            os.rename(folder / name, aside / name)
    for name in sorted(os.listdir(staged), key=lambda name: name == contents.JOURNAL):
        os.rename(staged / name, folder / name)
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
