"""Bundles that were sent here, each in a folder that is called like the digest of what is in it."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Collection
from pathlib import Path
from typing import Final

from runtime.errors import Conflict, NotFound
from runtime.services.deployed.archive import unpack

_COMING: Final = ".coming-"


class KeptFolders:
    """All methods block.

    Args:
        folder: Made when the first bundle comes.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()  # programs are started elsewhere

    def keep(self, archive: bytes, *, expected: str = "") -> str:
        """Unpack a bundle, and keep it; its digest.  One that is kept already stays as it is.

        Args:
            expected: The digest that it has to have.

        Raises:
            InvalidRequest, StoreFull: See `unpack`.
            Conflict: It has another digest.
        """
        coming = self._folder / f"{_COMING}{secrets.token_hex(8)}"
        self._folder.mkdir(mode=0o700, exist_ok=True)
        coming.mkdir(mode=0o755)
        try:
            digest = unpack(archive, coming)
            if expected and digest != expected:
                raise Conflict(
                    f"what came is sha256:{digest[:12]} and not sha256:{expected[:12]}",
                    cure="Its files were changed where they are kept: deploy it again.",
                )
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

    def prune(self, wanted: Collection[str], in_use: Collection[Path], *, latest: int = 0) -> list[str]:
        """Remove all others, and what a server that died was unpacking; the digests of what was removed.

        Args:
            wanted: Digests that are to stay.
            in_use: Folders that stay whatever is wanted.
            latest: So many of the others stay, those that came last.
        """
        running = {path.resolve() for path in in_use}
        there = list(self._folder.iterdir()) if self._folder.is_dir() else []
        idle = [place for place in there if place.name not in wanted and place.resolve() not in running]
        whole = sorted((one for one in idle if not one.name.startswith(_COMING)), key=_came, reverse=True)
        for place in {*idle}.difference(whole[:latest]):
            shutil.rmtree(place, ignore_errors=True)
        return [place.name for place in whole[latest:]]


def _came(place: Path) -> float:
    try:
        return place.stat().st_mtime
    except OSError:
        return 0.0
