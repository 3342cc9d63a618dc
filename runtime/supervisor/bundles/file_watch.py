"""Wait until something may have happened to files that matter.

The system tells of changes in the folders where they lie, and where links on the way to them do.  It may
not: there are limits to what it watches, and some mounts tell nothing.  So it is also looked every other
second, at the price of a call for each file; and where such a look finds what nobody told, looking is all
that is done from then on, more often.
"""

from __future__ import annotations

import asyncio
import math
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec
import structlog

if TYPE_CHECKING:
    from watchfiles import Change

log = structlog.get_logger("supervisor")

LOOK_S: Final = 2.0
POLL_S: Final = 0.4
_LATE_S: Final = 1.0
_TELLS_S: Final = 5.0
_MISSES: Final = 2
_MAX_LINKS: Final = 40
_QUIET_MS: Final = 50
_MOST_MS: Final = 400
FORCED: Final = "WATCHFILES_FORCE_POLLING"

Place = tuple[str, str]
"""A folder, without links, and a name in it."""


class Watched(msgspec.Struct, frozen=True):
    """What to watch.

    Attributes:
        places: Names whose change matters.
        open: Folders in which a new program or folder matters.
        marks: The folders of both, with what tells one from another of the same name.
    """

    places: frozenset[Place]
    open: frozenset[str]
    marks: Mapping[str, tuple[int, int]]

    def matters(self, path: str) -> bool:
        """Whether a change of this path is to be told."""
        folder, name = os.path.split(path)
        if (folder, name) in self.places or path in self.marks:
            return True
        return folder in self.open and not name.startswith((".", "_")) and _may_be_bundle(name)


def watched(files: Iterable[str], folders: Iterable[Path]) -> Watched:
    """Find where files lie, or would, and by which links they are reached.  Blocks on the disk.

    Args:
        files: Absolute paths.
        folders: Folders whose new programs, and folders with programs, matter.
    """
    ways: dict[str, tuple[str, frozenset[Place]]] = {}
    places: set[Place] = set()
    for path in files:
        folder, _, name = path.rpartition("/")
        if folder not in ways:
            passed = set(_way(folder or "/"))
            end = os.path.realpath(folder or "/")
            ways[folder] = (end if os.path.isdir(end) else "", frozenset(passed))
        real, passed_by = ways[folder]
        places |= passed_by
        places |= set(_way(f"{real}/{name}")) if real and os.path.islink(f"{real}/{name}") else set()
        if real:
            places.add((real, name))
    opened = set()
    for given in folders:
        places |= set(_way(str(given)))
        real = os.path.realpath(given)
        if os.path.isdir(real):
            opened.add(real)
    marks = {}
    for folder in {folder for folder, _ in places} | opened:
        try:
            about = os.stat(folder)
        except OSError:
            continue
        marks[folder] = (about.st_dev, about.st_ino)
    return Watched(frozenset(places), frozenset(opened), marks)


class FileWatch:
    """Runs in: the front's event loop.

    Args:
        forced: Do not ask the system; None: as the environment says (WATCHFILES_FORCE_POLLING).

    Attributes:
        is_polling: The system does not tell, or is not asked.
    """

    def __init__(self, *, forced: bool | None = None) -> None:
        self._woken = asyncio.Event()
        self._watched: Watched | None = None
        self._watching: asyncio.Task[None] | None = None
        self._ending: set[asyncio.Task[None]] = set()
        self._misses, self._told_at = 0, -math.inf
        self.is_polling = False
        said = os.environ.get(FORCED, "").lower()
        if forced if forced is not None else said not in ("", "false", "disable", "disabled"):
            self._poll(f"{FORCED} is set")

    async def wait(self, *, most_s: float = LOOK_S) -> bool:
        """Return when it is time to look: True when the system told of a change, False when it is time."""
        try:
            async with asyncio.timeout(min(most_s, POLL_S if self.is_polling else LOOK_S)):
                await self._woken.wait()
        except TimeoutError:
            return False
        self._woken.clear()
        return True

    def wake(self) -> None:
        """Have `wait` return."""
        self._woken.set()

    async def missed(self) -> None:
        """A look found a change that the system had not told of; it is given a moment to do so yet."""
        if self.is_polling or time.monotonic() - self._told_at < _TELLS_S:
            return
        try:
            async with asyncio.timeout(_LATE_S):
                await self._woken.wait()
            self._misses = 0
        except TimeoutError:
            self._misses += 1
            if self._misses >= _MISSES:
                self._poll("the system does not tell of changes here, as on some mounts")

    def follow(self, files: Watched) -> None:
        """Watch these from now on.  What happened before is not told: look once more afterwards."""
        if self.is_polling or (self._watched is not None and self._watched.marks == files.marks):
            self._watched = files
            return
        self._watched = files
        before = self._watching
        self._watching = asyncio.create_task(self._watch(sorted(files.marks)), name="file watch")
        if before is not None:
            before.cancel()
            self._ending.add(before)
            before.add_done_callback(self._ending.discard)
        self._woken.set()

    async def aclose(self) -> None:
        """Watch nothing any more."""
        tasks = [task for task in (self._watching, *self._ending) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _watch(self, folders: list[str]) -> None:
        # Not `ignore_permission_denied`: that keeps back all other errors, too.
        readable = [folder for folder in folders if os.access(folder, os.R_OK)]
        if not readable:
            return
        from watchfiles import awatch  # it brings another dozen modules, and some servers watch nothing

        try:
            told = awatch(
                *readable,
                watch_filter=self._matters,
                debounce=_MOST_MS,
                step=_QUIET_MS,
                recursive=False,
                force_polling=False,
            )
            async for _ in told:
                self._misses, self._told_at = 0, time.monotonic()
                self._woken.set()
        except FileNotFoundError:
            self._watched = None  # a folder went meanwhile: the next look says where to watch instead
        except (OSError, RuntimeError) as error:
            self._poll(str(error), cure="Raise fs.inotify.max_user_watches and max_user_instances.")

    def _matters(self, _: Change, path: str) -> bool:
        return self._watched is None or self._watched.matters(path)

    def _poll(self, why: str, *, cure: str = "") -> None:
        if not self.is_polling:
            self.is_polling = True
            log.warning(
                "watch.polling",
                detail=f"changes of files are looked for every {POLL_S:g} s: {why}",
                cure=cure,
            )


def _way(path: str) -> Iterator[Place]:
    """The links on the way to a path, and where it ends: at its last name, or at one that is not there."""
    parts, here, links = path.split("/"), "/", 0
    while parts:
        name = parts.pop(0)
        if name in ("", "."):
            continue
        if name == "..":
            here = os.path.dirname(here)
            continue
        full = os.path.join(here, name)
        try:
            target = os.readlink(full)
        except OSError:
            target = ""
        if target:
            yield here, name
            links += 1
            if links > _MAX_LINKS:
                return
            here = "/" if target.startswith("/") else here
            parts = target.split("/") + parts
        elif not parts or not os.path.isdir(full):
            yield here, name
            return
        else:
            here = full


def _may_be_bundle(name: str) -> bool:
    """A program, or a folder, which mostly has no dot in its name: what data is called is left out."""
    return name.endswith(".py") or "." not in name
