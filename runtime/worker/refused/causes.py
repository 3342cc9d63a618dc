"""What was refused that an exception came of."""

from __future__ import annotations

import os
import socket
import sys
from errno import EACCES, EAFNOSUPPORT, EPERM, EPROTONOSUPPORT
from typing import Final

from runtime.confinement.reach import Reach
from runtime.confinement.refusal import FILES_READ, FILES_WRITE, Refusal
from runtime.process.fork import packing
from runtime.worker.refused import database
from runtime.worker.refused.calls import Calls, text_of

_MOST_CAUSES: Final = 20
_ROUNDS: Final = 12
_REFUSED: Final = (EACCES, EPERM, EAFNOSUPPORT, EPROTONOSUPPORT)
_WORDS: Final = ("permission denied", "operation not permitted")
_DATABASE_WORDS: Final = ("unable to open database", "readonly database", "read-only database")

_calls: Calls | None = None
_is_installed = _hears = False
narrower: dict[str, tuple[Reach, bool]] = {}
"""By path, what endpoints may use whose sessions are held more tightly than this process; and whether these
see what /proc says of others."""


def know(calls: Calls | None) -> None:
    """Ask them what is behind an exception; they see no calls before `hear`."""
    global _calls
    _calls = calls


def install() -> None:
    """Have them made, and know the way, to see every call of this process once it is told to `hear`.

    Once, however often it is asked.  In a zygote before it rehearses, so that its sessions find the pages
    ready.  Nothing is done where nothing is held back.
    """
    global _calls, _is_installed
    if _calls is not None and not _is_installed:
        _calls, _is_installed = _calls.again(), True
        for _ in range(_ROUNDS):  # as a session has them, so that it finds what is called then well worn
            _calls.hook("open", (os.devnull, "r", os.O_RDONLY))
            _calls.hook("socket.__new__", (None, socket.AF_INET, socket.SOCK_STREAM, 0))
            _calls.hook("socket.connect", (None, ("127.0.0.1", 1)))


def hear() -> None:
    """See every call from now on, also of those that it forks; for good: an audit hook cannot be taken out.

    In a zygote as the last thing before it forks: each of the many calls with which it looks at itself would
    be seen as well.
    """
    global _hears
    if _calls is not None and not _hears:
        _hears = True
        sys.addaudithook(_calls.hook)


def narrow(endpoint: str) -> None:
    """This session may use what its endpoint may, from now on."""
    if _calls is not None and endpoint in narrower:
        reach, sees_others = narrower[endpoint]
        _calls.narrow(reach, sees_others=sees_others)


def begin(own: str) -> None:
    """This process is a session now: nothing was refused yet, and it has this private folder."""
    if _calls is not None:
        _calls.begin(own)


def code() -> packing.Codes:
    """What sees the calls of a session; a profiler does not note it, because hooks are not profiled."""
    return {} if _calls is None else packing.code_of(sys.modules[Calls.__module__])


def calls() -> Calls | None:
    """Those of this process; None where nothing is held back."""
    return _calls


def behind(error: BaseException) -> Refusal | None:
    """What was refused that this exception, or one that it came of, is about.

    None where nothing was, or nothing is held back.
    """
    if _calls is None:
        return None
    try:
        found = (_behind(one, _calls) for one in _chain(error))
        return next((refusal for refusal in found if refusal is not None), None)
    except Exception:  # noqa: BLE001 - an exception of the agent's may do as it likes when it is looked at
        return None


def _behind(error: BaseException, calls: Calls) -> Refusal | None:
    if isinstance(error, OSError) and error.errno in _REFUSED:
        for name in (error.filename, error.filename2):
            path = text_of(name)
            if path and (found := _of_path(path, calls)) is not None:
                return found
        return calls.account.lately()
    if isinstance(error, FileNotFoundError):
        return calls.left_at_home(text_of(error.filename))
    if isinstance(error, ModuleNotFoundError):
        return _of_module(error.name or "", calls)
    text = _message(error)
    if type(error).__module__.startswith("sqlite3") and any(word in text for word in _DATABASE_WORDS):
        return next(calls.databases.latest(), None) or (None if _hears else database.named_in(error, calls))
    return calls.account.lately() if any(word in text for word in _WORDS) else None


def _of_path(path: str, calls: Calls) -> Refusal | None:
    """What is not granted of a path that an error names."""
    real = os.path.realpath(path)
    for known in calls.account.latest():
        if known.what in (real, os.path.dirname(real)):
            return known
    if (look := calls.look(real)) is not None:
        return look
    exists = os.path.lexists(real)
    if exists and not calls.may_read(real) and os.access(real, os.R_OK):
        return Refusal(FILES_READ, real)
    if not calls.may_write(real) and os.access(real if exists else os.path.dirname(real), os.W_OK):
        return Refusal(FILES_WRITE, real)
    return None


def _of_module(name: str, calls: Calls) -> Refusal | None:
    """The file or folder of a module that is there, and may not be read: to an import it is not there."""
    top = name.partition(".")[0]
    for folder in sys.path if top else ():
        for path in (os.path.join(folder, top), os.path.join(folder, f"{top}.py")):
            real = os.path.realpath(path)
            if os.path.lexists(real) and not calls.may_read(real):
                return Refusal(FILES_READ, real)
    return None


def _chain(error: BaseException) -> list[BaseException]:
    """An exception with those that it came of, each once."""
    found: list[BaseException] = []
    waiting: list[BaseException | None] = [error]
    while waiting and len(found) < _MOST_CAUSES:
        one = waiting.pop(0)
        if one is None or any(one is known for known in found):
            continue
        found.append(one)
        inner = one.exceptions if isinstance(one, BaseExceptionGroup) else ()
        waiting += [*inner, one.__cause__, one.__context__]
    return found


def _message(error: BaseException) -> str:
    """What it says, without asking its own methods."""
    return " ".join(one for one in error.args if type(one) is str)[:2000].lower()
