"""The state folder: made, kept out of version control, written by this user and read by nobody else."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Final

from runtime.errors import ConfigError
from runtime.front.home import contents
from runtime.settings import Settings

USUAL_NAME: Final = ".bulkhead"
_IGNORE: Final = "# Journal, rooms and keys of a server: nothing to commit.\n*\n"
MAX_CLOSED: Final = 20_000
"""Files of rooms that are looked at, at a start."""


def claim(folder: Path) -> Path:
    """The folder in which this process can keep its state; made, with a ``.gitignore``, where it is missing.

    A folder that holds another user's files but may be written to, as a container's volume after its
    ``user:`` was changed, is shared: this user's state is in a folder of its own in it.

    Raises:
        ConfigError: Neither the folder nor one in it can be written.
    """
    is_new = _make(folder)
    # A folder that was there and is called otherwise may be anybody's.
    usual = next((one for one in (folder, *folder.parents) if one.name == USUAL_NAME), None)
    if usual is not None or is_new:
        _ignore(usual or folder)
    if is_new or _is_ours(folder):
        _close(folder, usual or folder, is_new=is_new)
        return folder
    own = own_part(folder)
    if os.access(folder, os.W_OK | os.X_OK):
        _make(own)
        if _is_ours(own):
            _close(own, own, is_new=True)
            return own
    ways = f"chown -R {whose()} {folder}, or run as the user it belongs to, or name another"
    raise ConfigError(
        f"user {whose()} cannot write to the state folder {folder}", cure=f"{ways}: BULKHEAD_STATE_DIR."
    )


def claimed(settings: Settings) -> Settings:
    """The settings with the folder that `claim` found; a warning when it is not the one they name."""
    from runtime.logs import get_logger  # not for commands, which only look for a server

    asked = settings.server.state_dir
    found = claim(asked)
    if found != asked:
        get_logger("server").warning(
            "server.state_folder_shared",
            detail=f"{asked} holds files of another user: this server's state is in {found}",
            cure=f"To go on with what is there, give it to this user: chown -R {whose()} {asked}",
        )
    if settings.confinement.uids:
        let_through(found)
    return replace(settings, server=replace(settings.server, state_dir=found))


def let_through(folder: Path) -> None:
    """Let the users of bundles reach what is theirs in the folder, by its path: nobody else's can be listed.

    What is to be read by us alone is closed itself.
    """
    top = next((one for one in (folder, *folder.parents) if one.name == USUAL_NAME), folder)
    for path in (folder / contents.ENVIRONMENTS, folder, *folder.parents):
        with suppress(OSError):
            path.chmod(stat.S_IMODE(path.stat().st_mode) | 0o011)
        if path == top:
            break


def where(folder: Path) -> Path:
    """The folder that `claim` would find, as it is now: nothing is made or changed."""
    own = own_part(folder)
    return own if folder.is_dir() and not _is_ours(folder) and own.is_dir() else folder


def own_part(folder: Path) -> Path:
    """Where this user's state is in a folder that holds another user's."""
    return folder / f"user-{os.geteuid()}"


def _make(folder: Path) -> bool:
    """Whether it had to be made."""
    try:
        folder.mkdir(parents=True, mode=0o700)
    except FileExistsError:
        if folder.is_dir():
            return False
        raise ConfigError(f"{folder} is no folder", cure="Name another: BULKHEAD_STATE_DIR.") from None
    except OSError as error:
        cure = f"Make it for user {whose()}, or name another: BULKHEAD_STATE_DIR."
        raise ConfigError(f"the state folder {folder} cannot be made: {error.strerror}", cure=cure) from error
    return True


def _close(folder: Path, top: Path, *, is_new: bool) -> None:
    """Let nobody else read what is kept here, whatever the umask is, or was when it was made.

    A folder that was there and has other things in it keeps its mode, as does a volume that several users
    write to: it is what is kept there that is closed.  Environments stay as they are: programs of others.
    """
    others = is_new or top.name == USUAL_NAME or not _has_strangers(folder)
    if others and not folder.stat().st_mode & stat.S_ISVTX:
        inner = folder
        while True:
            shut(inner)
            if inner == top:
                break
            inner = inner.parent
    for count, path in enumerate(contents.kept(folder)):
        shut(path)
        if count > MAX_CLOSED:
            break  # all of it lies behind a folder that is closed


def _has_strangers(folder: Path) -> bool:
    return any(not contents.is_known(name) for name in os.listdir(folder))


def shut(path: Path) -> None:
    """Take from others what they may do with a file or folder of ours."""
    with suppress(OSError):  # it has just gone, or is another's
        found = path.lstat()
        mode = stat.S_IMODE(found.st_mode)
        is_plain = stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode)
        if is_plain and found.st_uid == os.geteuid() and mode & 0o077:
            path.chmod(mode & ~0o077)


def _is_ours(folder: Path) -> bool:
    there = (path for name in contents.WRITTEN if (path := folder / name).exists())
    present: Iterable[Path] = (folder, *there)
    return all(os.access(path, os.W_OK | (os.X_OK if path.is_dir() else 0)) for path in present)


def _ignore(folder: Path) -> None:
    file = folder / ".gitignore"
    if file.exists():
        return
    try:
        file.write_text(_IGNORE)
    except OSError:
        return  # said where it matters: nothing else can be written then either


def whose() -> str:
    """This user and group, as chown takes them."""
    return f"{os.geteuid()}:{os.getegid()}"
