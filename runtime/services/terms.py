"""What a keeper is told, and what it wants done: the words between `keeper` and whoever obeys it.

A *run* is one container of a service, from the wish to start it until nothing of it is left.  Runs are
numbered; what is told of one bears its number, so that a late word is known to be late.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import msgspec

ON_PULL_S: Final = 600.0
"""Longest time from the wish to a container that runs; an image may have to be pulled."""
LIVE_S: Final = 60.0
"""Longest time from there until it answers."""
STOP_S: Final = 20.0
"""After which it is ended by force, and again."""
FIRST_DELAY_S: Final = 0.6
MOST_DELAY_S: Final = 60.0
"""Between an end that nobody asked for and the next start; doubles from the one to the other."""
HEALTHY_S: Final = 60.0
"""A run that lived so long begins the delays anew."""
CALL_DELAY_S: Final = 1.0
MOST_CALL_DELAY_S: Final = 30.0
"""Between a call of an endpoint that failed and the next one."""
IDLE_S: Final = 300.0
"""A service that runs on demand is stopped when nobody used it for so long."""


class State(StrEnum):
    """Of a service in a room."""

    IDLE = "stopped"
    STARTING = "starting"
    WAITING = "waiting"
    RUNNING = "running"
    REPLACING = "replacing"
    SWITCHING = "switching"
    STOPPING = "stopping"
    BACKOFF = "scheduled"


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What a service is to be, as far as its life depends on it.

    Attributes:
        revision: Of the service.
        endpoints: The paths that are called when it is live.
        has_liveness: It says when it is live, so that a new one may run beside the old one until then.
        is_on_demand: It runs only while somebody uses it.
    """

    revision: int
    endpoints: tuple[str, ...] = ()
    has_liveness: bool = False
    is_on_demand: bool = False


# ---- inputs


class Want(msgspec.Struct, frozen=True):
    """It is to run, by this plan: the room opened, or the service was changed, enabled or rolled back."""

    plan: Plan


class WantNot(msgspec.Struct, frozen=True):
    """It is not to run: the room closes, or the service was disabled or deleted."""


class Restart(msgspec.Struct, frozen=True):
    """Somebody asks for a fresh run."""


class Demand(msgspec.Struct, frozen=True):
    """Somebody uses a service that runs on demand, or not any more."""

    is_used: bool = True


class Started(msgspec.Struct, frozen=True):
    """The container runs."""

    run: int


class NoStart(msgspec.Struct, frozen=True):
    """There is no container, and nothing of one is left."""

    run: int
    message: str


class Live(msgspec.Struct, frozen=True):
    """All its ports answer; one without any is live when it runs."""

    run: int


class Called(msgspec.Struct, frozen=True):
    """An endpoint was called, and took it; or did not, and says why."""

    run: int
    endpoint: str
    error: str = ""


class Exited(msgspec.Struct, frozen=True):
    """The container ended; nobody need have asked for it."""

    run: int
    message: str


class Gone(msgspec.Struct, frozen=True):
    """After a `Stop`: nothing of it is left."""

    run: int


Input = Want | WantNot | Restart | Demand | Started | NoStart | Live | Called | Exited | Gone


# ---- actions


class Start(msgspec.Struct, frozen=True):
    """Make and start a container; answered by `Started` or `NoStart`."""

    run: int
    plan: Plan


class Call(msgspec.Struct, frozen=True):
    """Call an endpoint of it; answered by `Called`."""

    run: int
    endpoint: str


class Stop(msgspec.Struct, frozen=True):
    """End it, also while it is being started, and remove it; answered by `Gone`."""

    run: int
    by_force: bool = False


class Discard(msgspec.Struct, frozen=True):
    """Remove a container that has ended; its log is kept.  Not answered."""

    run: int


class Tell(msgspec.Struct, frozen=True):
    """Something for the service's events: a word, and a sentence."""

    reason: str
    message: str
    is_warning: bool = False


Action = Start | Call | Stop | Discard | Tell
