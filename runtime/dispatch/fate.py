"""What becomes of a session of an earlier run, once the server is started again.  Pure.

Theory: a call that was accepted and not ready yet is owed a session, whatever its policy.  A session that was
ready when its server died, or when it was stopped, is started again under its id by its endpoint's policy,
unless it had been asked to end by somebody else.  What ended otherwise stays ended, and so does a session
whose connection was a caller's socket: that is gone for good.

A session may be what takes the server down.  So deaths of the server over which it is tried again are counted
(its takeovers), until it has lived for a while; servers that were stopped in order do not count.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Final

import msgspec

from runtime.placement.contract import Attempt
from runtime.session.exit_reasons import ExitReason
from runtime.session.record import SessionRecord
from runtime.session.restart import RestartPolicy
from runtime.session.spec import SessionSpec
from runtime.settings import SupervisorSettings

MAX_TAKEOVERS: Final = 2
"""Deaths of the server over which a session is tried again that was never ready."""


class Fate(Enum):
    """What a record of an earlier run is now."""

    OVER = "over"
    OWED = "owed"
    RESUMED = "resumed"
    LOST = "lost"
    CALLED_ANEW = "called_anew"
    GIVEN_UP = "given_up"


class Callers(msgspec.Struct, frozen=True, kw_only=True):
    """What whoever called a session of an earlier run wants of it now.

    Attributes:
        is_wanted: Whether it is wanted still.
        is_called_anew: Whether the same call is made again in this run.
    """

    is_wanted: Callable[[SessionSpec], bool] = lambda _: True
    is_called_anew: Callable[[SessionSpec], bool] = lambda _: False


class Takeover(msgspec.Struct, frozen=True, kw_only=True):
    """The rules of one start.

    Attributes:
        resumes: Sessions that were ready come back at all.
        most: Deaths of the server over which a session comes back that was ready before.
        stable_s: A life of this length forgets them.
        callers: What whoever called a session wants now.
    """

    resumes: bool = True
    most: int = 5
    stable_s: float = 60.0
    callers: Callers = Callers()

    @classmethod
    def of(cls, settings: SupervisorSettings, callers: Callers) -> Takeover:
        """The rules by the settings."""
        return cls(
            resumes=settings.resume,
            most=settings.restart_intensity,
            stable_s=settings.restart_stable_s,
            callers=callers,
        )

    def fate(self, record: SessionRecord, now: float) -> Fate:
        """Judge a record as the journal has it; `now` in seconds since the epoch."""
        may_return = self.resumes and comes_back(record.spec) and self.callers.is_wanted(record.spec)
        if record.exit is not None:
            return Fate.RESUMED if record.is_due and may_return else Fate.OVER
        if record.spec.relay:
            return Fate.LOST
        if record.state in ("accepted", "starting"):
            if self.callers.is_called_anew(record.spec):
                return Fate.CALLED_ANEW
            if record.started_at is not None and record.takeovers >= self._most(record):
                return Fate.GIVEN_UP
            if record.last_exit is not None and record.last_exit.reason.row.whose == "server":
                return Fate.OWED if may_return else Fate.LOST
            return Fate.OWED
        if record.stopping not in ("", ExitReason.DRAINED.value) or not may_return:
            return Fate.LOST
        return Fate.GIVEN_UP if self._deaths(record, now) > self.most else Fate.RESUMED

    def count(self, record: SessionRecord, now: float) -> int:
        """Its takeovers, this one included."""
        return self._deaths(record, now)

    def _deaths(self, record: SessionRecord, now: float) -> int:
        is_stable = record.ready_at is not None and now - record.ready_at >= self.stable_s
        return 1 if is_stable else record.takeovers + 1

    def _most(self, record: SessionRecord) -> int:
        return max(self.most, MAX_TAKEOVERS) if record.was_ready else MAX_TAKEOVERS


def comes_back(spec: SessionSpec) -> bool:
    """Whether a session follows its server when that one is stopped and started."""
    return not spec.relay and RestartPolicy(spec.restart) is not RestartPolicy.NEVER


def never_ran(record: SessionRecord) -> bool:
    """Whether a session whose server ends is still only a call, which the next run can start as well."""
    return not (record.was_ready or record.spec.relay)


def may_run_still(record: SessionRecord) -> bool:
    """Whether a process of it may be left, where sessions do not end with their server."""
    return record.exit is None and record.generation > 0 and not record.spec.relay


def attempts_of(record: SessionRecord) -> tuple[Attempt, Attempt]:
    """The attempt that was under way, and the one that may have begun without having been written down."""
    seen = {"Placed"} if record.node_id else set()
    seen |= {"Started"} if record.started_at is not None else set()
    seen |= {"Ready"} if record.ready_at is not None else set()
    seen |= {"Stopping"} if record.stopping else set()
    session_id, generation = record.spec.session_id, record.generation
    return Attempt(session_id, generation, frozenset(seen)), Attempt(session_id, generation + 1)
