"""What victims show to an onlooker outside of every session: the second half of an attack."""

from __future__ import annotations

import os
import resource
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from runtime.worker.chaos import calls
from runtime.worker.chaos.attack import Look, Targets

GONE: Final = "gone"
_WHO_PROCESS: Final = 1


def state_of(pid: int) -> str:
    """``runs``, ``stopped`` or ``gone``; a zombie is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return GONE
    return {"Z": GONE, "X": GONE, "T": "stopped", "t": "stopped"}.get(fields[0], "runs")


def _of(attribute: str, read: Callable[[int], Any]) -> Look:
    def look(at: Targets) -> Any:
        try:
            return read(getattr(at, attribute))
        except OSError:
            return GONE

    return look


def state(attribute: str) -> Look:
    """Whether it runs."""
    return _of(attribute, state_of)


def limit(attribute: str, kind: int) -> Look:
    """One of its limits as the kernel has it."""
    return _of(attribute, lambda pid: resource.prlimit(pid, kind))


def processors(at: Targets) -> Any:
    """Where the sibling may run."""
    return _of("sibling", os.sched_getaffinity)(at)


def scheduler(at: Targets) -> Any:
    """Which scheduler the sibling has."""
    return _of("sibling", os.sched_getscheduler)(at)


def niceness(at: Targets) -> Any:
    """How nice the sibling is."""
    return _of("sibling", lambda pid: os.getpriority(os.PRIO_PROCESS, pid))(at)


def io_class(at: Targets) -> Any:
    """Which turn the sibling's disk has."""
    return _of("sibling", lambda pid: calls.call("ioprio_get", _WHO_PROCESS, pid))(at)


def text_of(attribute: str, name: str) -> Look:
    """A file of its ``/proc``."""
    return _of(attribute, lambda pid: Path(f"/proc/{pid}/{name}").read_text(errors="replace"))


def bait_content(at: Targets) -> Any:
    """What stands in the bait of the state folder; gone where there is none."""
    try:
        return Path(at.state_bait).read_text(errors="replace")
    except OSError:
        return GONE


def bait_status(at: Targets) -> Any:
    """Mode, times and attributes of the bait."""
    try:
        status = os.stat(at.state_bait)
        names = sorted(os.listxattr(at.state_bait))
    except OSError:
        return GONE
    return status.st_mode, status.st_mtime_ns, status.st_uid, status.st_gid, status.st_nlink, names


def names_in(folder: Callable[[Targets], str]) -> Look:
    """What lies in a folder of this kind: names that an attack made, not those that others come and go by."""

    def look(at: Targets) -> Any:
        try:
            return sorted(name for name in os.listdir(folder(at)) if name.startswith(PLANTED))
        except OSError:
            return []

    return look


PLANTED: Final = "bulkhead-attack"
"""How the names begin of all that attacks leave behind."""


def clear(folder: Callable[[Targets], str]) -> Callable[[Targets, Any], None]:
    """Remove what an attack planted there."""

    def undo(at: Targets, before: Any) -> None:
        with suppress(OSError):
            for name in os.listdir(folder(at)):
                if name.startswith(PLANTED):
                    os.unlink(os.path.join(folder(at), name))

    return undo


def program_of(code: str) -> str:
    """The file of a bundle's program: itself, or the one in its folder; empty when there is none."""
    for path in (code, os.path.join(code, "main.py")):
        if code and os.path.isfile(path):
            return path
    return ""


def written_at(attribute: str) -> Look:
    """When a bundle's program was last written to."""

    def look(at: Targets) -> Any:
        path = program_of(getattr(at, attribute))
        return os.stat(path).st_mtime_ns if path else GONE

    return look


def reached(name: str) -> Look:
    """How often a stand-in of the onlooker's was reached."""
    return lambda at: at.heard(name)


def watches(at: Targets) -> Any:
    """Whether another process of the user can have a watch of files."""
    number = calls.libc.inotify_init1(os.O_CLOEXEC)
    if number < 0:
        return "none left"
    os.close(number)
    return "some left"
