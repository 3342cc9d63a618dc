"""Files that a manifest wants among those of its room: made where they are missing, and else left alone."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from runtime.errors import InvalidRequest


def provide(folder: Path, files: Iterable[dict[str, Any]]) -> None:
    """Make them below the folder of the room's files.

    Raises:
        InvalidRequest: A path leads out of it, by links too, or through what is a file.
    """
    root = folder.resolve()
    for file in files:
        place = root / str(file["path"]).lstrip("/")
        if place == root or not place.resolve().is_relative_to(root):
            raise InvalidRequest(f"files: {file['path']!r} is no path of the room's files")
        try:
            place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with place.open("x") as made:
                made.write(str(file["text"]))
        except FileExistsError:
            if not place.is_file():
                raise InvalidRequest(f"files: {file['path']!r} is something else in the room") from None
        except NotADirectoryError:
            raise InvalidRequest(f"files: {file['path']!r} leads through a file of the room") from None
