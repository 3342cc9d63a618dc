"""A folder as it is sent to a server: what is left out, what is in the way, and how it is packed.

Left out is what nobody means to send (caches, environments, repositories, state folders, ``.env``), and what
``.bulkheadignore`` names, a pattern a line: ``*.csv`` for names, ``data/raw`` for paths, ``data/`` for
folders alone.
"""

from __future__ import annotations

import fnmatch
import io
import os
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import msgspec

from runtime.cli.failure import CommandFailed, ExitCode

IGNORE_FILE: Final = ".bulkheadignore"
_NEVER: Final = (
    ".git/", ".hg/", ".svn/", "__pycache__/", "*.pyc", ".venv/", "venv/", "node_modules/", ".bulkhead/",
    ".mypy_cache/", ".pytest_cache/", ".ruff_cache/", ".tox/", ".idea/", ".vscode/", "*.egg-info/",
    ".DS_Store", ".env", IGNORE_FILE,
)  # fmt: skip

_PUT: Final = f"Put there what it leads to, or name it in {IGNORE_FILE}."


class Packed(msgspec.Struct, frozen=True):
    """A bundle that can be sent.

    Attributes:
        has_dotenv: There is a file of variables, which was left out.
    """

    archive: bytes
    file_count: int
    has_dotenv: bool


def packed(path: Path) -> Packed:
    """Pack a folder with a ``main.py``, or a file of Python, which becomes one.

    Raises:
        CommandFailed: It is no bundle, is too large, or a link leads out of it.
    """
    from runtime.services.deployed.archive import MAX_ARCHIVE_BYTES, MAX_BYTES, MAX_FILES

    if path.is_file() and path.suffix == ".py":
        found = [("main.py", path)]
    elif (path / "main.py").is_file():
        found = list(_files(path, _ignored(path)))
    else:
        told = f"{path} is no file of Python" if path.exists() else f"there is no {path}"
        told = f"{path} has no main.py" if path.is_dir() else told
        cure = "Name a folder with a main.py, or a file of Python."
        raise CommandFailed(told, cure=cure, exit_code=ExitCode.USAGE)
    total = sum(file.stat().st_size for _, file in found)
    if len(found) > MAX_FILES or total > MAX_BYTES:
        largest = max(found, key=lambda one: one[1].stat().st_size)
        most = f"{MAX_FILES} of {MAX_BYTES >> 20} MiB are the most"
        raise CommandFailed(
            f"{path} has {len(found)} files of {total >> 20} MiB; {most}",
            cure=f"Name in {IGNORE_FILE} what the agent does not need; the largest is {largest[0]}.",
        )
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", compresslevel=6, format=tarfile.PAX_FORMAT) as tar:
        for name, file in found:
            member = tarfile.TarInfo(name)
            with file.open("rb") as stream:
                member.size = os.fstat(stream.fileno()).st_size
                member.mode = 0o755 if os.access(file, os.X_OK) else 0o644
                tar.addfile(member, stream)
    archive = buffer.getvalue()
    if len(archive) > MAX_ARCHIVE_BYTES:
        raise CommandFailed(
            f"{path} is {len(archive) >> 20} MiB packed; {MAX_ARCHIVE_BYTES >> 20} MiB are the most",
            cure=f"Name in {IGNORE_FILE} what the agent does not need.",
        )
    return Packed(archive, len(found), path.is_dir() and (path / ".env").is_file())


def _files(folder: Path, ignored: Sequence[str]) -> Iterator[tuple[str, Path]]:
    top = folder.resolve()
    for above, folders, names in os.walk(folder, onerror=_cannot):
        here = Path(above).relative_to(folder)
        kept = []
        for name in sorted(folders):
            inner = (here / name).as_posix()
            if _is_ignored(inner, ignored, is_folder=True):
                continue
            if Path(above, name).is_symlink():
                raise CommandFailed(
                    f"{inner} is a link to a folder",
                    cure=_PUT,
                )
            kept.append(name)
        folders[:] = kept
        for name in sorted(names):
            inner, file = (here / name).as_posix(), Path(above, name)
            if _is_ignored(inner, ignored, is_folder=False):
                continue
            if file.is_symlink() and not file.resolve().is_relative_to(top):
                raise CommandFailed(
                    f"{inner} is a link out of {folder}",
                    cure=_PUT,
                )
            if not file.is_file():
                raise CommandFailed(f"{inner} is no file", cure=f"Name it in {IGNORE_FILE}.")
            yield inner, file


def _cannot(error: OSError) -> None:
    raise error  # else what is in it would be missing without a word


def _is_ignored(path: str, patterns: Sequence[str], *, is_folder: bool) -> bool:
    name = path.rpartition("/")[2]
    for pattern in patterns:
        if pattern.endswith("/") and not is_folder:
            continue
        wanted = pattern.strip("/")
        if fnmatch.fnmatchcase(path if "/" in wanted else name, wanted):
            return True
    return False


def _ignored(folder: Path) -> list[str]:
    try:
        lines = (folder / IGNORE_FILE).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        lines = []
    except (OSError, UnicodeDecodeError) as error:
        raise CommandFailed(
            f"{folder / IGNORE_FILE} cannot be read: {error}", cure="Save it as UTF-8."
        ) from None
    own = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    if negated := next((line for line in own if line.startswith("!")), None):
        raise CommandFailed(
            f"{IGNORE_FILE} has {negated!r}: nothing is taken back", cure="Name what to leave out."
        )
    return [*_NEVER, *own]
