"""What a room remembers of its turns and runs: its developer log on disk, without secrets, bounded.

Theory: two files of lines.  What is new goes to the end of one; when that is full it takes the place of the
other, so that at least the newest half is always there.  Entries wait in memory for a moment and are made
readable (secrets hidden, long texts cut) in the thread that writes them.  A line that cannot be read is none.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from runtime.clock import Clock
from runtime.files import kept_file
from runtime.rooms.files import JOURNALS, on_disk
from runtime.session.redaction import Redactor

NEWER, OLDER = JOURNALS
MAX_FILE_BYTES: Final = 2 << 20
MAX_ENTRY_BYTES: Final = 64 << 10
MAX_TAKEN_BYTES: Final = 1 << 20
MAX_WAITING_BYTES: Final = 4 << 20
MAX_GIVEN_BYTES: Final = 1 << 20
MAX_GIVEN: Final = 500
MAX_BRIEF_BYTES: Final = 2_000
_LENGTHS: Final = (8_000, 2_000, 500, 100)

Entry = dict[str, Any]
"""``{"id", "at", "type", "data", "by", "peer"}``: a number that grows, ms since the epoch, who said it."""


class Query(msgspec.Struct, frozen=True):
    """Which entries.

    Attributes:
        path: Of this thread; empty for all.
        kinds: Whose type begins with one of these; none for all.
        ids: These, whole; none for all, with long values left out.
        before: Older than this id; 0 for the newest.
    """

    path: str = ""
    kinds: tuple[str, ...] = ()
    ids: frozenset[int] = frozenset()
    before: int = 0
    limit: int = MAX_GIVEN

    def fits(self, entry: Entry) -> bool:
        """Whether an entry is asked for."""
        if self.ids:
            return entry["id"] in self.ids
        if self.before and entry["id"] >= self.before:
            return False
        if self.path and entry["data"].get("path") != self.path:
            return False
        return not self.kinds or entry["type"].startswith(self.kinds)


class Journal:
    """The journal of one room.

    Args:
        folder: Of the room; nothing is made in it before there is an entry.
    """

    def __init__(self, folder: Path, *, clock: Clock, max_file_bytes: int = MAX_FILE_BYTES) -> None:
        self._folder = folder
        self._clock = clock
        self._max_file_bytes = max_file_bytes
        self._waiting: list[bytes] = []
        self._waiting_bytes = 0
        self._last = 0
        self._dirty = asyncio.Event()
        self._disk = asyncio.Lock()
        self.dropped_count = 0

    def add(self, kind: str, data: dict[str, Any], *, by: str, peer: str) -> None:
        """Remember something.  Never waits; what is too long, or comes too fast, is counted and left out."""
        wall = self._clock.wall()
        self._last = max(self._last + 1, int(wall * 1e6))
        entry: Entry = {"id": self._last, "at": round(wall * 1000), "type": kind[:100], "data": data}
        try:
            line = json.dumps(entry | {"by": by, "peer": peer}).encode()
        except (ValueError, RecursionError):
            line = b""
        if not 0 < len(line) <= MAX_TAKEN_BYTES or self._waiting_bytes + len(line) > MAX_WAITING_BYTES:
            self.dropped_count += 1
            return
        self._waiting.append(line)
        self._waiting_bytes += len(line)
        self._dirty.set()

    async def keep_flushed(self, pause_s: float) -> None:
        """Write what waits after a short while; runs until cancelled."""
        while True:
            await self._dirty.wait()
            await asyncio.sleep(pause_s)
            await self.flush()

    async def flush(self) -> None:
        """Write what waits now."""
        async with self._disk:
            lines, self._waiting, self._waiting_bytes = self._waiting, [], 0
            self._dirty.clear()
            if lines:
                await on_disk(self._append, lines)

    async def read(self, query: Query) -> list[Entry]:
        """The newest entries that fit, oldest first; at most a megabyte of them."""
        await self.flush()
        return await on_disk(self._find, query)

    async def forget(self, path: str) -> None:
        """Leave nothing of a thread."""
        await self.flush()
        async with self._disk:
            await on_disk(self._leave_out, path)

    # ---- in a thread

    def _append(self, lines: Sequence[bytes]) -> None:
        redactor = Redactor()
        newer = self._folder / NEWER
        try:
            size = newer.stat().st_size if newer.exists() else 0
            for line in lines:
                shown = _shown(json.loads(line), redactor)
                if size and size + len(shown) > self._max_file_bytes:
                    newer.replace(self._folder / OLDER)
                    size = 0
                with kept_file.at_its_end(newer) as file:
                    file.write(shown)
                size += len(shown)
        except OSError:  # a full disk costs the journal, not the room
            self.dropped_count += len(lines)

    def _find(self, query: Query) -> list[Entry]:
        found: list[Entry] = []
        size = 0
        for line in self._lines(newest_first=True):
            entry = _read(line)
            if entry is None or not query.fits(entry):
                continue
            if not query.ids:
                entry["data"] = brief(entry["data"])
            size += len(line) if query.ids else len(json.dumps(entry))
            if found and size > MAX_GIVEN_BYTES:
                break
            found.append(entry)
            if len(found) >= query.limit:
                break
        return found[::-1]

    def _leave_out(self, path: str) -> None:
        for name in (NEWER, OLDER):
            file = self._folder / name
            if not file.exists():
                continue
            entries = [(line, _read(line)) for line in file.read_bytes().splitlines(keepends=True)]
            kept = [line for line, entry in entries if entry and entry["data"].get("path") != path]
            kept_file.write(file, b"".join(kept).decode())

    def _lines(self, *, newest_first: bool) -> Iterator[bytes]:
        for name in (NEWER, OLDER) if newest_first else (OLDER, NEWER):
            file = self._folder / name
            lines = file.read_bytes().splitlines() if file.exists() else []
            yield from reversed(lines) if newest_first else lines


def brief(data: dict[str, Any], most: int = MAX_BRIEF_BYTES) -> dict[str, Any]:
    """Data whose long values are replaced by how long they are: ``{"cut_bytes": 31337}``."""
    sizes = {name: len(json.dumps(value)) for name, value in data.items()}
    return {name: {"cut_bytes": sizes[name]} if sizes[name] > most else value for name, value in data.items()}


def _shown(entry: Entry, redactor: Redactor) -> bytes:
    for max_chars in _LENGTHS:
        data = redactor.plain(entry["data"], max_chars=max_chars)
        line = json.dumps(entry | {"data": data}).encode() + b"\n"
        if len(line) <= MAX_ENTRY_BYTES:
            return line
    return json.dumps(entry | {"data": brief(data, 500) if len(data) < 100 else {}}).encode() + b"\n"


def _read(line: bytes) -> Entry | None:
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    if not isinstance(entry, dict) or not isinstance(entry.get("data"), dict):
        return None
    return entry if isinstance(entry.get("id"), int) and isinstance(entry.get("type"), str) else None
