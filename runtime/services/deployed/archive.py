"""A bundle as it travels: a tar of files and folders, and nothing else.

What comes is somebody else's: no name leads out of the folder that it is unpacked into, no link is followed
or made, and no more is written than is bearable, whatever the archive promises.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import tarfile
import zlib
from pathlib import Path, PurePosixPath
from typing import Final

from runtime.errors import InvalidRequest, StoreFull
from runtime.wire.text import utf8_text

MAX_ARCHIVE_BYTES: Final = 32 << 20
"""Of what is sent."""
MAX_BYTES: Final = 128 << 20
"""Of the files in it together."""
MAX_FILES: Final = 5000
MAX_PATH_CHARS: Final = 512
_MAX_PART_BYTES: Final = 255
_HEADER_BYTES: Final = 4096
_HEADERS_BYTES: Final = 1 << 20
"""What headers take: of each file, and beside those."""
_PIECE_BYTES: Final = 1 << 20
_SMALLER: Final = "Leave out what the agent does not need: name it in .bulkheadignore."


def unpack(archive: bytes, folder: Path) -> str:
    """Write what is in an archive into an empty folder; its digest.  Blocks.

    Raises:
        InvalidRequest: It is no archive of a bundle, or too large a one.
        StoreFull: The disk takes no more.
    """
    count = total = 0
    places: set[PurePosixPath] = set()
    source_of_all = _Bounded(archive)
    try:
        with tarfile.open(fileobj=source_of_all, mode="r|") as tar:
            for member in tar:
                count += 1
                path = _path(member)
                places.update((path, *path.parents))  # folders that are not named are made, too
                if max(count, len(places) - 1) > MAX_FILES:
                    raise InvalidRequest(f"it has more than {MAX_FILES} files and folders", cure=_SMALLER)
                place = folder.joinpath(*path.parts)
                if member.isdir():
                    place.mkdir(mode=0o755, parents=True, exist_ok=True)
                    continue
                total += member.size
                if total > MAX_BYTES:
                    raise InvalidRequest(f"its files have more than {MAX_BYTES >> 20} MiB", cure=_SMALLER)
                source_of_all.allow(member.size)
                source = tar.extractfile(member)
                assert source is not None  # it is a file
                place.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
                mode = 0o755 if member.mode & 0o111 else 0o644
                with open(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
                    while piece := source.read(_PIECE_BYTES):
                        file.write(piece)
    except (FileExistsError, NotADirectoryError, IsADirectoryError):
        raise InvalidRequest("one path stands in it twice", cure="Pack it anew.") from None
    except (tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError, UnicodeError) as error:
        told = f"the body is no tar of a bundle: {str(error)[:200]}"
        raise InvalidRequest(told, cure="Send it with: bulkhead deploy PATH") from error
    except OSError as error:
        raise StoreFull(f"it cannot be unpacked: {error.strerror}", cure="Make room on the disk.") from error
    if not (folder / "main.py").is_file():
        raise InvalidRequest("it has no main.py", cure="A bundle is a folder with a main.py that serves.")
    return digest(folder)


def pack(folder: Path) -> bytes:
    """What is in a folder that `unpack` made, the same each time; without what running it left.  Blocks.

    Raises:
        OSError: It cannot be read.
    """
    buffer = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=buffer, mode="wb", compresslevel=6, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        for path in sorted(folder.rglob("*")):
            name = path.relative_to(folder).as_posix()
            if "__pycache__" in name.split("/"):
                continue
            member = tarfile.TarInfo(name)
            if path.is_dir():
                member.type = tarfile.DIRTYPE
                tar.addfile(member)
                continue
            with path.open("rb") as file:
                member.size = os.fstat(file.fileno()).st_size
                member.mode = 0o755 if os.access(path, os.X_OK) else 0o644
                tar.addfile(member, file)
    return buffer.getvalue()


def digest(folder: Path) -> str:
    """The sha256 of what is in a folder: paths, contents and whether a file can be run.  Blocks."""
    whole = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        of_file = hashlib.sha256()
        with path.open("rb") as file:
            while piece := file.read(_PIECE_BYTES):
                of_file.update(piece)
        runs = "x" if os.access(path, os.X_OK) else "-"
        whole.update(f"{path.relative_to(folder).as_posix()}\0{runs}\0{of_file.hexdigest()}\n".encode())
    return whole.hexdigest()


class _Bounded(io.BufferedIOBase):
    """A tar as it is read: what its headers promise is read only as far as files may be."""

    def __init__(self, archive: bytes) -> None:
        packed = io.BytesIO(archive)
        self._source = gzip.GzipFile(fileobj=packed) if archive.startswith(b"\x1f\x8b") else packed
        self._left = _HEADERS_BYTES

    def allow(self, size: int) -> None:
        """A file of that size comes."""
        self._left += size + _HEADER_BYTES

    def read(self, size: int | None = -1, /) -> bytes:
        piece = self._source.read(size)
        self._left -= len(piece)
        if self._left < 0:
            raise InvalidRequest("the headers of its files are too long", cure="Pack it anew.")
        return piece


def _path(member: tarfile.TarInfo) -> PurePosixPath:
    name = member.name.removeprefix("./")
    path = PurePosixPath(name)
    if member.issym() or member.islnk():
        raise InvalidRequest(f"{name[:100]!r} is a link", cure="Send the file that it leads to.")
    if not (member.isfile() or member.isdir()):
        raise InvalidRequest(f"{name[:100]!r} is no file", cure="Leave it out.")
    if path.is_absolute() or ".." in path.parts or "\0" in name or len(name) > MAX_PATH_CHARS:
        raise InvalidRequest(f"{name[:100]!r} is no path within the bundle", cure="Pack it anew.")
    if utf8_text(name) != name or any(len(part.encode()) > _MAX_PART_BYTES for part in path.parts):
        raise InvalidRequest(f"{name[:100]!r} is no name of a file", cure="Give it another.")
    return path
