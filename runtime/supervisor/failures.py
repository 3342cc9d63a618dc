"""What follows when a program cannot be loaded, or a process cannot be had.  Pure.

Theory: of a failure two things are asked: what caused it (`cause_of`), and what was being done (`Phase`).
Everything that follows stands in one table; bundles, pools and drivers look it up and do it, so that nothing
that is tried ends without an event, and nothing that may pass is given up.  No cause in it is the fault of
an input: an attempt that had no process is `not_started`, which parks nothing and uses up no restarts.

    Cause \\ Phase  FIRST  NEWER  LOST   START  PARK
    -------------- ------ ------ ------ ------ ------
    SHORT          again  again  again  again  again     the system has no more of something
    GONE           again  again  again  next   leave     the zygote ended, or was ended for its silence
    WORLD          again  again  again  end    again     what the program asked the world for was not there
    EDIT           edit   edit   again  end    leave     the program, or its environment, cannot run as it is
    UNFORESEEN     again  again  again  end    again     whatever else was raised

    FIRST  the program is loaded, and nothing of it has served yet
    NEWER  the same, while older code of it serves on
    LOST   the same, after what served was lost
    START  a worker is had for a session, from the wait for a zygote to the process with its pipes
    PARK   a worker is forked before anybody wants it

    again  the same once more, after a delay that doubles (`delays`), for as long as it takes
    next   at once, from the zygote that comes instead
    edit   when its files change, or what is installed for it
    end    the attempt ends; dispatch makes another one, after its own delay, for as long as it takes
    leave  nothing: somebody else sees to it

Each wait has its deadline.  An import may take `supervisor.import_s`; what is asked for a fork answers within
`zygote_client.SILENT_S` or is ended; all of START may take `supervisor.start_s`, then the attempt ends with
what was in its way.  From the process on `supervisor.lifecycle` has the deadlines.  What fails in the front
while it keeps a process (a group, a guard, a pipe) ends the session as `not_started` before its call was
handed over, and is logged afterwards: the process's own end is waited for, and told, in any case.
"""

from __future__ import annotations

import builtins
from collections.abc import Mapping
from enum import Enum
from typing import Final

from runtime.errors import (
    BundleError,
    BundleImportFailed,
    ConfigError,
    GrantMissing,
    SpawnFailed,
    ZygoteLost,
    lacking,
)
from runtime.session.restart import Backoff


class Cause(Enum):
    SHORT = "short"
    GONE = "gone"
    WORLD = "world"
    EDIT = "edit"
    UNFORESEEN = "unforeseen"


class Phase(Enum):
    FIRST = "first"
    NEWER = "newer"
    LOST = "lost"
    START = "start"
    PARK = "park"


class Then(Enum):
    AGAIN = "again"
    NEXT = "next"
    EDIT = "edit"
    END = "end"
    LEAVE = "leave"


_ROWS: Final[Mapping[Cause, tuple[Then, Then, Then, Then, Then]]] = {
    Cause.SHORT: (Then.AGAIN, Then.AGAIN, Then.AGAIN, Then.AGAIN, Then.AGAIN),
    Cause.GONE: (Then.AGAIN, Then.AGAIN, Then.AGAIN, Then.NEXT, Then.LEAVE),
    Cause.WORLD: (Then.AGAIN, Then.AGAIN, Then.AGAIN, Then.END, Then.AGAIN),
    Cause.EDIT: (Then.EDIT, Then.EDIT, Then.AGAIN, Then.END, Then.LEAVE),
    Cause.UNFORESEEN: (Then.AGAIN, Then.AGAIN, Then.AGAIN, Then.END, Then.AGAIN),
}
TABLE: Final[Mapping[tuple[Cause, Phase], Then]] = {
    (cause, phase): then for cause, row in _ROWS.items() for phase, then in zip(Phase, row, strict=True)
}

_OF_THE_WORLD: Final = (OSError, MemoryError)
_OF_OURS: Final = ("BundleError", "EndpointConflict", "EndpointNotFound", "ConfigError")


def then(error: BaseException, phase: Phase) -> Then:
    """What follows from this failure."""
    return TABLE[cause_of(error), phase]


def cause_of(error: BaseException) -> Cause:
    """What is at the bottom of a failure."""
    if lacking(error):
        return Cause.SHORT
    match error:
        case ZygoteLost():
            return Cause.GONE
        case BundleImportFailed():
            return Cause.EDIT if _needs_edit(error.kind) else Cause.WORLD
        case GrantMissing() | BundleError(__cause__=OSError()):
            return Cause.WORLD
        case BundleError() | ConfigError() | SpawnFailed():
            return Cause.EDIT
        case _:
            return Cause.UNFORESEEN


def delays(cause: Cause) -> Backoff:
    """How long to wait before each further try; what the system lacks may be there again in a moment."""
    return Backoff(first_s=0.1, most_s=5.0) if cause is Cause.SHORT else Backoff(first_s=0.5, most_s=20.0)


class Tries:
    """The delays of one thing that is tried until it succeeds; another cause begins with the shortest."""

    def __init__(self) -> None:
        self._cause: Cause | None = None
        self._delays = delays(Cause.UNFORESEEN)

    def failed(self, error: BaseException) -> float:
        """Seconds until the next try."""
        if (cause := cause_of(error)) is not self._cause:
            self._cause, self._delays = cause, delays(cause)
        return self._delays.after(0)

    def succeeded(self) -> None:
        """The next failure is a first one again."""
        self._cause = None


def _needs_edit(kind: str) -> bool:
    """Whether an exception of this name says that the program is wrong, and not that something is away.

    Python's own say that, but for those of the operating system.  Of a library's nobody knows: most that come
    out of an import are of something that could not be reached.
    """
    if kind in _OF_OURS:
        return True
    known = getattr(builtins, kind, None)
    return isinstance(known, type) and not issubclass(known, _OF_THE_WORLD)
