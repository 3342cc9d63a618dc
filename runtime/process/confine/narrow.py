"""Hold one session more tightly than its bundle, from its start on: as its endpoint asks for.

A ruleset for each endpoint that may use less is made in the zygote, once its program has run, and comes to
its sessions as a descriptor.  That of a session which sees no process but itself is made in the session.
"""

from __future__ import annotations

import ctypes
import errno
import os
import socket
from typing import Any

from runtime.process.confine import denied, landlock, ring, seccomp

ITSELF = "/proc/self"

_rules: dict[str, list[ring.Rule]] = {}
_libc = ctypes.CDLL(None, use_errno=True)
_made: dict[str, landlock.Ruleset] = {}


def prepare(held: dict[str, Any]) -> dict[str, list[ring.Rule]]:
    """Make what the sessions of this zygote may need, by path of their endpoint; returns the rules.

    Call it when the program cannot change it any more.

    Raises:
        OSError: The system has no more of something.
    """
    version = landlock.abi()
    for path, own in held["narrower"].items() if version else ():
        _rules[path] = [tuple(rule) for rule in own["rules"]]
        if own["strict"]:
            _rules[path].append((ITSELF, landlock.READ, False))
        else:
            _made[path] = ring.ruleset(_rules[path], version)
    return _rules


def to(endpoint: str) -> bool:
    """Be held as the endpoint is, from here on; whether that is more tightly.

    Raises:
        OSError: It cannot be had: the session must not begin.
    """
    rules = _rules.get(endpoint)
    if rules is None:
        _close()
        return False
    if len(os.listdir("/proc/self/task")) > 1:  # the others would not be held
        raise OSError(errno.EBUSY, "a thread runs in it already, and would be held by less than its endpoint")
    made = _made.get(endpoint) or ring.ruleset(rules)
    landlock.restrict(made.fileno())
    made.close()
    _close()
    return True


def _close() -> None:
    """Nobody is to add a right to what others will be held by."""
    for made in _made.values():
        made.close()
    _made.clear()


def cut_off() -> None:
    """Do without a network from here on, in all threads; where that is so already, nothing is added.

    Raises:
        OSError: It cannot be had: the session must not begin.
    """
    # Not by a socket of Python's, which would be seen, and told as one that was refused.
    fd = _libc.socket(socket.AF_INET, socket.SOCK_STREAM, 0)
    if fd >= 0:
        os.close(fd)
    elif ctypes.get_errno() == errno.EACCES:
        return
    seccomp.install(seccomp.program(denied.strict("none")), all_threads=True)
