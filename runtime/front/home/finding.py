"""What was found of a state folder: one thing, whether it is well, and what to do about it."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

import msgspec


class State(StrEnum):
    """How it is."""

    OK = "ok"
    NOTE = "note"
    WRONG = "wrong"


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was looked at.

    Attributes:
        check: What was looked at, in one word.
        about: What was found, a sentence.
        cure: What to do about it.
        mend: Does it without loss, and tells what it did; None where a person has to decide.
            Raises OSError or sqlite3.Error.
    """

    check: str
    state: State
    about: str
    cure: str = ""
    mend: Callable[[], str] | None = None


def ok(check: str, about: str) -> Finding:
    """It is well."""
    return Finding(check=check, state=State.OK, about=about)


def note(check: str, about: str, cure: str = "", mend: Callable[[], str] | None = None) -> Finding:
    """Nothing is broken, and somebody may want to know."""
    return Finding(check=check, state=State.NOTE, about=about, cure=cure, mend=mend)


def wrong(check: str, about: str, cure: str, mend: Callable[[], str] | None = None) -> Finding:
    """Something is broken, or about to be."""
    return Finding(check=check, state=State.WRONG, about=about, cure=cure, mend=mend)
