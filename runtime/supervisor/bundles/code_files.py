"""The files that a bundle's code consists of, and whether they are still what was loaded.

Code is what Python read: the program, the modules it imported, those it looked for in vain, and the files
by which a bundle is set up.  What lies beside them (data, logs, databases) is not looked at.  Files are
compared by what is in them, so that bytes written again or a checkout that touches everything are no change.
The program is compared by where it really lies, too: a release whose link was swapped is new code, with new
data beside it.

Everything here blocks on the disk: call it from a thread.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import stat
import threading
import time
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import Any, Final

import msgspec
import structlog

from runtime.files import plain_file
from runtime.supervisor.bundles import dotenv
from runtime.supervisor.bundles.discovery import program_of

log = structlog.get_logger("supervisor")

MAX_FILES: Final = 5000
_HASHED_BYTES: Final = 16 << 20
_PIECE_BYTES: Final = 256 << 10
_AGAIN: Final = 2
"""After so many loads in a row for what changed while the program ran, that is taken as it is."""
_CUT_OFF: Final = 5
"""So many runs in a row are given up for that, before they are over."""
_NO_CODE: Final = ("/proc/", "/sys/", "/dev/")
"""What lies there is made when it is read; but for folders in memory."""
_SETTINGS: Final = ("bulkhead.toml", "requirements.txt", "pyproject.toml", dotenv.NAME)


class Verdict(Enum):
    """What became of the files since the last load was begun."""

    SAME = "same"
    CHANGED = "changed"
    GONE = "gone"
    """Some are missing, the others are the same: perhaps for a moment."""
    RESTORED = "restored"
    """They are again what serves, after an edit that could not be loaded."""


class _Seen(msgspec.Struct, frozen=True):
    """A file at one look.  Of one that is not there, both are empty."""

    stat: tuple[str | int, ...] = ()
    digest: str = ""


_UNKNOWN: Final = _Seen((), "?")  # equal to nothing that is read


class CodeFiles:
    """The files of one bundle.

    Args:
        source: The bundle's file or folder, as it was given.

    Attributes:
        digest: Of the names and contents of the code that serves, what lies elsewhere left out; the same on
            machines whose code is.
    """

    def __init__(self, source: Path) -> None:
        self._source = source
        self._imported: frozenset[str] = frozenset()
        self._tried: dict[str, _Seen] = {}
        self._served: dict[str, _Seen] = {}
        self._late: dict[str, bool] = {}  # those of sessions; whether the last look found it
        self._began_ns = 0
        self._runs = False
        self._young: dict[str, _Seen] = {}  # what changed while the last run went on
        self._is_young = False  # nothing else was found to be changed
        self._again = 0
        self._lock = threading.Lock()
        self.digest = ""

    @property
    def program(self) -> Path:
        return program_of(self._source)

    def paths(self) -> set[str]:
        """All files that count, those included that are not there (yet)."""
        program = self.program
        if program == self._source:
            own = [program, program.with_suffix(".toml"), dotenv.dotenv_of(self._source)]
        else:
            own = [program, *(self._source / name for name in _SETTINGS)]
        return {str(path) for path in own} | self._imported

    def begin(self) -> None:
        """Note what there is; call before the program is run."""
        with self._lock:
            self._again = self._again + 1 if self._is_young else 0
            self._is_young, self._runs = False, True
            self._began_ns = time.time_ns()
            self._tried = {path: self._look(path) for path in self.paths()}

    def told(self, imported: Iterable[str], *, serves: bool) -> None:
        """Take what the interpreter of that run says it imported or looked for.

        A file that changed while it ran may have been changed after it was read; then it counts as changed.
        After a few loads in a row for nothing else, the program itself is what writes it, and it is taken as
        it is.

        Args:
            serves: The run is what serves now.  Else its files are added to those that are known already: the
                mistake may be in either.
        """
        told = {path for path in imported if _may_be_code(path)}
        with self._lock:
            kept = told if serves else told | self._imported
            self._imported = frozenset(sorted(kept)[:MAX_FILES])
            self._late = {p: there for p, there in self._late.items() if p in self._imported - told}
            self._runs = False
            self._take_young()
            if serves:
                self._served = {path: self._tried[path] for path in self.paths()}
                self.digest = self._digest_served()

    def _digest_served(self) -> str:
        folder = self.program.parent
        places = tuple(f"{str(place).rstrip('/')}/" for place in (folder, os.path.realpath(folder)))
        own = {
            path.removeprefix(place): seen.digest.rpartition(" ")[-1]
            for place in places
            for path, seen in self._served.items()
            if seen.stat and path.startswith(place)
        }
        lines = "".join(f"{name}\0{digest}\n" for name, digest in sorted(own.items()))
        return hashlib.sha256(lines.encode(errors="replace")).hexdigest()[:12]

    def _take_young(self) -> None:
        before_that, self._young = self._young, {}
        taken = []
        for path in sorted(self.paths()):
            known = self._tried.get(path)
            seen = self._look(path, known or _UNKNOWN)
            if known is None and (not seen.stat or int(seen.stat[-1]) < self._began_ns):
                self._tried[path] = seen
            elif known is None or seen.digest != known.digest:
                self._young[path] = seen
                if self._again >= _AGAIN and seen.stat and (known is None or path in before_that):
                    self._tried[path] = seen
                    taken.append(path)
                elif known is None:
                    self._tried[path] = _UNKNOWN
        if taken:
            log.warning(
                "bundle.writes_its_code",
                source=str(self._source),
                files=taken[:5],
                detail="each run of the program changes files that it imports: that loads it no more",
                cure="Write such a file only when what is in it changes.",
            )

    def add(self, imported: Iterable[str]) -> None:
        """Take what a session of the code that serves imported besides, as it is now.

        Only what lies below the program's folder: sessions do not decide what else the server looks at.
        """
        folder = self.program.parent
        below = tuple(f"{str(place).rstrip('/')}/" for place in (folder, os.path.realpath(folder)))
        with self._lock:
            known = self.paths()
            added: set[str] = set()
            for path in imported:
                if len(self._imported) + len(added) >= MAX_FILES:
                    break
                if (
                    path in known
                    or "\0" in path
                    or not path.startswith(below)
                    or os.path.normpath(path) != path
                ):
                    continue
                if (seen := self._look(path)).stat:
                    added.add(path)
                    self._late[path] = True
                    self._served.setdefault(path, self._tried.setdefault(path, seen))
            self._imported |= added

    def verdict(self) -> Verdict:
        """Compare with what the last load was begun with."""
        with self._lock:
            return self._verdict()

    def _verdict(self) -> Verdict:
        now: dict[str, _Seen] = {}
        changed: set[str] = set()
        gone = False
        for path in self.paths():
            before = self._tried.get(path, _UNKNOWN)
            now[path] = seen = self._look(path, before)
            if path in self._late and not self._stays(path, bool(seen.stat)):
                now[path] = before
                continue
            if seen.digest == before.digest:
                self._tried[path] = seen
            elif seen.stat:
                changed.add(path)
            else:
                gone = True
        self._is_young = False
        if not changed and not gone:
            return Verdict.SAME
        if self._served and self._is_served(now):
            return Verdict.RESTORED
        if not changed:
            return Verdict.GONE
        if self._runs:
            if self._again >= _CUT_OFF and changed <= self._young.keys():
                return Verdict.SAME  # this run is not given up for it as well; `told` sees it
            self._young = {path: now[path] for path in changed}
            self._is_young = True
        else:
            young = self._young
            self._is_young = all(path in young and young[path].digest == now[path].digest for path in changed)
        return Verdict.CHANGED

    def _stays(self, path: str, is_there: bool) -> bool:
        """Whether a file of a session counts; one that is missing for two looks is forgotten: it was made
        for that session, whose code is in memory."""
        was_there, self._late[path] = self._late[path], is_there
        if not is_there and not was_there:
            self._imported -= {path}
            for known in (self._late, self._tried, self._served):
                known.pop(path, None)
        return is_there

    def restore(self) -> None:
        """Take what serves for the last load, as after `Verdict.RESTORED`."""
        with self._lock:
            self._tried, self._imported = dict(self._served), frozenset(self._served)

    def _is_served(self, now: Mapping[str, _Seen]) -> bool:
        served = self._served.items()
        return all((now.get(path) or self._look(path, seen)).digest == seen.digest for path, seen in served)

    def _look(self, path: str, before: _Seen = _UNKNOWN) -> _Seen:
        place = os.path.realpath(path) if path == str(self.program) else ""
        try:
            about = os.stat(path)
            # The time of change comes last, see `told`: unlike that of modification, nobody can set it back.
            mark = (about.st_dev, about.st_ino, about.st_size, about.st_mtime_ns, about.st_ctime_ns)
            if (place, *mark) == before.stat:
                return before
            return _Seen((place, *mark), f"{place} {_digest(path, about)}")
        except OSError:
            return _Seen()


def _may_be_code(path: str) -> bool:
    """Whether a path that a program tells is to be looked at; it may tell any."""
    if not os.path.isabs(path) or "\0" in path:
        return False
    place = f"/{os.path.normpath(path).lstrip('/')}"
    return not place.startswith(_NO_CODE) or place.startswith("/dev/shm/")


def _digest(path: str, about: os.stat_result) -> str:
    """Of no more than its size: what a link into /proc leads to says 0, and may never end."""
    if not stat.S_ISREG(about.st_mode):  # a folder where a module was missing; a pipe would never end
        return "no file"
    if about.st_size > _HASHED_BYTES:
        return f"{about.st_size} {about.st_mtime_ns}"
    found, left = hashlib.sha256(), about.st_size
    with os.fdopen(plain_file.opened(path), "rb") as file:
        while left > 0 and (piece := file.read(min(left, _PIECE_BYTES))):
            found.update(piece)
            left -= len(piece)
    return found.hexdigest()


class LaterFiles:
    """Files that sessions import while they run: taken in one after the other, in a thread.

    Args:
        spawn: Runs the work as a task of the bundle's.
    """

    def __init__(
        self, files: CodeFiles, spawn: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]]
    ) -> None:
        self._files = files
        self._spawn = spawn
        self._waiting: set[str] = set()
        self._adding: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        return len(self._waiting)

    def take(self, paths: Sequence[str]) -> None:
        """Follow these, too, soon."""
        self._waiting.update(paths[: MAX_FILES - len(self._waiting)])
        if self._adding is None or self._adding.done():
            self._adding = self._spawn(self._add())

    async def _add(self) -> None:
        while self._waiting:
            paths, self._waiting = self._waiting, set()
            await asyncio.to_thread(self._files.add, paths)
