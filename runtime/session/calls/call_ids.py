"""Which call an id is of: the callers' ids of calls, remembered for a while.  Pure.

A caller that is not sure whether its call arrived sends it again with the same id, and must get the same
session; whatever has become of that one, and whichever run of the server it asks.  The same id with another
call is a mistake of the caller's, which would lose that call silently.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Iterable
from typing import Any, Final

import msgspec

from runtime.session.spec import SessionId, SessionSpec

REMEMBER_COUNT: Final = 10_000
REMEMBER_S: Final = 3 * 24 * 3600.0
"""Those who send webhooks again do so for hours, few for days."""
_DIGEST_BYTES: Final = 16


def digest(room: str, room_url: str, arguments: dict[str, Any]) -> bytes:
    """What a call said, in a few bytes.  Not its token: a caller may mint a new one each time it tries."""
    said = msgspec.json.encode([room, room_url, arguments], order="sorted")
    return hashlib.blake2b(said, digest_size=_DIGEST_BYTES).digest()


class CallId(msgspec.Struct, frozen=True):
    """An id and what came with it.

    Attributes:
        endpoint: An id is one of its endpoint.
        call: `digest` of the call.
        at: When it was accepted, in seconds since the epoch.
    """

    endpoint: str
    webhook_id: str
    session_id: SessionId
    call: bytes
    at: float

    @classmethod
    def of(cls, spec: SessionSpec) -> CallId | None:
        """That of a session; None where its caller gave none."""
        if not spec.webhook_id:
            return None
        call = digest(spec.room, spec.room_url, spec.arguments)
        return cls(spec.endpoint, spec.webhook_id, spec.session_id, call, spec.accepted_at)


class CallIds:
    """Ids by endpoint, bounded by their age and their number: the oldest goes first."""

    def __init__(self, *, most: int = REMEMBER_COUNT, window_s: float = REMEMBER_S) -> None:
        self._most, self._window_s = most, window_s
        self._ids: OrderedDict[tuple[str, str], CallId] = OrderedDict()

    def __len__(self) -> int:
        return len(self._ids)

    def find(self, endpoint: str, webhook_id: str, now: float) -> CallId | None:
        """The id, if it is known and not too old; `now` in seconds since the epoch."""
        found = self._ids.get((endpoint, webhook_id))
        return None if found is None or now - found.at > self._window_s else found

    def remember(self, one: CallId) -> None:
        """From now on the id is this call's."""
        key = (one.endpoint, one.webhook_id)
        self._ids.pop(key, None)
        self._ids[key] = one
        while len(self._ids) > self._most:
            self._ids.popitem(last=False)

    def restore(self, ids: Iterable[CallId]) -> None:
        """Those of earlier runs, before any of this one."""
        for one in sorted(ids, key=lambda one: one.at):
            self.remember(one)

    def forget(self, session_id: SessionId) -> CallId | None:
        """The session never came to be: its id is free again."""
        # From the latest on: it is the one that was just admitted, or nearly.
        key = next((key for key in reversed(self._ids) if self._ids[key].session_id == session_id), None)
        return None if key is None else self._ids.pop(key)
