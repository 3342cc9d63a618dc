"""The state folder: made, kept out of version control, and one that this user can write to."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Final

from runtime.errors import ConfigError
from runtime.settings import Settings

USUAL_NAME: Final = ".bulkhead"
_IGNORE: Final = "# Journal, rooms and keys of a server: nothing to commit.\n*\n"
_WRITTEN: Final = ("journal.sqlite3", "crashes.sqlite3", "browser_sessions.json", "rooms", "server.json")


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
        return folder
    own = own_part(folder)
    if os.access(folder, os.W_OK | os.X_OK):
        _make(own)
        if _is_ours(own):
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
    return replace(settings, server=replace(settings.server, state_dir=found))


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


def _is_ours(folder: Path) -> bool:
    present: Iterable[Path] = (folder, *(path for name in _WRITTEN if (path := folder / name).exists()))
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
