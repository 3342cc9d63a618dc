"""What somebody noted about a room when it was made: ``metadata`` and ``annotations``, kept in its folder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from runtime.errors import InvalidRequest
from runtime.files import kept_file
from runtime.logs import get_logger
from runtime.rooms.kept import folders

About = dict[str, dict[str, Any]]

NOTES: Final = ("metadata", "annotations")
MAX_BYTES: Final = 1 << 16
_FILE: Final = "about.json"
_log = get_logger("rooms")


def about_of(body: Mapping[str, Any]) -> About:
    """The notes in a request.

    Raises:
        InvalidRequest: One of them is no JSON object, or both together are too long.
    """
    notes = {name: body.get(name) or {} for name in NOTES}
    for name, note in notes.items():
        if not isinstance(note, dict):
            raise InvalidRequest(f"'{name}' is no JSON object")
    if len(json.dumps(notes)) > MAX_BYTES:
        raise InvalidRequest(f"the notes about a room come to more than {MAX_BYTES} bytes")
    return notes


def write(folder: Path, about: About) -> None:
    """Keep the notes in a room's folder, which is made; empty ones tell that somebody made it by name."""
    folders.make(folder)
    kept_file.write(folder / _FILE, json.dumps(about))


def read(folder: Path) -> About:
    """What `write` kept; empty notes where there are none, or where the file is something else."""
    try:
        kept = json.loads((folder / _FILE).read_bytes()[: 2 * MAX_BYTES])
        return {name: dict(kept[name]) for name in NOTES}
    except FileNotFoundError:
        pass
    except (OSError, ValueError, KeyError, TypeError) as error:
        _log.warning("room.notes_unreadable", file=str(folder / _FILE), error=repr(error)[:200])
    return {name: {} for name in NOTES}
