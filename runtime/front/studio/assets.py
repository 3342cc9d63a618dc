"""The files of the Studio as they are sent: in memory, compressed, with a tag that changes when they do."""

from __future__ import annotations

import gzip
import hashlib
import mimetypes
import re
import threading
from pathlib import Path
from typing import Final

import msgspec

MAX_ASSETS: Final = 64
_NAME: Final = re.compile(r"(?:[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}/){0,3}[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}")
_TEXTS: Final = ("text/", "application/json", "image/svg+xml")


class Asset(msgspec.Struct, frozen=True):
    """One file.

    Attributes:
        packed: The same, compressed with gzip; None where that does not pay.
        tag: Changes with the content; without quotation marks.
    """

    body: bytes
    packed: bytes | None
    media_type: str
    tag: str


class Assets:
    """The files of one folder, read when they are first asked for and again when they have changed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[str, tuple[tuple[int, int], Asset]] = {}
        self._reading = threading.Lock()

    def find(self, name: str) -> Asset | None:
        """A file by its path below the folder; None when there is none.  Reads the disk."""
        if not _NAME.fullmatch(name):
            return None
        path = self._folder / name
        with self._reading:
            try:
                if not path.is_file():
                    return None
                about = path.stat()
                stamp = (about.st_mtime_ns, about.st_size)
                known = self._known.get(name)
                if known is None or known[0] != stamp:
                    if len(self._known) >= MAX_ASSETS:
                        self._known.clear()
                    known = self._known[name] = (stamp, _asset(name, path.read_bytes()))
            except OSError:
                return None  # it is being replaced by a newer build
            return known[1]

    def has_folder(self, name: str) -> bool:
        """Whether a path below the folder is a folder itself.  Reads the disk."""
        return bool(_NAME.fullmatch(name)) and (self._folder / name).is_dir()


def _asset(name: str, body: bytes) -> Asset:
    media_type = mimetypes.guess_type(name)[0] or "application/octet-stream"
    if name.endswith(".js"):
        media_type = "text/javascript"  # some systems' tables say otherwise, and browsers then refuse it
    packed = gzip.compress(body, 9, mtime=0) if media_type.startswith(_TEXTS) and len(body) > 500 else None
    if media_type.startswith("text/"):
        media_type += "; charset=utf-8"
    return Asset(body, packed, media_type, hashlib.sha256(body).hexdigest()[:20])
