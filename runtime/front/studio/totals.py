"""What all sessions use together, by endpoint; only those that were measured are added up anew.  Pure."""

from __future__ import annotations

from collections.abc import Container
from typing import Final

import msgspec

from runtime.session.info import Vitals
from runtime.session.spec import SessionId

MOST_CHILDREN: Final = 4
"""A larger tree is not read page by page here: one that forks while it is read would hold up the loop."""


class _Figures(msgspec.Struct):
    """What one session adds; `shared_bytes` is None while it was not read page by page."""

    name: str
    cpu_s: float
    rss_bytes: int
    shared_bytes: int | None


class _Of(msgspec.Struct):
    """What the sessions of one endpoint come to; `read` of them were read page by page."""

    sessions: int = 0
    read: int = 0
    rss_bytes: int = 0
    shared_bytes: int = 0

    def add(self, one: _Figures, sign: int) -> None:
        self.sessions += sign
        self.rss_bytes += sign * one.rss_bytes
        if one.shared_bytes is not None:
            self.read += sign
            self.shared_bytes += sign * one.shared_bytes


class Totals:
    """The figures of all sessions that are known, in sums."""

    def __init__(self) -> None:
        self._figures: dict[SessionId, _Figures] = {}
        self._of: dict[str, _Of] = {}
        self._used_s: dict[str, float] = {}
        self._unread: dict[SessionId, None] = {}
        self._read: dict[SessionId, None] = {}

    def take(self, session: SessionId, name: str, vitals: Vitals) -> None:
        """A session of the endpoint was measured."""
        before = self._figures.get(session)
        used_s = vitals.cpu_s - (before.cpu_s if before else 0.0)
        self._used_s[name] = self._used_s.get(name, 0.0) + max(0.0, used_s)
        self._forget(session)
        shared = max(0, vitals.rss_bytes - vitals.pss_bytes) if vitals.pss_bytes else None
        one = self._figures[session] = _Figures(name, vitals.cpu_s, vitals.rss_bytes, shared)
        self._of.setdefault(name, _Of()).add(one, 1)
        if vitals.children <= MOST_CHILDREN:
            (self._unread if shared is None else self._read)[session] = None

    def keep_only(self, sessions: Container[SessionId]) -> None:
        """The others are over."""
        for session in [one for one in self._figures if one not in sessions]:
            self._forget(session)

    def _forget(self, session: SessionId) -> None:
        if (one := self._figures.pop(session, None)) is not None:
            of = self._of[one.name]
            of.add(one, -1)
            if not of.sessions:
                del self._of[one.name]
        self._unread.pop(session, None)
        self._read.pop(session, None)

    def cpu(self, took_s: float) -> dict[str, float]:
        """Shares of a core by endpoint, of what was used since this was last asked, `took_s` ago."""
        used, self._used_s = self._used_s, {}
        return {name: round(used.get(name, 0.0) / took_s, 3) for name in self._of.keys() | used.keys()}

    def memory(self) -> dict[str, int]:
        """Resident bytes by endpoint."""
        return {name: of.rss_bytes for name, of in self._of.items()}

    @property
    def saved_bytes(self) -> int:
        """How much more sessions would take together if none shared a page with another.

        That is what is resident of each, less its part of what it shares (RSS less PSS).  For a session that
        was not read page by page yet, what the others of its endpoint share on average is taken.
        """
        known = [of for of in self._of.values() if of.read]
        return sum(of.shared_bytes * of.sessions // of.read for of in known)

    def to_read(self, most: int) -> list[SessionId]:
        """Whose pages are to be read next: some that never were, or the one read the longest ago."""
        if self._unread:
            return [session for session, _ in zip(self._unread, range(most), strict=False)]
        return next(([session] for session in self._read), [])
