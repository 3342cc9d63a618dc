"""What stands in a state folder, by name."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

JOURNAL: Final = "journal.sqlite3"
CRASHES: Final = "crashes.sqlite3"
SERVICES: Final = "services.sqlite3"
FIGURES: Final = "figures.sqlite3"
BROWSER_SESSIONS: Final = "browser_sessions.json"
SEAL_KEY: Final = "seal.key"
MAILBOXES: Final = "mailboxes.json"
MAIL: Final = "mail"
SERVER: Final = "server.json"
DECLARED: Final = "declared.json"
"""What bundles declared of what they may reach; made anew where it is gone."""
ROOMS: Final = "rooms"
ENVIRONMENTS: Final = "environments"
DEPLOYED: Final = "deployed"
HOSTS: Final = "hosts"
SNAPSHOTS: Final = "snapshots"
RUN: Final = "run"
OF_SESSIONS: Final = ("sessions", "bytecode", "boxes")
"""Made and closed by who starts them (`process.confine`), and got through by their users."""

DATABASES: Final = (JOURNAL, CRASHES, SERVICES, FIGURES)
WRITTEN: Final = (*DATABASES, BROWSER_SESSIONS, SEAL_KEY, MAILBOXES, MAIL, ROOMS, SERVER, DECLARED)
"""What only the server of this folder writes: whose they are, the folder is."""
CLUSTER: Final = "cluster"
NODE: Final = "node.json"
FOLDERS: Final = (ROOMS, MAIL, ENVIRONMENTS, DEPLOYED, HOSTS, SNAPSHOTS, CLUSTER)
COPIED: Final = (ROOMS, MAIL, DEPLOYED)
"""Folders that a backup has with all that is in them."""
RESTORING: Final = "restoring-"
BEFORE: Final = "before-restore-"
ASIDE: Final = (RESTORING, BEFORE)
"""What a restore unpacks, and what it found."""
SINGLE: Final = (BROWSER_SESSIONS, SEAL_KEY, MAILBOXES)
"""Small files that a backup has as they are."""
STEMS: Final = (
    JOURNAL,
    "crashes.",
    SERVICES,
    FIGURES,
    "browser_sessions.",
    SEAL_KEY,
    "mailboxes.",
    "server.",
    "node.",
    "declared.",
    *ASIDE,
)
"""Of files, with what is beside them: `-wal`, `-shm`, `.new`, `.damaged`."""
DAMAGED_ROWS: Final = "damaged-rows.jsonl"
STAGING: Final = "staging"
"""In a room's folder: uploads that are not finished."""
TABLES: Final = "tables"
"""In a room's folder: its tables, a database that a server may be using."""


def is_known(name: str) -> bool:
    """Whether a server, or a command that looks after its state, made this."""
    more = (".gitignore", DAMAGED_ROWS, *OF_SESSIONS)
    return name in FOLDERS or name in more or any(name.startswith(one) for one in STEMS)


def is_state(folder: Path) -> bool:
    """Whether a server kept its state here."""
    return any((folder / name).exists() for name in (JOURNAL, CRASHES, ROOMS))


def units(folder: Path) -> Iterator[Path]:
    """The folder and those in it that are state folders themselves: of programs that serve themselves
    (`hosts`), and of a second server (`run`)."""
    yield folder
    inner = [folder / RUN]
    with suppress(OSError):
        inner += sorted((folder / HOSTS).iterdir())
    yield from (one for one in inner if not one.is_symlink() and one.is_dir() and is_state(one))


def kept(folder: Path) -> Iterator[Path]:
    """What is its owner's alone in a state folder; in environments are programs of others."""
    for name in sorted(os.listdir(folder)):
        if name in FOLDERS or name == DAMAGED_ROWS or any(name.startswith(one) for one in STEMS):
            yield folder / name
    for part in (ROOMS, MAIL):
        for above, folders, files in os.walk(folder / part):
            yield from (Path(above, name) for name in (*folders, *files))


def is_open(found: os.stat_result) -> bool:
    """Whether others than the owner may read or write it; to pass through a folder is no reading."""
    mode = stat.S_IMODE(found.st_mode)
    return bool(mode & (0o066 if stat.S_ISDIR(found.st_mode) else 0o077))
