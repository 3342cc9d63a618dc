"""The folders of rooms on disk: which there are, and what those that are not open have in them.  Blocks."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from urllib.parse import unquote

import msgspec

from runtime.files.removal import remove_folder

MAX_COUNTED_FILES: Final = 10_000
MAX_CLOSED_ROOMS: Final = 200
"""So many of the rooms that are not open are listed."""


class KeptFolder(msgspec.Struct, frozen=True):
    """What a room that is not open has on disk.

    Attributes:
        size_bytes: Of its files and all else; at least, where there are very many.
        used_at: Seconds since the epoch, when the last of it was written.
    """

    room: str
    size_bytes: int
    used_at: float


def kept(room: str, folder: Path, used_at: float) -> KeptFolder:
    """Look at the folder of a room, at ten thousand files of it at most."""
    size_bytes = count = 0
    for above, _, names in os.walk(folder):
        for name in names:
            count += 1
            try:
                found = os.lstat(os.path.join(above, name))
            except OSError:
                continue
            size_bytes += found.st_size
            used_at = max(used_at, found.st_mtime)
        if count > MAX_COUNTED_FILES:
            break
    return KeptFolder(room, size_bytes, used_at)


def entries(folder: Path) -> list[Path]:
    """The folders of all rooms."""
    return [entry for entry in folder.iterdir() if entry.is_dir()] if folder.is_dir() else []


def names(folder: Path) -> list[str]:
    """The names of all rooms that have one."""
    return [unquote(entry.name) for entry in entries(folder)]


def newest(of: Mapping[str, Path]) -> list[KeptFolder]:
    """Of these, the newest first; a room that is removed meanwhile is none."""
    at: dict[str, float] = {}
    for name, folder in of.items():
        try:
            at[name] = folder.stat().st_mtime
        except FileNotFoundError:
            continue
    chosen = sorted(at, key=lambda name: at[name], reverse=True)[:MAX_CLOSED_ROOMS]
    return sorted(
        (kept(name, of[name], at[name]) for name in chosen), key=lambda one: one.used_at, reverse=True
    )


def make(folder: Path) -> None:
    """Make one that is its owner's alone."""
    # Each by itself: those that are made on the way to another are open to everybody.
    if not folder.parent.exists():
        make(folder.parent)
    folder.mkdir(exist_ok=True, mode=0o700)


def remove(folder: Path) -> None:
    """Remove one with all that is in it."""
    remove_folder(folder)
