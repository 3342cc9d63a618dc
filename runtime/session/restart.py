"""Whether a session that ended is started again, and after how long.  Pure.

Theory: three questions, in this order.  Is this an end that its policy starts again (`wants`)?  Has it been
started again too often lately (the intensity: so many restarts within a period)?  If not, how long must it
wait (a delay that doubles while it keeps failing and begins anew once it has lived for a while)?

The intensity is counted per session, not per endpoint: an input that kills its session must not use up the
restarts of the sessions beside it.  A room that cannot be reached is not the session's fault, so tries to
reach it do not count; they are given up once it could not be reached for a long time.  Nor is what the system
has no more of: that is waited out, however long it takes, and a session that had no process yet is owed one
whatever its policy is.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable
from enum import StrEnum

import msgspec

from runtime.session.exit_reasons import ExitReason
from runtime.session.record import Exit
from runtime.session.spec import SessionId


class RestartPolicy(StrEnum):
    """Which ends of an endpoint's sessions are followed by another attempt."""

    NEVER = "never"
    ON_FAILURE = "on_failure"
    ALWAYS = "always"


_MAY_MEND = re.compile("Connect|Timeout|Unavailable|RateLimit|gaierror|BrokenPipe")
"""Exceptions of the world around, in a constructor that asks it for something."""


def wants(policy: RestartPolicy, exit: Exit) -> bool:
    """Whether the policy starts a session again that ended like this."""
    if exit.reason.row.restart == "owed":
        return True
    if policy is RestartPolicy.NEVER:
        return False
    if exit.reason is ExitReason.EXIT and exit.code == 0:
        return policy is RestartPolicy.ALWAYS
    if (failure := exit.failure) is not None:
        if failure.kind == "RoomRefused":
            return False  # the room answered; asking again with the same token gets the same answer
        of_constructor = exit.reason is ExitReason.START_ERROR and failure.stage == "construct"
        if of_constructor and not _MAY_MEND.search(failure.kind):
            return False  # the same code would do the same again; an edit is loaded for the next call
    match exit.reason.row.restart:
        case "never" | "with_server":  # the server is not there to do it: `runtime.dispatch.fate`
            return False
        case "always":
            return policy is RestartPolicy.ALWAYS
        case "failure" | "patiently" | "passing" | "owed" | "moved":
            return True


class Backoff(msgspec.Struct):
    """Delays that double while it keeps failing, and begin anew after it has held for a while.

    Attributes:
        first_s: The first delay.
        most_s: The longest.
        stable_s: A life of this length counts as success.
    """

    first_s: float = 0.1
    most_s: float = 10.0
    stable_s: float = 30.0
    _failures: int = 0

    def after(self, lived_s: float) -> float:
        """Seconds to wait, now that it ended after `lived_s`."""
        if lived_s >= self.stable_s:
            self._failures = 0
        delay_s = min(self.most_s, self.first_s * 2.0**self._failures)
        self._failures = min(self._failures + 1, 32)
        return delay_s


class Again(msgspec.Struct, frozen=True):
    """Start it again in `delay_s` seconds; this is restart `attempt` of at most `most` within the period."""

    delay_s: float
    attempt: int
    most: int


class GivenUp(msgspec.Struct, frozen=True):
    """Its policy would start it again, but not this often; `message` ends the sentence of its exit."""

    message: str


class RestartRules(msgspec.Struct, frozen=True, kw_only=True):
    """The numbers.

    Attributes:
        intensity: Restarts of one session within `period_s`; one more end is final.
        room_s: How long a room may be out of reach before its session is given up.
        spread: Part of a delay that chance adds or takes, so that sessions that fell together do not rise
            together.
    """

    intensity: int = 5
    period_s: float = 60.0
    first_s: float = 0.5
    most_s: float = 30.0
    stable_s: float = 60.0
    room_s: float = 300.0
    spread: float = 0.2


class _Attempts(msgspec.Struct):
    backoff: Backoff
    times: deque[float] = msgspec.field(default_factory=deque)
    unreachable_since: float | None = None


class Restarts:
    """What is remembered of the sessions that were started again; forget each one that is over.

    Args:
        chance: A number from 0 to 1, such as `random.random`.
    """

    def __init__(self, rules: RestartRules, *, chance: Callable[[], float]) -> None:
        self._rules, self._chance = rules, chance
        self._known: dict[SessionId, _Attempts] = {}

    def __len__(self) -> int:
        return len(self._known)

    def ended(
        self, session_id: SessionId, exit: Exit, *, policy: RestartPolicy, lived_s: float, now: float
    ) -> Again | GivenUp | None:
        """Decide about a session that ended just now; None when its policy is content with this end.

        Args:
            lived_s: From Ready to the end; 0 when it never was ready.
            now: Monotonic.
        """
        if not wants(policy, exit):
            return None
        rules = self._rules
        if exit.reason.row.restart == "moved":  # nothing failed, and nobody has to recover first
            return Again(0.0, 0, rules.intensity)
        known = self._known.get(session_id)
        if known is None:
            known = _Attempts(Backoff(rules.first_s, rules.most_s, rules.stable_s))
            self._known[session_id] = known
        while known.times and now - known.times[0] >= rules.period_s:
            known.times.popleft()
        if exit.reason.row.restart == "patiently":
            if known.unreachable_since is None or lived_s > 0:
                known.unreachable_since = now
            if now - known.unreachable_since >= rules.room_s:
                return GivenUp(f"given up: its room was out of reach for {rules.room_s:g} s")
        elif exit.reason.row.restart not in ("passing", "owed"):
            known.unreachable_since = None
            if len(known.times) >= rules.intensity:
                return GivenUp(f"given up after {rules.intensity} restarts within {rules.period_s:g} s")
            known.times.append(now)
        delay_s = known.backoff.after(lived_s) * (1 + rules.spread * (2 * self._chance() - 1))
        return Again(delay_s, len(known.times), rules.intensity)

    def forget(self, session_id: SessionId) -> None:
        """The session is over."""
        self._known.pop(session_id, None)
