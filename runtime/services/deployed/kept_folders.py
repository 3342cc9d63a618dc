"""Bundles that were sent here, each in a folder that is called like the digest of what is in it."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Collection
from pathlib import Path
from typing import Final

from runtime.errors import NotFound
from runtime.services.deployed.archive import unpack

_COMING: Final = ".coming-"


class KeptFolders:
    """All methods block.

    Args:
        folder: Made when the first bundle comes.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()  # programs are started elsewhere

    def keep(self, archive: bytes) -> str:
        """Unpack a bundle, and keep it; its digest.  One that is kept already stays as it is.

        Raises:
            InvalidRequest, StoreFull: See `unpack`.
        """
        coming = self._folder / f"{_COMING}{secrets.token_hex(8)}"
        self._folder.mkdir(mode=0o700, exist_ok=True)
        coming.mkdir(mode=0o755)
        try:
            digest = unpack(archive, coming)
            place = self._folder / digest
            if not place.is_dir():
                os.rename(coming, place)
            else:
                os.utime(place)
        finally:
            shutil.rmtree(coming, ignore_errors=True)
        return digest

    def path(self, digest: str) -> Path:
        """Where it is kept.

        Raises:
            NotFound: It is not.
        """
        place = self._folder / digest
        if not place.is_dir():
            raise NotFound(
                f"the bundle sha256:{digest[:12]} is not kept here any more", cure="Deploy its folder again."
            )
        return place

    def prune(self, wanted: Collection[str], in_use: Collection[Path]) -> list[str]:
        """Remove all others, and what a server that died was unpacking; the digests of what was removed.

        Args:
            wanted: Digests that are to stay.
            in_use: Folders that stay whatever is wanted.
        """
        running = {path.resolve() for path in in_use}
        gone = []
        for place in list(self._folder.iterdir()) if self._folder.is_dir() else ():
            if place.name in wanted or place.resolve() in running:
                continue
            shutil.rmtree(place, ignore_errors=True)
            if not place.name.startswith(_COMING):
                gone.append(place.name)
        return gone
