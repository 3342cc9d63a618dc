"""Until when a node has to tell of an attempt that starts or ends, and what follows when it does not.  Pure.

Theory: such an attempt has one deadline, which begins anew with each step that its node tells. What is not
told by then is asked for, because it may have been lost on its way. What is not told even then is to be
killed, so that no two attempts of a session run, and given up when nothing is heard of that. As long as its
node could not have told, nothing follows.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Final

import msgspec

from runtime.placement.cluster.messages import Beat, Stop
from runtime.placement.cluster.resync import Holding
from runtime.session.spec import SessionId

MARGIN_S: Final = 10.0
"""What a node may take longer than it has to, and its word to come."""
STEP_S: Final = 5.0
"""What it has to answer in, and then to kill in."""
MOST_START_S: Final = 900.0
MOST_STOP_S: Final = 3600.0
"""However long a node says that it takes."""


class Step(Enum):
    """What is done next about an attempt whose node does not tell of it."""

    ASK = "ask"
    KILL = "kill"
    GIVE_UP = "give_up"


class Late(msgspec.Struct, frozen=True):
    """A step that is due, of an attempt of which nothing was told for so long."""

    step: Step
    holding: Holding
    silent_s: float


class _Awaited(msgspec.Struct):
    holding: Holding
    since: float
    until: float
    step: Step = Step.ASK
    is_asked: bool = False


class Deadlines:
    """Those of all attempts that start or end."""

    def __init__(self) -> None:
        self._awaited: dict[SessionId, _Awaited] = {}

    def told(self, holding: Holding, beat: Beat, now: float) -> None:
        """An attempt was given to a node, or its node told its next step."""
        known = self._awaited.pop(holding.session, None)
        if known is not None and known.is_asked and "Exited" not in holding.seen:
            self._awaited[holding.session] = known  # what was asked for has its time already
        elif "Exited" in holding.seen:
            self._await(holding, 0.0, now)
        elif "Stopping" in holding.seen:
            self._await(holding, _within(beat.stop_s, MOST_STOP_S), now)
        elif holding.is_starting:
            self._await(holding, _within(beat.start_s, MOST_START_S), now)

    def asked(self, holding: Holding, stop: Stop, beat: Beat, now: float) -> None:
        """An attempt was asked to end; who asks once more gives it no more time."""
        known = self._awaited.get(holding.session)
        within_s = (stop.finish_s or 0.0) + (stop.grace_s or 0.0) + _within(beat.stop_s, MOST_STOP_S)
        is_later = known is not None and known.is_asked and known.until <= now + within_s + MARGIN_S
        if known is None or not (is_later or known.step is not Step.ASK):
            self._await(holding, within_s, now, is_asked=True)

    def over(self, session: SessionId) -> None:
        """Nothing more is to be told of it."""
        self._awaited.pop(session, None)

    def due(self, now: float, could_tell: Callable[[str], bool]) -> list[Late]:
        """Time has passed.

        Args:
            could_tell: Whether a node could tell, and be heard, in the last moments.
        """
        found = list[Late]()
        for one in list(self._awaited.values()):
            if now < one.until:
                continue
            one.until = now + STEP_S
            if not could_tell(one.holding.node):
                continue
            found.append(Late(one.step, one.holding, now - one.since))
            one.step = Step.KILL if one.step is Step.ASK else Step.GIVE_UP
        return found

    def _await(self, holding: Holding, within_s: float, now: float, *, is_asked: bool = False) -> None:
        until = now + within_s + MARGIN_S
        self._awaited[holding.session] = _Awaited(holding, now, until, is_asked=is_asked)


def _within(said_s: float, most_s: float) -> float:
    return min(said_s, most_s) if said_s >= 0 else most_s  # it may say that it is no number
