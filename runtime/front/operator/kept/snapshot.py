"""``POST /snapshot``: copies of the databases, left in the state folder for who can read it.

A running server has its journal for itself, so `bulkhead backup` asks it for a copy.  What is in the copies
goes out over no socket: who may operate a server may not thereby read its tokens.
"""

from __future__ import annotations

import asyncio
import secrets
import shutil
from pathlib import Path
from typing import Final

from quart import Blueprint

from runtime.errors import JournalUnusable
from runtime.front.home import contents
from runtime.front.http.contract import belongs, gives
from runtime.front.openapi.shapes.usage import Snapshot
from runtime.front.state import Front, caller

MAX_SNAPSHOTS: Final = 2
"""That nobody fetched: a further one takes the place of the oldest."""


def routes(front: Front) -> Blueprint:
    """``/snapshot``."""
    paths = Blueprint("snapshot", __name__)
    belongs(paths, "server", to_operators=True)
    turn = asyncio.Lock()

    @paths.before_request
    async def trust() -> None:
        front.access.operator(caller())

    @paths.post("/snapshot")
    @gives(Snapshot)
    async def snapshot() -> Snapshot:
        """Copy the databases into the state folder, for a backup"""
        above = front.settings.state_dir / contents.SNAPSHOTS
        async with turn:
            folder = above / secrets.token_hex(8)
            try:
                await asyncio.to_thread(_make, folder)
                await front.journal.copy(folder / contents.JOURNAL)
                if front.crashes is not None:
                    await front.crashes.copy(folder / contents.CRASHES)
                if front.store is not None:
                    await front.store.copy(folder / contents.SERVICES)
                await front.history.copy(folder / contents.FIGURES)
            except BaseException as error:
                await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
                if isinstance(error, OSError):
                    raise JournalUnusable(
                        f"cannot write {above}: {error.strerror}",
                        cure="Check the disk and the folder's owner.",
                    ) from error
                raise
        return Snapshot(folder=str(folder.resolve()))

    return paths


def _make(folder: Path) -> None:
    folder.parent.mkdir(mode=0o700, exist_ok=True)
    left = sorted(folder.parent.iterdir(), key=lambda path: path.stat().st_mtime)
    for old in left[: max(0, len(left) - MAX_SNAPSHOTS + 1)]:
        shutil.rmtree(old, ignore_errors=True)
    folder.mkdir(mode=0o700)
