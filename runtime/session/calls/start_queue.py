"""Who starts next: first come first served within an endpoint, endpoints in turn.  Pure.

A burst at one endpoint therefore delays its own calls, not those of the endpoint beside it.  For the same
reason one endpoint may hold most of the starts that are allowed at once but not all: a quarter stays for the
others, so that agents that hang in their start do not stop everybody's.  How many may wait is bounded by the
admission that came before.
"""

from __future__ import annotations

import math
from collections import OrderedDict, deque
from collections.abc import Mapping

import msgspec

from runtime.session.spec import SessionId


class Turn(msgspec.Struct, frozen=True):
    """A session that waits to be started.

    Attributes:
        until: Monotonic second at which it has waited too long; infinite for one that waits as it must.
    """

    session_id: SessionId
    endpoint: str
    until: float


def share_of(max_starting: int) -> int:
    """How many of the starts at once may be of one endpoint."""
    return max_starting - max_starting // 4


class StartQueue:
    """The turns of all endpoints."""

    def __init__(self) -> None:
        self._lines: OrderedDict[str, deque[Turn]] = OrderedDict()
        self._endpoint_of: dict[SessionId, str] = {}

    def __len__(self) -> int:
        return len(self._endpoint_of)

    def __contains__(self, session_id: SessionId) -> bool:
        return session_id in self._endpoint_of

    def waits(self, endpoint: str) -> bool:
        """Somebody waits for a turn of this endpoint."""
        return endpoint in self._lines

    def push(self, turn: Turn) -> None:
        """To the end of its endpoint's line; a session that stands in it already stays where it is."""
        if turn.session_id in self._endpoint_of:
            return
        self._endpoint_of[turn.session_id] = turn.endpoint
        self._lines.setdefault(turn.endpoint, deque()).append(turn)

    def pop(self, *, starting: Mapping[str, int], total: int, max_starting: int) -> Turn | None:
        """The next one that may start now, or None.

        Args:
            starting: Starts under way by endpoint.
            total: All starts under way.
        """
        if total >= max_starting:
            return None
        share = share_of(max_starting)
        for endpoint, line in self._lines.items():
            if starting.get(endpoint, 0) < share:
                turn = line[0]
                self.remove(turn.session_id)
                if endpoint in self._lines:
                    self._lines.move_to_end(endpoint)
                return turn
        return None

    def remove(self, session_id: SessionId) -> bool:
        """Take one out of turn; False when it does not wait."""
        endpoint = self._endpoint_of.pop(session_id, None)
        if endpoint is None:
            return False
        line = self._lines[endpoint]
        if line[0].session_id == session_id:
            line.popleft()
        else:
            self._lines[endpoint] = line = deque(turn for turn in line if turn.session_id != session_id)
        if not line:
            del self._lines[endpoint]
        return True

    def expired(self, now: float) -> list[Turn]:
        """Take out those that have waited too long."""
        late = [turn for line in self._lines.values() for turn in line if turn.until <= now]
        for turn in late:
            self.remove(turn.session_id)
        return late

    def next_expiry(self) -> float | None:
        """When `expired` will have something to say; None when nobody waits."""
        untils = (turn.until for line in self._lines.values() for turn in line)
        return min((until for until in untils if until != math.inf), default=None)
