"""Inputs that kill whatever works on them: counted, parked, released.  Pure.

An input is an endpoint together with what the call brought along: the room's name and its arguments, not
its token and not the room's address, which differ from call to call.  A call without arguments has no input
of its own: what kills its session is the agent or its room, and an endpoint that dies at every start is the
business of the restart intensity (`runtime.session.restart`).  Such a call is never parked.

A death counts when the session's own process failed (signal, exit, memory, hang, an exception), not when the
room, an operator or the server ended it.  Deaths that are long past do not count, and a session that ended
well proves that its input can be survived and clears the count.
"""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from collections.abc import Iterable
from typing import Any, Final

import msgspec

from runtime.session.exit_reasons import ExitReason
from runtime.session.record import Exit

MAX_INPUTS: Final = 1000


def input_hash(endpoint: str, room: str, arguments: dict[str, Any]) -> str:
    """The name of an input: 16 hex digits; empty for a call without arguments."""
    if not arguments:
        return ""
    text = json.dumps([endpoint, room, arguments], sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def is_death(exit: Exit) -> bool:
    """Whether an end says that the input may have killed the session."""
    if exit.reason is ExitReason.EXIT and exit.code in (0, None):
        return False
    return exit.reason.row.is_death


class Parked(msgspec.Struct, frozen=True, kw_only=True):
    """An input that is not run any more, until it is released.

    Attributes:
        session_id: The last session it killed.
        message: How that one died.
        at: When it was parked; seconds since the epoch.
    """

    hash: str
    endpoint: str
    room: str
    deaths: int
    session_id: str
    message: str
    at: float

    @property
    def sentence(self) -> str:
        """What to tell whoever meets it."""
        return f"this input killed its session {self.deaths} times, last {self.session_id}: {self.message}"

    @property
    def cure(self) -> str:
        return f"Mend the agent or the input, then run `bulkhead quarantine release {self.hash}`."


class _Suspect(msgspec.Struct):
    deaths: list[float] = msgspec.field(default_factory=list)


class Quarantine:
    """Suspects and parked inputs.

    Args:
        deaths: This many deaths park an input.
        period_s: Deaths older than this do not count.
        max_inputs: Suspects, and parked inputs, that are remembered; those touched longest ago go first.
    """

    def __init__(self, *, deaths: int = 3, period_s: float = 3600.0, max_inputs: int = MAX_INPUTS) -> None:
        self._deaths, self._period_s, self._max_inputs = deaths, period_s, max_inputs
        self._suspects: OrderedDict[str, _Suspect] = OrderedDict()
        self._parked: OrderedDict[str, Parked] = OrderedDict()

    def __len__(self) -> int:
        return len(self._parked)

    @property
    def suspect_count(self) -> int:
        return len(self._suspects)

    def find(self, hash: str) -> Parked | None:
        """The parked input of that name."""
        return self._parked.get(hash) if hash else None

    def parked(self) -> list[Parked]:
        """All of them, the latest first."""
        return list(reversed(self._parked.values()))

    def ended(
        self, hash: str, exit: Exit, *, endpoint: str, room: str, session_id: str, at: float
    ) -> Parked | None:
        """Note how a session with this input ended; the parked input when this death was one too many.

        Args:
            at: Seconds since the epoch.
        """
        if not hash or hash in self._parked:
            return self.find(hash)
        if not is_death(exit):
            if exit.reason.is_clean:
                self._suspects.pop(hash, None)
            return None
        suspect = self._suspects.pop(hash, None) or _Suspect()
        suspect.deaths = [one for one in suspect.deaths if at - one < self._period_s][-self._deaths :]
        suspect.deaths.append(at)
        if len(suspect.deaths) < self._deaths:
            self._suspects[hash] = suspect
            while len(self._suspects) > self._max_inputs:
                self._suspects.popitem(last=False)
            return None
        parked = Parked(
            hash=hash,
            endpoint=endpoint,
            room=room,
            deaths=len(suspect.deaths),
            session_id=session_id,
            message=exit.message[:500],
            at=at,
        )
        self._park(parked)
        return parked

    def restore(self, parked: Iterable[Parked]) -> None:
        """Take in what an earlier run parked, the oldest first."""
        for one in parked:
            self._park(one)

    def release(self, hash: str) -> Parked | None:
        """Let an input run again, with a clean count; None when it is not parked."""
        self._suspects.pop(hash, None)
        return self._parked.pop(hash, None)

    def _park(self, parked: Parked) -> None:
        self._parked[parked.hash] = parked
        while len(self._parked) > self._max_inputs:
            self._parked.popitem(last=False)
