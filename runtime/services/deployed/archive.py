"""A bundle as it travels: a tar of files and folders, and nothing else.

What comes is somebody else's: no name leads out of the folder that it is unpacked into, no link is followed
or made, and no more is written than is bearable, whatever the archive promises.
"""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
import zlib
from pathlib import Path, PurePosixPath
from typing import Final

from runtime.errors import InvalidRequest, StoreFull

MAX_ARCHIVE_BYTES: Final = 32 << 20
"""Of what is sent."""
MAX_BYTES: Final = 128 << 20
"""Of the files in it together."""
MAX_FILES: Final = 5000
MAX_PATH_CHARS: Final = 512
_PIECE_BYTES: Final = 1 << 20
_SMALLER: Final = "Leave out what the agent does not need: name it in .bulkheadignore."


def unpack(archive: bytes, folder: Path) -> str:
    """Write what is in an archive into an empty folder; its digest.  Blocks.

    Raises:
        InvalidRequest: It is no archive of a bundle, or too large a one.
        StoreFull: The disk takes no more.
    """
    count = total = 0
    try:
        with tarfile.open(fileobj=io.BytesIO(archive), mode="r|*") as tar:
            for member in tar:
                count += 1
                if count > MAX_FILES:
                    raise InvalidRequest(f"it has more than {MAX_FILES} files and folders", cure=_SMALLER)
                place = _place(folder, member)
                if member.isdir():
                    place.mkdir(mode=0o755, parents=True, exist_ok=True)
                    continue
                total += member.size
                if total > MAX_BYTES:
                    raise InvalidRequest(f"its files have more than {MAX_BYTES >> 20} MiB", cure=_SMALLER)
                source = tar.extractfile(member)
                assert source is not None  # it is a file
                place.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
                mode = 0o755 if member.mode & 0o111 else 0o644
                with open(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
                    while piece := source.read(_PIECE_BYTES):
                        file.write(piece)
    except (FileExistsError, NotADirectoryError, IsADirectoryError):
        raise InvalidRequest("one path stands in it twice", cure="Pack it anew.") from None
    except (tarfile.TarError, zlib.error, EOFError, UnicodeError) as error:
        told = f"the body is no tar of a bundle: {str(error)[:200]}"
        raise InvalidRequest(told, cure="Send it with: bulkhead deploy PATH") from error
    except OSError as error:
        raise StoreFull(f"it cannot be unpacked: {error.strerror}", cure="Make room on the disk.") from error
    if not (folder / "main.py").is_file():
        raise InvalidRequest("it has no main.py", cure="A bundle is a folder with a main.py that serves.")
    return digest(folder)


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


def _place(folder: Path, member: tarfile.TarInfo) -> Path:
    name = member.name.removeprefix("./")
    path = PurePosixPath(name)
    if member.issym() or member.islnk():
        raise InvalidRequest(f"{name[:100]!r} is a link", cure="Send the file that it leads to.")
    if not (member.isfile() or member.isdir()):
        raise InvalidRequest(f"{name[:100]!r} is no file", cure="Leave it out.")
    if path.is_absolute() or ".." in path.parts or "\0" in name or len(name) > MAX_PATH_CHARS:
        raise InvalidRequest(f"{name[:100]!r} is no path within the bundle", cure="Pack it anew.")
    return folder.joinpath(*path.parts)
