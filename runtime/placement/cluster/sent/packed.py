"""Bundles as nodes fetch them: packed when the first one asks, read in pieces, forgotten soon after."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import msgspec

from runtime.placement.cluster import messages as say
from runtime.services.deployed.archive import pack

PIECE_BYTES: Final = 1 << 20
MAX_KEPT: Final = 2
"""Archives in memory: nodes fetch the same few at the same time."""
KEPT_S: Final = 60.0


class Archives:
    """Runs in: the front's event loop.

    Args:
        folders: Those that may be fetched, by their digest.
    """

    def __init__(self, folders: Callable[[], Mapping[str, Path]]) -> None:
        self._folders = folders
        self._kept: OrderedDict[str, asyncio.Task[bytes]] = OrderedDict()
        self._forgetting: asyncio.TimerHandle | None = None
        self._turn = asyncio.Lock()  # other work has threads, too, whatever nodes ask for by turns

    async def asked(self, _: str, data: bytes) -> bytes:
        """Answer a `Fetch` with a `Piece`."""
        ask: say.Fetch = say.decoded(say.Fetch, data)
        folder = self._folders().get(ask.digest)
        if folder is None:
            return say.encoded(say.Answer(code="not_found", message="nobody is to have it any more"))
        try:
            archive = await asyncio.shield(self._packed(ask.digest, folder))
        except OSError as error:
            self._kept.pop(ask.digest, None)
            why = f"it cannot be read where it is kept: {error.strerror}"
            return say.encoded(say.Answer(code="unreadable", message=why, cure="Deploy it again."))
        piece = say.Piece(size=len(archive), data=archive[ask.at : ask.at + PIECE_BYTES])
        return say.encoded(say.Answer(body=msgspec.Raw(say.encoded(piece))))

    async def _pack(self, folder: Path) -> bytes:
        async with self._turn:
            return await asyncio.to_thread(pack, folder)

    def _packed(self, digest: str, folder: Path) -> asyncio.Task[bytes]:
        packing = self._kept.get(digest)
        if packing is None:
            work = self._pack(folder)
            packing = self._kept[digest] = asyncio.create_task(work, name=f"pack {digest[:8]}")
        self._kept.move_to_end(digest)
        done = [key for key, one in self._kept.items() if one.done()]  # who waits for one has it packed once
        for key in done[: max(0, len(done) - MAX_KEPT)]:
            del self._kept[key]
        if self._forgetting is not None:
            self._forgetting.cancel()
        self._forgetting = asyncio.get_running_loop().call_later(KEPT_S, self._kept.clear)
        return packing
