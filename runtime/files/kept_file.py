"""A small file that is kept: seen whole or not at all, by who reads it and after the power was cut."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

ASIDE = ".new"
"""What the name of a file ends with that is being written, or was when its writer died."""


def write(path: Path, text: str, *, mode: int = 0o600) -> None:
    """Write a file, or replace it.  One writer at a time.

    Raises:
        OSError: It is as it was before.
    """
    aside = _written_aside(path, text, mode, ASIDE)
    try:
        os.replace(aside, path)
    except OSError:
        aside.unlink(missing_ok=True)
        raise
    _note_names(path.parent)


def make(path: Path, text: str, *, mode: int = 0o600) -> None:
    """Write a file that must not be there; of several writers one succeeds.

    Raises:
        FileExistsError: It is there, and stays as it is.
        OSError: It could not be made.
    """
    aside = _written_aside(path, text, mode, f".{os.getpid()}{ASIDE}")
    try:
        os.link(aside, path)
    finally:
        aside.unlink(missing_ok=True)
    _note_names(path.parent)


def at_its_end(path: Path) -> BinaryIO:
    """Open a file to write at its end; one that is not there is made for its owner alone."""
    return open(path, "ab", opener=lambda name, flags: os.open(name, flags, 0o600))


def _written_aside(path: Path, text: str, mode: int, suffix: str) -> Path:
    aside = path.with_name(path.name + suffix)
    aside.unlink(missing_ok=True)  # in a shared folder anybody may have made it, to read what is written
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())  # before it has its name: a name without its bytes would be an empty file
    except BaseException:
        aside.unlink(missing_ok=True)
        raise
    return aside


def _note_names(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
