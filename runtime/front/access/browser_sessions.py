"""Who may use the Studio from elsewhere: one-time codes of the terminal, and the sessions they become.

A code is short-lived, good once, and few are open at a time.  What a browser gets for it is a random value
in a cookie; only hashes of either are kept, and what is presented is hashed before it is looked up, so how
long that takes says nothing about what is right.  BrowserSessions outlive the server in a file of its owner.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections import OrderedDict
from contextlib import suppress
from pathlib import Path
from typing import Final

from runtime.clock import Clock
from runtime.files import kept_file
from runtime.logs import get_logger

CODE_S: Final = 600.0
BROWSER_SESSION_S: Final = 86_400.0
MAX_CODES: Final = 16
MAX_BROWSER_SESSIONS: Final = 64
FILE: Final = "browser_sessions.json"
_MAX_CHARS: Final = 100
_log = get_logger("server")


class BrowserSessions:
    """Codes and browser sessions of one server.

    Args:
        file: Where they are written, so that a restart of the server ends none; None keeps them in memory.
    """

    def __init__(self, clock: Clock, *, file: Path | None = None) -> None:
        self._clock, self._file = clock, file
        self._codes: OrderedDict[str, float] = OrderedDict()
        self._sessions: OrderedDict[str, float] = OrderedDict(_read(file))

    def code(self) -> str:
        """A new code; the oldest open one goes when there are too many."""
        code = secrets.token_urlsafe(24)
        self._codes[_hash(code)] = self._clock.now() + CODE_S
        while len(self._codes) > MAX_CODES:
            self._codes.popitem(last=False)
        return code

    def enter(self, code: str) -> str | None:
        """Change a code into a session: the cookie's value; None when the code is wrong, used or too old."""
        if len(code) > _MAX_CHARS:
            return None
        until = self._codes.pop(_hash(code), None)
        return self.begin() if until is not None and self._clock.now() < until else None

    def begin(self) -> str:
        """A session of somebody who needs no code; the oldest session ends when there are too many."""
        value, now = secrets.token_urlsafe(32), self._clock.wall()
        for known in [known for known, until in self._sessions.items() if until <= now]:
            del self._sessions[known]
        self._sessions[_hash(value)] = now + BROWSER_SESSION_S
        while len(self._sessions) > MAX_BROWSER_SESSIONS:
            self._sessions.popitem(last=False)
        self._write()
        return value

    def knows(self, value: str) -> bool:
        """Whether a cookie's value is that of a session that goes on."""
        if not 0 < len(value) <= _MAX_CHARS:
            return False
        return self._sessions.get(_hash(value), 0.0) > self._clock.wall()

    def leave(self, value: str) -> None:
        """End a session; one that nobody knows is over already."""
        if self._sessions.pop(_hash(value), None) is not None:
            self._write()

    def _write(self) -> None:
        if self._file is None:
            return
        with suppress(OSError):  # a disk that is full ends sessions at the next restart, not the server now
            kept_file.write(self._file, json.dumps(self._sessions))


def cookie_of(header: str, name: str) -> list[str]:
    """The values a ``Cookie`` header has under a name; a browser may send several of different paths."""
    pairs = (part.strip().partition("=") for part in header[:8192].split(";"))
    return [value for key, _, value in pairs if key == name]


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()


def _read(file: Path | None) -> list[tuple[str, float]]:
    if file is None:
        return []
    try:
        found = read_sessions(file)
    except FileNotFoundError:
        return []
    except (OSError, ValueError) as error:
        _log.warning("browser_sessions.unreadable", file=str(file), error=str(error))
        return []
    return found[-MAX_BROWSER_SESSIONS:]


def read_sessions(file: Path) -> list[tuple[str, float]]:
    """What is in the file: hashes, and when each session ends, in seconds since the epoch.

    Raises:
        OSError: It cannot be read.
        ValueError: It is something else.
    """
    held = json.loads(file.read_text())
    if not isinstance(held, dict):
        raise ValueError("it is no JSON object")
    return [(key, float(until)) for key, until in held.items() if isinstance(until, int | float)]
